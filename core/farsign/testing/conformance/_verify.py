"""Checks signatures with ``cryptography`` from the public key alone, sharing no code with what is under test."""

from __future__ import annotations

from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

_HASH: Final = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVE_BYTES: Final = {"ES256": 32, "ES384": 48, "ES512": 66, "ES256K": 32}
FAMILY: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP", "ML": "AKP"}  # of an algorithm, by its first two letters


def verify(public_key: Any, algorithm: str, signature: bytes, data: bytes) -> None:
    """Raises cryptography's InvalidSignature. PSS salts are as long as the digest, ECDSA is r||s (RFC 7518 3.4, 3.5)."""
    family = algorithm[:2]
    if family == "ES":
        size = _CURVE_BYTES[algorithm]
        if len(signature) != 2 * size:
            raise InvalidSignature(f"{algorithm} has {2 * size} bytes, not {len(signature)}")
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        public_key.verify(encode_dss_signature(r, s), data, ec.ECDSA(_HASH[algorithm[2:5]]))
    elif family in ("RS", "PS"):
        hash_ = _HASH[algorithm[2:]]
        pad = padding.PSS(padding.MGF1(hash_), hash_.digest_size) if family == "PS" else padding.PKCS1v15()
        public_key.verify(signature, data, pad, hash_)
    else:
        public_key.verify(signature, data)


def is_valid(public_key: Any, algorithm: str, signature: bytes, data: bytes) -> bool:
    try:
        verify(public_key, algorithm, signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True
