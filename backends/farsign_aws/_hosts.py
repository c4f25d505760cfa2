"""AWS's hosts: which are its own, in which region and partition they are, and where credentials may go (RULES 9, 10)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from farsign.driver import check_host, is_loopback, split_endpoint
from farsign.errors import HostRefused

REGION: Final = r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+"
_PARTITIONS: Final = (  # by the prefix of a region; the rest is "aws"
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("eusc-", "aws-eusc"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
)
_SUFFIXES: Final = (  # of every partition, plain and dual-stack
    "amazonaws.com",
    "api.aws",
    "amazonaws.com.cn",
    "api.amazonwebservices.com.cn",
    "amazonaws.eu",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "api.aws.ic.gov",
    "sc2s.sgov.gov",
    "api.aws.scloud",
    "cloud.adc-e.uk",
    "api.cloud-aws.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws.hci.ic.gov",
)
# Not all below amazonaws.com is AWS's: customers' buckets, gateways and machines are there, too. So the service is part of the pattern;
# those other than KMS are where boto3 gets credentials.
_OWN: Final = re.compile(
    r"(?:vpce-[a-z0-9-]+\.)?(?P<service>kms|sts|oidc|portal\.sso|signin)(?:-fips)?\."
    rf"(?:(?P<region>{REGION})\.(?:vpce\.)?)?(?:{'|'.join(map(re.escape, _SUFFIXES))})"
)
_SIGN_IN: Final = (".signin.aws.amazon.com", ".oauth.signin.aws", ".signin.amazonaws.cn", ".signin.amazonaws-us-gov.com")


def partition_of(region: str) -> str:
    return next((name for prefix, name in _PARTITIONS if region.startswith(prefix)), "aws")


def region_of(host: str) -> str:
    """The region that the name of a KMS host states; "" for other hosts."""
    match = _OWN.fullmatch(host.lower().removesuffix("."))
    return (match["region"] or "") if match and match["service"] == "kms" else ""


def check(url: str, *, own_credentials: bool, allow: Sequence[str]) -> None:
    """Return if credentials may go to ``url``, else raise HostRefused. own_credentials: they were given for this, not found around."""
    scheme, host, port = split_endpoint(url)
    name = host.lower().removesuffix(".")
    suffixes = (name,) if _OWN.fullmatch(name) else ("kms.REGION.amazonaws.com", *_SIGN_IN)
    check_host(host, port, scheme=scheme, suffixes=suffixes, allow=allow)
    if is_loopback(host) and not own_credentials:
        raise HostRefused(
            f"the credentials of this process would go to {url}",
            next_step=f"for an emulator write endpoint={url}&auth=emulator in the URI; "
            "else give credentials for it: farsign_aws.open_signer(uri, session=...)",
        )
