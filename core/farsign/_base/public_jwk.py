"""Public JWKs of native keys (RFC 7517, 7518 6, 8037 2, 9964 3) and their thumbprints (RFC 7638, RFC 8037 appendix A.3, RFC 9964 6)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from farsign.errors import InvalidKey

from .algorithms import COORDINATE
from .encodings import b64url_encode
from .primitives import JWK_CURVE, PublicKey, mldsa_name, raw_bytes

# kty -> the members that make the thumbprint, in the lexicographic order that RFC 7638 3 asks for
REQUIRED: Final = MappingProxyType(
    {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "AKP": ("alg", "kty", "pub")}
)


def public_jwk(key: PublicKey) -> dict[str, str]:
    """The members that define the key, text, nothing else (no kid, no use). Raises InvalidKey for kinds that JOSE has not."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"kty": "RSA", "n": _uint(numbers.n), "e": _uint(numbers.e)}
    if isinstance(key, ec.EllipticCurvePublicKey) and (curve := JWK_CURVE.get(key.curve.name)):
        point, size = key.public_numbers(), COORDINATE[curve]
        return {"kty": "EC", "crv": curve, "x": _uint(point.x, size), "y": _uint(point.y, size)}
    if isinstance(key, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": b64url_encode(key.public_bytes_raw())}
    name = mldsa_name(key)
    if name is None:
        raise InvalidKey(f"JOSE has no JWK for {type(key).__name__}")
    return {"kty": "AKP", "alg": name, "pub": b64url_encode(raw_bytes(key))}


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint, unpadded base64url (RFC 7638)."""
    members = {name: jwk[name] for name in REQUIRED[jwk["kty"]]}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return b64url_encode(hashlib.sha256(text.encode()).digest())


def _uint(value: int, size: int | None = None) -> str:
    return b64url_encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))
