"""One JWK, read strictly (RFC 7517, 7518 6, 8037 2, 9964 3): what it is, before anything is done with it. Raises InvalidKey."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from farsign.errors import InvalidKey

from .algorithms import COORDINATE, JOSE
from .encodings import b64url_decode
from .key_checks import check_ed25519, check_rsa
from .primitives import CURVES, MLDSA_NAMES, mldsa_class

MAX_MEMBERS: Final = 64
MAX_KID: Final = 1024  # characters
_MAX_MEMBER_TEXT: Final = 8192  # characters of base64url: an ML-DSA-87 key takes 3456
PRIVATE: Final = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "priv"))


class PrivateMember(InvalidKey):
    """Private key material where only public keys belong: no set that holds it can be trusted."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """public_key is a native key, or None and secret are the bytes of an oct key. alg, kid: as the JWK says, or None."""

    public_key: Any
    secret: bytes | None
    alg: str | None
    kid: str | None
    operations: frozenset[str] | None  # key_ops, where the JWK has them

    def __repr__(self) -> str:
        return f"Parsed(alg={self.alg!r})"


def parse_jwk(jwk: Mapping[str, Any]) -> Parsed:
    """The key in a JWK. Point, size, encoding, use and private members have been checked; whether alg fits has not."""
    if len(jwk) > MAX_MEMBERS or not all(isinstance(name, str) for name in jwk):
        raise InvalidKey(f"a JWK has at most {MAX_MEMBERS} members, whose names are text")
    kty = jwk.get("kty")
    if not isinstance(kty, str) or kty not in _READERS:
        raise InvalidKey("a JWK of a key type (kty) that is not supported", next_step=f"use {', '.join(_READERS)}")
    refuse_private(jwk)
    if jwk.get("use", "sig") != "sig":
        raise InvalidKey("the JWK is not meant for signatures (use)")
    operations = _operations(jwk)
    public_key, secret = _READERS[kty](jwk)
    return Parsed(public_key, secret, _alg(jwk), check_kid(jwk["kid"]) if "kid" in jwk else None, operations)


def refuse_private(jwk: Mapping[str, Any]) -> None:
    """Raises PrivateMember. ``k`` is one too, except where it is the key."""
    if not PRIVATE.isdisjoint(jwk) or ("k" in jwk and jwk.get("kty") != "oct"):
        raise PrivateMember(
            "the JWK holds a private key", next_step="publish the public members only, and replace that key if others saw it"
        )


def check_kid(kid: object) -> str:
    if not isinstance(kid, str) or not 1 <= len(kid) <= MAX_KID:
        raise InvalidKey(f"a kid is text of 1 to {MAX_KID} characters")
    return kid


def _alg(jwk: Mapping[str, Any]) -> str | None:
    if "alg" not in jwk:
        return None
    alg = jwk["alg"]
    if not isinstance(alg, str) or alg not in JOSE:
        raise InvalidKey("the JWK is for an algorithm (alg) that signs nothing, or is unknown")
    return alg


def _operations(jwk: Mapping[str, Any]) -> frozenset[str] | None:
    if "key_ops" not in jwk:
        return None
    listed = jwk["key_ops"]
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed) or len(set(listed)) != len(listed):
        raise InvalidKey("key_ops is a list of different names")
    if "verify" not in listed:
        raise InvalidKey("the JWK is not meant for verifying (key_ops)")
    return frozenset(listed)


def _bytes(jwk: Mapping[str, Any], name: str, size: int | None = None) -> bytes:
    text = jwk.get(name)
    if not isinstance(text, str) or not text or len(text) > _MAX_MEMBER_TEXT:
        raise InvalidKey(f"the JWK's {name} is missing, too long or no text")
    try:
        value = b64url_decode(text)
    except ValueError:
        value = b""  # raised below, where no context holds the text
    if not value:
        raise InvalidKey(f"the JWK's {name} is not canonical base64url")
    if size is not None and len(value) != size:
        raise InvalidKey(f"the JWK's {name} has {len(value)} bytes, not {size}")
    return value


def _uint(jwk: Mapping[str, Any], name: str) -> int:
    """Base64urlUInt (RFC 7518 2): no leading zero octets."""
    value = _bytes(jwk, name)
    if not value[0]:
        raise InvalidKey(f"the JWK's {name} starts with a zero octet")
    return int.from_bytes(value, "big")


def _rsa(jwk: Mapping[str, Any]) -> tuple[Any, None]:
    n, e = _uint(jwk, "n"), _uint(jwk, "e")
    check_rsa(n, e)
    return _load("RSA", lambda: rsa.RSAPublicNumbers(e, n).public_key()), None


def _ec(jwk: Mapping[str, Any]) -> tuple[Any, None]:
    curve = jwk.get("crv")
    if not isinstance(curve, str) or curve not in CURVES:
        raise InvalidKey("an EC JWK on a curve (crv) that is not supported", next_step=f"use {', '.join(CURVES)}")
    x, y = (int.from_bytes(_bytes(jwk, name, COORDINATE[curve]), "big") for name in ("x", "y"))
    return _load("EC", lambda: ec.EllipticCurvePublicNumbers(x, y, CURVES[curve]()).public_key()), None


def _okp(jwk: Mapping[str, Any]) -> tuple[Any, None]:
    if jwk.get("crv") != "Ed25519":
        raise InvalidKey("an OKP JWK on a curve (crv) that is not supported", next_step="use Ed25519")
    raw = _bytes(jwk, "x", 32)
    check_ed25519(raw)
    return _load("OKP", lambda: ed25519.Ed25519PublicKey.from_public_bytes(raw)), None


def _akp(jwk: Mapping[str, Any]) -> tuple[Any, None]:
    alg = jwk.get("alg")
    loader = mldsa_class(alg, "PublicKey") if alg in MLDSA_NAMES else None
    if loader is None:
        raise InvalidKey("an AKP JWK whose alg is missing or not supported", next_step=f"use {', '.join(MLDSA_NAMES)}")
    raw = _bytes(jwk, "pub")
    return _load("AKP", lambda: loader.from_public_bytes(raw)), None


def _oct(jwk: Mapping[str, Any]) -> tuple[None, bytes]:
    return None, _bytes(jwk, "k")


def _load(kty: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except (ValueError, UnsupportedAlgorithm):
        pass  # raised below, where no context holds the numbers
    raise InvalidKey(f"the {kty} JWK is no valid public key")


_READERS: Final[dict[str, Callable[[Mapping[str, Any]], tuple[Any, bytes | None]]]] = {
    "RSA": _rsa,
    "EC": _ec,
    "OKP": _okp,
    "AKP": _akp,
    "oct": _oct,
}
