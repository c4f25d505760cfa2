"""Grants, as far as a signer meets them: who may use a key beside its policies, and the tokens that work before all of AWS knows a grant."""

from __future__ import annotations

import secrets
from typing import Any, Final

from farsign.testing.emulator import Key

from ._emulator_auth import AwsError
from ._emulator_keys import Ask, Grant, KmsKeys, invalid

# what a grant on an asymmetric signing key may name (developer guide, "Grant operations")
OPERATIONS: Final = ("Sign", "Verify", "GetPublicKey", "DescribeKey", "CreateGrant", "RetireGrant")


def create_grant(keys: KmsKeys, ask: Ask, key: Key) -> dict[str, Any]:
    operations, grantee = ask.need("Operations"), ask.need("GranteePrincipal")
    keys.usable(key)
    if not operations or not set(operations) <= set(OPERATIONS):
        raise invalid(f"Value '{operations}' at 'operations' failed to satisfy constraint: one or more of {list(OPERATIONS)}")
    if ask.body.get("Constraints"):
        raise AwsError("UnsupportedOperationException", "the emulator has no grant constraints, which signing keys have none of")
    token = secrets.token_urlsafe(96)
    keys.grants[token] = Grant(keys.arn_of(key), grantee, frozenset(operations), keys.lag.ticket())
    return {"GrantId": secrets.token_hex(32), "GrantToken": token}


def permits(keys: KmsKeys, ask: Ask, arn: str) -> bool:
    """Whether a grant lets the caller do this. One that not all of AWS knows yet counts for who shows its token."""
    shown = ask.body.get("GrantTokens") or ()
    if not set(shown) <= set(keys.grants):
        raise AwsError("InvalidGrantTokenException", "The request was rejected because the specified grant token is not valid.")
    return any(
        (token in shown or not grant.ticket or grant.ticket.settled())
        for token, grant in keys.grants.items()
        if (grant.key, grant.grantee) == (arn, ask.caller.principal) and ask.operation in grant.operations
    )
