"""SubjectPublicKeyInfo, DER, from what providers hand out: PEM, JWK members, raw bytes. All raise InvalidKey."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from farsign._base.primitives import CURVES, MLDSA_NAMES, mldsa_class, spki
from farsign.errors import InvalidKey


def spki_from_pem(pem: str | bytes) -> bytes:
    """Of a PEM public key (``BEGIN PUBLIC KEY``)."""
    try:
        return spki(serialization.load_pem_public_key(pem.encode() if isinstance(pem, str) else pem))
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidKey("the provider's PEM is no public key of a known kind") from None


def spki_from_jwk(members: Mapping[str, bytes], *, kty: str, crv: str = "") -> bytes:
    """Of an RSA or EC key given as JWK members that are bytes, big-endian (as Azure's SDK gives them); padding is not needed."""
    number = {name: int.from_bytes(value, "big") for name, value in members.items()}
    try:
        if kty == "RSA":
            return spki(rsa.RSAPublicNumbers(number["e"], number["n"]).public_key())
        return spki(ec.EllipticCurvePublicNumbers(number["x"], number["y"], CURVES[crv]()).public_key())
    except (KeyError, ValueError):
        raise InvalidKey(f"the provider's {kty} JWK is no valid public key") from None


def spki_from_raw(raw: bytes, algorithm: str) -> bytes:
    """Of raw Ed25519 (RFC 8032) or ML-DSA (FIPS 204) public key bytes; ``algorithm`` is Ed25519, ML-DSA-44, -65 or -87."""
    try:
        if algorithm == "Ed25519":
            return spki(ed25519.Ed25519PublicKey.from_public_bytes(raw))
        if algorithm in MLDSA_NAMES and (mldsa := mldsa_class(algorithm, "PublicKey")):
            return spki(mldsa.from_public_bytes(raw))
    except (ValueError, UnsupportedAlgorithm):
        pass  # said below, with the algorithm's name
    raise InvalidKey(f"the provider's raw bytes are no {algorithm} public key")
