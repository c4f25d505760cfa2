"""One private JWK, read as strictly as a public one (RSA and EC: RFC 7518 6; OKP: RFC 8037 2; AKP: RFC 9964 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from farsign._base.algorithms import COORDINATE
from farsign._base.encodings import b64url_decode
from farsign._base.jwk_parse import PRIVATE, parse_jwk
from farsign._base.primitives import CURVES, spki
from farsign._base.strict_json import loads_object
from farsign.errors import InvalidKey

from ._keys import PrivateKey, mldsa_class

Members = Mapping[str, Any]


def private_key_of_jwk(text: bytes) -> tuple[PrivateKey, str | None]:
    """The key, and its ``alg`` if it names one. Raises InvalidKey; its message holds no member's value."""
    members = _members(text)
    operations = members.pop("key_ops", ["sign"])
    if not isinstance(operations, list) or "sign" not in operations:
        raise InvalidKey("its key_ops do not allow signing", next_step="use a key that was made for it")
    parsed = parse_jwk({name: value for name, value in members.items() if name not in PRIVATE})
    if parsed.public_key is None:
        raise InvalidKey(
            "it holds a secret that others share, not a private key", next_step="use a key of kty RSA, EC, OKP or AKP"
        )
    private = _private(members)
    if spki(private.public_key()) != spki(parsed.public_key):
        raise InvalidKey("its private members do not belong to its public ones", next_step=_AGAIN)
    return private, parsed.alg


def _members(text: bytes) -> dict[str, Any]:
    try:
        members = loads_object(text)
    except ValueError as error:
        raise InvalidKey(f"it looks like a JWK, but: {error}", next_step=_AGAIN) from None
    if "keys" in members:
        raise InvalidKey("it holds a set of keys", next_step="take the one key out of the set")
    return members


def _private(members: Members) -> PrivateKey:
    try:
        return _READERS[members["kty"]](members)
    except ValueError:
        pass  # raised below, where no context holds the numbers
    raise InvalidKey(f"its {members['kty']} members make no valid key", next_step=_AGAIN)


def _octets(members: Members, name: str, size: int | None = None) -> bytes:
    """``size``: bytes; None: a number, which does not start with a zero octet (RFC 7518 2)."""
    text = members.get(name)
    try:
        octets = b64url_decode(text) if isinstance(text, str) else b""
    except ValueError:
        octets = b""  # raised below, where no context holds the text
    if not octets or (size and len(octets) != size) or (not size and not octets[0]):
        raise InvalidKey(
            f"its {name} is missing, or no canonical base64url of {f'{size} bytes' if size else 'a number'}", next_step=_AGAIN
        )
    return octets


def _number(members: Members, name: str) -> int:
    return int.from_bytes(_octets(members, name), "big")


def _rsa(members: Members) -> PrivateKey:
    if "oth" in members:
        raise InvalidKey("it is an RSA key of more than two primes", next_step="use a key of two")
    n, e, d = (_number(members, name) for name in ("n", "e", "d"))
    if _PRIMES.isdisjoint(members):  # RFC 7518 6.3.2: all of them, or none
        p, q = rsa.rsa_recover_prime_factors(n, e, d)
        dp, dq, qi = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    else:
        p, q, dp, dq, qi = (_number(members, name) for name in ("p", "q", "dp", "dq", "qi"))
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, rsa.RSAPublicNumbers(e, n)).private_key()


def _ec(members: Members) -> PrivateKey:
    curve = members["crv"]
    return ec.derive_private_key(int.from_bytes(_octets(members, "d", COORDINATE[curve]), "big"), CURVES[curve]())


def _okp(members: Members) -> PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(_octets(members, "d", 32))


def _akp(members: Members) -> PrivateKey:
    return mldsa_class(members["alg"]).from_seed_bytes(_octets(members, "priv", 32))


_READERS: Final[Mapping[str, Callable[[Members], PrivateKey]]] = {"RSA": _rsa, "EC": _ec, "OKP": _okp, "AKP": _akp}
_PRIMES: Final = frozenset(("p", "q", "dp", "dq", "qi"))
_AGAIN: Final = "write the private key out again with the tool that made it"
