"""What every adapter takes: a SigningKey (``signer.key()``), or the private-key object of one (``.as_private_key()``)."""

from __future__ import annotations

from typing import Any

import farsign
from farsign.errors import AlgorithmNotSupported, InvalidKey, KeyMismatch


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


def known(key: Any, library: str, *kinds: str) -> farsign.SigningKey:
    """The SigningKey. Raises AlgorithmNotSupported unless it is of a kind that the library has: RSA, or a JWK curve.

    Some libraries take any curve for P-256, and what they then sign nobody can verify.
    """
    found = signing_key(key)
    members = found.public_members()
    kind = members.get("crv") or (members["kty"] if members["kty"] == "RSA" else members["alg"])
    if kind not in kinds:
        raise AlgorithmNotSupported(
            f"{library} has no keys of the kind of {found.name} ({kind})", next_step=f"use {' or '.join(kinds)}"
        )
    return found


def check_certificate(key: farsign.SigningKey, certificate: Any) -> None:
    """Raises KeyMismatch unless the certificate, a ``cryptography`` object, is this key's."""
    if certificate.public_key() != key.public_key():
        raise KeyMismatch(
            f"the certificate is of another key than {key.name}",
            next_step="give the key's own certificate; issuers come after it",
        )


def no_such_algorithm(key: farsign.SigningKey, library: str, usable: str) -> AlgorithmNotSupported:
    """For a key whose algorithm the library does not know."""
    return AlgorithmNotSupported(f"{library} has no {key.algorithm}, which {key.name} signs", next_step=f"use {usable}")
