"""Google's hosts: where a bearer token may go, and where the secrets that tokens are made from (RULES 9, 10)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from farsign.driver import check_host, is_loopback, split_endpoint
from farsign.errors import HostRefused

HOST: Final = "cloudkms.googleapis.com"
# Plain, mutual TLS, regional (cloudkms.REGION.rep), of one location (REGION-cloudkms), Private Service Connect (cloudkms-NAME.p).
# Not all below googleapis.com is an API of Google's: buckets are there, too.
_OWN: Final = re.compile(r"(?:[a-z0-9-]{1,40}-)?cloudkms(?:\.mtls|\.[a-z0-9-]{1,40}\.rep|-[a-z0-9-]{1,40}\.p)?\.googleapis\.com")
_TOKENS: Final = re.compile(
    r"accounts\.google\.com|(?:accounts|iamcredentials|oauth2|sts)(?:\.mtls|\.[a-z0-9-]{1,40}\.rep|-[a-z0-9-]{1,40}\.p)?\.googleapis\.com"
)
_OLDER: Final = re.compile(rf"{_TOKENS.pattern}|www\.googleapis\.com")  # /oauth2/v4/token; it takes uploads to buckets, too


def check(url: str, *, own_credentials: bool, allow: Sequence[str]) -> None:
    """Return if credentials may go to ``url``, else raise HostRefused. own_credentials: they were given for this, not found around."""
    _check(url, _OWN, HOST, own_credentials, allow, "append &auth=emulator, or give that host credentials of its own")


def check_for_secrets(url: str, *, own_credentials: bool, allow: Sequence[str]) -> None:
    """The same for where refresh tokens, signed assertions and bearer tokens are exchanged. ``url``: in full."""
    target = urlsplit(url)
    _check(
        f"{target.scheme}://{target.netloc}",
        _OLDER if re.fullmatch("/oauth2/v[34]/token", target.path) else _TOKENS,
        "oauth2.googleapis.com",
        own_credentials,
        allow,
        "the credentials' file names that host: correct its token_uri",
    )


def _check(url: str, own: re.Pattern[str], usual: str, own_credentials: bool, allow: Sequence[str], step: str) -> None:
    scheme, host, port = split_endpoint(url)
    name = host.lower().removesuffix(".")
    check_host(host, port, scheme=scheme, suffixes=(name,) if own.fullmatch(name) else (usual,), allow=allow)
    if is_loopback(host) and not own_credentials:
        raise HostRefused(f"Google credentials of this process would go to {host}", next_step=step)
