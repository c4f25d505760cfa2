"""Keys in AWS KMS.

    awskms:///alias/auth?region=eu-west-1              an alias: moves when you point it at another key
    awskms:///1234abcd-12ab-34cd-56ef-1234567890ab     a key id, or an ARN: one key for ever; kid= is allowed
    awskms:///arn:aws:kms:eu-west-1:111122223333:key/... another account's key, too; any partition
    awskms:///mrk-...?region=eu-west-1,us-east-1       a multi-Region key: the second region is the failover

Parameters: region, profile, role, external_id, fips, dualstack, endpoint (an https URL, or http to loopback), auth=emulator, and the
common alg, kid, thumbprint. Credentials and region come from where boto3 finds them, unless the URI names a profile or a role.

The permissions that it needs, as a statement of an IAM policy; an alias ARN as Resource grants nothing::

    {"Effect": "Allow", "Action": ["kms:GetPublicKey", "kms:Sign"],
     "Resource": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}

For another account's key its key policy has to allow the same. With ``role=`` the process also needs sts:AssumeRole on that role.

What KMS cannot do: sign Ed25519 messages of more than 4096 bytes, rotate signing keys by itself (a rotation is a new key), list
what an alias meant before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from farsign import driver

from . import _uri

if TYPE_CHECKING:
    import farsign
    from farsign.testing.emulator import Emulator

__all__ = ["open_signer"]


def open_signer(
    uri: str,
    *,
    session: Any = None,
    grant_tokens: Sequence[str] = (),
    policy: farsign.Policy | None = None,
    allow_hosts: Sequence[str] = (),
) -> farsign.Signer:
    """As ``farsign.open_signer``, with what no URI can carry: a boto3 session, grant tokens. Such a signer is not picklable."""
    import farsign

    parsed = farsign.parse_uri(uri)
    if parsed.scheme != "awskms":
        raise parsed.refuse(
            "is no AWS KMS key", "write awskms:///alias/NAME?region=..., or open it with farsign.open_signer(uri)"
        )

    def opener(place: driver.KeyURI, allowed: tuple[str, ...]) -> driver.RemoteSigner:
        from ._driver import AwsKey

        return AwsKey(place, session=session, grant_tokens=grant_tokens, allow_hosts=allowed)

    return farsign.open_signer(parsed, policy=policy, allow_hosts=allow_hosts, opener=opener)


@driver.hookimpl
def farsign_uri(uri: driver.KeyURI) -> driver.KeyURI:
    return _uri.canonical(uri)


@driver.hookimpl
def farsign_replicas(uri: driver.KeyURI) -> Sequence[driver.KeyURI]:
    return _uri.replicas(uri)


@driver.hookimpl
def farsign_explain(uri: driver.KeyURI) -> list[tuple[str, str]]:
    return _uri.explain(uri)


@driver.hookimpl
def farsign_open(uri: driver.KeyURI, allow_hosts: Sequence[str]) -> driver.RemoteSigner:
    from ._driver import AwsKey

    return AwsKey(uri, allow_hosts=allow_hosts)


@driver.hookimpl
def farsign_emulator() -> Emulator:
    from ._emulator import AwsEmulator

    return AwsEmulator()
