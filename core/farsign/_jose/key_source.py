"""Where a verifying function gets its key: what Key, KeySet and RemoteKeySet have in common, and what else may stand in for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from farsign._signer.signing_key import SigningKey
from farsign.errors import ConfigurationError, InvalidKey

from .token_errors import InvalidAlgorithmError

if TYPE_CHECKING:
    from .header import Header
    from .key import Key

CACHE_ENTRIES: Final = 256  # headers that are remembered per key source
CACHE_SEGMENT: Final = 1024  # bytes: longer ones are parsed each time


class Found:
    """A header segment that has been parsed, and the key that it means. Immutable, shared by all tokens with that header."""

    __slots__ = ("check", "header", "key")

    def __init__(self, header: Header, key: Key) -> None:
        self.header = header
        self.key = key
        self.check: Callable[[bytes, bytes], None] = key.check


class KeySource:
    """Base of what verifying functions take as ``keys``. A subclass gives ``find``, and ``afind`` if it may have to wait.

    known: header segment -> Found, for headers under which a good signature was seen. It belongs to one immutable state of the
    keys: who exchanges the keys exchanges ``known`` too.
    """

    __slots__ = ("__weakref__", "known")

    def __init__(self) -> None:
        self.known: dict[bytes, Found] = {}

    def find(self, header: Mapping[str, Any]) -> Key:
        """The one key that a header means (RULES 25). Raises InvalidToken, mostly UnknownKey. The caller checks the algorithm."""
        raise NotImplementedError

    async def afind(self, header: Mapping[str, Any]) -> Key:
        """As ``find``."""
        return self.find(header)

    def remember(self, segment: bytes, found: Found) -> None:
        """Called after a good signature only, so that strangers cannot fill the cache."""
        if len(segment) <= CACHE_SEGMENT and found.header.flat:
            if len(self.known) >= CACHE_ENTRIES:
                self.known.clear()
            self.known[segment] = found


class _Foreign(KeySource):
    """Anything with ``find`` (and ``afind``). Nothing is remembered: its answer may be another one tomorrow."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Any) -> None:
        super().__init__()
        self._keys = keys

    def find(self, header: Mapping[str, Any]) -> Key:
        return self._checked(self._keys.find(dict(header)))

    async def afind(self, header: Mapping[str, Any]) -> Key:
        afind = getattr(self._keys, "afind", None)
        return self._checked(await afind(dict(header))) if afind else self.find(header)

    def remember(self, segment: bytes, found: Found) -> None:
        pass

    def _checked(self, key: object) -> Key:
        from .key import Key

        if isinstance(key, Key):
            return key
        raise ConfigurationError(f"{type(self._keys).__name__}.find returned {type(key).__name__}, not a Key")


_signing_keys: WeakKeyDictionary[SigningKey, Key] = WeakKeyDictionary()


def key_source(keys: object) -> KeySource:
    """Raises InvalidKey for what is none, saying what to make of it."""
    if isinstance(keys, KeySource):
        return keys
    if isinstance(keys, SigningKey):
        return _of_signing_key(keys)
    if callable(getattr(keys, "find", None)) and not isinstance(keys, (str, bytes, bytearray)):
        return _Foreign(keys)
    raise InvalidKey(f"{type(keys).__name__} is no key to verify with", next_step=_advice(keys))


def _of_signing_key(signing_key: SigningKey) -> Key:
    from .key import Key

    if (key := _signing_keys.get(signing_key)) is None:
        key = _signing_keys[signing_key] = Key.of(signing_key)
    return key


def _advice(keys: object) -> str:
    if hasattr(keys, "akeys"):
        return "give its keys: issuer.keys()"
    if hasattr(keys, "akey"):
        return "give its key: signer.key()"
    if isinstance(keys, (list, tuple, set, frozenset)):
        return "give jwk.KeySet([...])"
    if isinstance(keys, Mapping):
        return "give jwk.Key.parse(...) of a JWK, or jwk.KeySet.parse(...) of a JWKS"
    if hasattr(keys, "public_bytes"):
        return "give jwk.Key.from_public_key(..., alg=...)"
    return "give a jwk.Key (from_pem, from_der, parse; from_secret for a shared secret), a jwk.KeySet or a jwk.RemoteKeySet"


def fit(header: Header, key: Key) -> Found:
    """Bind a header to its key: their algorithms are the same (RFC 8725 3.1), in one place for all ways of finding keys."""
    if header.alg not in key.accepts:
        raise InvalidAlgorithmError(f"the token's algorithm is not that of the key, which is for {key.algorithm}")
    return Found(header, key)
