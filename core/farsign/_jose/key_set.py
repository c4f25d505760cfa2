"""``KeySet``: several keys, looked up by what a token's header says (RULES 25)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from farsign._base.jwk_parse import PrivateMember, refuse_private
from farsign._signer.signing_key import SigningKey
from farsign.errors import ConfigurationError, InvalidKey, KeyIDConflict

from .key import Key, json_object
from .key_source import KeySource
from .token_errors import InvalidAlgorithmError, UnknownKey

MAX_KEYS: Final = 100
MAX_SET_TEXT: Final = 262_144  # bytes of a JWKS


class KeySet(KeySource):
    """Immutable. keys: Key or SigningKey objects. skipped: why members of a parsed JWKS were left out, as (index or kid, reason).

    Raises KeyIDConflict if two share a kid (a key without one has its thumbprint), InvalidKey if shared secrets and public keys are mixed.
    """

    __slots__ = ("_by_kid", "keys", "skipped")

    def __init__(self, keys: Iterable[Key | SigningKey], *, skipped: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__()
        self.keys: tuple[Key, ...] = tuple(_key(key) for key in keys)
        self.skipped = tuple(skipped)
        if len(self.keys) > MAX_KEYS:
            raise InvalidKey(f"a key set of more than {MAX_KEYS} keys")
        if len({key.native is None for key in self.keys}) > 1:
            raise InvalidKey(
                "shared secrets and public keys in one set",
                next_step="keep secrets in a set of their own, which is never published",
            )
        kids = [kid for key in self.keys if (kid := _name(key)) is not None]
        if repeated := [kid for kid, count in Counter(kids).items() if count > 1]:
            raise KeyIDConflict(f"{len(repeated)} kids of the key set are used twice")
        self._by_kid = MappingProxyType({_name(key): key for key in self.keys})

    @classmethod
    def parse(cls, document: str | bytes | Mapping[str, Any], *, alg: str | None = None) -> KeySet:
        """Of a JWKS (RFC 7517 5): JSON text, or a mapping. alg: what RSA and oct keys without an alg are for; otherwise those are skipped.

        Keys that cannot verify here are skipped, with a reason. The whole set is refused (InvalidKey) if it is hostile or broken: a
        private member, secrets beside public keys, a kid used twice, more than 100 keys or 256 KiB, no usable key.
        """
        _refuse_many(document)
        listed = json_object(document, "JWKS", MAX_SET_TEXT).get("keys")
        if not isinstance(listed, list) or len(listed) > MAX_KEYS:
            raise InvalidKey(_MANY)
        _refuse_hostile(listed)
        keys, skipped = [], []
        for index, jwk in enumerate(listed):
            try:
                keys.append(_parse_member(jwk, alg))
            except PrivateMember:
                raise
            except ConfigurationError as error:
                skipped.append((f"keys[{index}]", f"{error}"))
        if not keys:
            reasons = "; ".join(f"{where}: {reason}" for where, reason in skipped[:3])
            raise InvalidKey("the JWKS holds no usable key" + (f" ({reasons})" if reasons else ""))
        return cls(keys, skipped=skipped)

    def find(self, header: Mapping[str, Any]) -> Key:
        kid, alg = header.get("kid"), header.get("alg")
        if kid is not None:
            if (key := self._by_kid.get(kid)) is not None:
                return key
            raise UnknownKey("no key of the set has the token's kid", kid=kid)
        fitting = [key for key in self.keys if alg in key.accepts]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise UnknownKey(
                "the token names no kid, and several keys fit its algorithm",
                next_step="its issuer has to put a kid into the header",
            )
        raise InvalidAlgorithmError("no key of the set is for the token's algorithm")

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys)

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        return f"<KeySet of {len(self.keys)} keys, {len(self.skipped)} skipped>"


def _key(key: object) -> Key:
    if isinstance(key, SigningKey):
        return Key.of(key)
    if isinstance(key, Key):
        return key
    raise InvalidKey(
        f"a key set is made of Key objects, not {type(key).__name__}", next_step="KeySet.parse(document) reads a JWKS"
    )


def _name(key: Key) -> str | None:
    return key.kid or (key.thumbprint if key.native is not None else None)


_MANY: Final = f"a JWKS has a list of at most {MAX_KEYS} keys"


def _refuse_many(document: object) -> None:
    """Before text is parsed: each key says its kty, and within a string the quotes would be escaped."""
    name = b'"kty"' if isinstance(document, bytes) else '"kty"'
    if isinstance(document, (str, bytes)) and len(document) <= MAX_SET_TEXT and document.count(name) > MAX_KEYS:  # type: ignore[arg-type]  # of the same kind
        raise InvalidKey(_MANY)


def _refuse_hostile(listed: list[Any]) -> None:
    jwks = [jwk for jwk in listed if isinstance(jwk, Mapping)]
    for jwk in jwks:
        refuse_private(jwk)
    if len({jwk.get("kty") == "oct" for jwk in jwks}) > 1:
        raise InvalidKey("the JWKS mixes shared secrets (oct) with public keys")
    kids = Counter(kid for jwk in jwks if isinstance(kid := jwk.get("kid"), str))
    if any(count > 1 for count in kids.values()):
        raise KeyIDConflict("the JWKS uses a kid twice", next_step="each key needs a kid of its own; report it to the issuer")


def _parse_member(jwk: object, alg: str | None) -> Key:
    if not isinstance(jwk, Mapping):
        raise InvalidKey("not a JSON object")
    takes_default = "alg" not in jwk and jwk.get("kty") in ("RSA", "oct")
    return Key.parse(jwk, alg=alg if takes_default else None)
