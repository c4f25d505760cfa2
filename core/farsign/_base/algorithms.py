"""The signature algorithms, as one table.

JOSE names: RFC 7518 3.1 (RS, PS, ES), RFC 8812 (ES256K), RFC 8037 and RFC 9864 (EdDSA, Ed25519), RFC 9964 (ML-DSA).
X.509 and SSH want pairs that JOSE has no name for, such as P-384 with SHA-256; those are written ``ECDSA-P384-SHA256``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal

from farsign.errors import AlgorithmNotSupported

Form = Literal["digest", "message", "mu"]  # what gets signed; mu: ML-DSA's 64-byte message representative (FIPS 204, algorithm 7)
Kind = Literal["RSA-PKCS1", "RSA-PSS", "ECDSA", "Ed25519", "ML-DSA", "HMAC"]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One way of signing. ``primitive`` is equal for two JOSE names of the same thing (EdDSA and Ed25519)."""

    name: str
    kind: Kind
    kty: str  # JWK key type
    hash: str = ""  # SHA256, SHA384, SHA512; empty where the scheme brings its own
    curve: str = ""  # JWK crv
    size: int | None = None  # bytes of a signature in JOSE encoding; None: the RSA modulus decides
    jose: bool = True
    primitive: str = ""

    @property
    def digests(self) -> bool:
        """Whether a digest computed elsewhere can be signed."""
        return self.kind in ("RSA-PKCS1", "RSA-PSS", "ECDSA")


# JWK curve -> bytes of one coordinate, and of r or s (RFC 7518 3.4)
COORDINATE: Final = MappingProxyType({"P-256": 32, "P-384": 48, "P-521": 66, "secp256k1": 32})

_ROWS: Final = (
    Algorithm("RS256", "RSA-PKCS1", "RSA", "SHA256"),
    Algorithm("RS384", "RSA-PKCS1", "RSA", "SHA384"),
    Algorithm("RS512", "RSA-PKCS1", "RSA", "SHA512"),
    Algorithm("PS256", "RSA-PSS", "RSA", "SHA256"),
    Algorithm("PS384", "RSA-PSS", "RSA", "SHA384"),
    Algorithm("PS512", "RSA-PSS", "RSA", "SHA512"),
    Algorithm("ES256", "ECDSA", "EC", "SHA256", "P-256", 64),
    Algorithm("ES384", "ECDSA", "EC", "SHA384", "P-384", 96),
    Algorithm("ES512", "ECDSA", "EC", "SHA512", "P-521", 132),
    Algorithm("ES256K", "ECDSA", "EC", "SHA256", "secp256k1", 64),
    Algorithm("EdDSA", "Ed25519", "OKP", "", "Ed25519", 64, primitive="Ed25519"),
    Algorithm("Ed25519", "Ed25519", "OKP", "", "Ed25519", 64),
    Algorithm("ML-DSA-44", "ML-DSA", "AKP", size=2420),
    Algorithm("ML-DSA-65", "ML-DSA", "AKP", size=3309),
    Algorithm("ML-DSA-87", "ML-DSA", "AKP", size=4627),
    Algorithm("HS256", "HMAC", "oct", "SHA256", size=32),
    Algorithm("HS384", "HMAC", "oct", "SHA384", size=48),
    Algorithm("HS512", "HMAC", "oct", "SHA512", size=64),
)
JOSE: Final = MappingProxyType({row.name: row for row in _ROWS})
ASYMMETRIC: Final = tuple(row.name for row in _ROWS if row.kind != "HMAC")

# The spelling of curves in names that JOSE has not.
_CURVES: Final = MappingProxyType({"P256": "P-256", "P384": "P-384", "P521": "P-521", "K256": "secp256k1"})
_UNNAMED: Final = re.compile(r"ECDSA-(P256|P384|P521|K256)-(SHA224|SHA256|SHA384|SHA512)")


@lru_cache(maxsize=64)
def lookup(name: str) -> Algorithm:
    """The algorithm of that name. Raises AlgorithmNotSupported, listing what exists."""
    if row := JOSE.get(name):
        return row
    if match := _UNNAMED.fullmatch(name):
        curve = _CURVES[match[1]]
        return ecdsa(curve, match[2])
    raise AlgorithmNotSupported(f"no algorithm {name[:40]!r}", next_step=f"use one of {' '.join(ASYMMETRIC)}")


@lru_cache(maxsize=64)
def ecdsa(curve: str, hash_name: str) -> Algorithm:
    """ECDSA over a JWK curve with any hash: the JOSE algorithm where there is one, else an unnamed pair."""
    for row in _ROWS:
        if row.kind == "ECDSA" and (row.curve, row.hash) == (curve, hash_name):
            return row
    short = next(short for short, crv in _CURVES.items() if crv == curve)
    return Algorithm(f"ECDSA-{short}-{hash_name}", "ECDSA", "EC", hash_name, curve, 2 * COORDINATE[curve], jose=False)


def primitive(name: str) -> str:
    """``name``, or what it is another name for."""
    return lookup(name).primitive or name


def default_name(primitive_name: str) -> str:
    """The name to publish when none was asked for: EdDSA for Ed25519, since many verifiers know only that."""
    return "EdDSA" if primitive_name == "Ed25519" else primitive_name
