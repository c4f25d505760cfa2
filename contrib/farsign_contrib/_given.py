"""What every adapter takes: a SigningKey (``signer.key()``), or the private-key object of one (``.as_private_key()``)."""

from __future__ import annotations

from typing import Any

import farsign
from farsign.errors import AlgorithmNotSupported, InvalidKey


def signing_key(key: Any) -> farsign.SigningKey:
    """The SigningKey. Raises InvalidKey for anything else."""
    found = key.signing_key() if hasattr(key, "signing_key") else key
    if not isinstance(found, farsign.SigningKey):
        raise InvalidKey(
            f"an adapter takes a SigningKey or its private-key object, not {type(key).__name__}",
            next_step="give signer.key(), or signer.key().as_private_key()",
        )
    return found


def private_key(key: Any) -> Any:
    """The private-key object. One that was given stays, with its options."""
    return key if hasattr(key, "signing_key") else signing_key(key).as_private_key()


def no_such_kind(key: farsign.SigningKey, library: str, kinds: str) -> AlgorithmNotSupported:
    """For a key of a kind that the library does not know."""
    kind = key.public_members().get("crv") or key.public_members()["kty"]
    return AlgorithmNotSupported(f"{library} has no keys of the kind of {key.name} ({kind})", next_step=f"use {kinds}")
