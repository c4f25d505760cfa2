"""The compact serialization (RFC 7515 7.1): ``header.payload.signature``. Everything here is on the path of each token.

Nothing is parsed before its size was checked, and no payload before its signature was. A header segment under which a good
signature was seen is not parsed again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature

from farsign._base.encodings import b64url_decode_bytes
from farsign.errors import ConfigurationError

from .header import Header, media_type, parse_header
from .key import Key
from .key_source import Found, KeySource, fit, key_source
from .token_errors import DecodeError, InvalidAlgorithmError, InvalidSignatureError, InvalidTypeError

MAX_TOKEN: Final = 65_536  # bytes


class Verified:
    """What a good signature covers. payload: bytes. header: the protected header. key: the Key that verified it.

    unprotected: header members that the signature does not cover (JSON serializations only): hints, nothing more.
    """

    __slots__ = ("header", "key", "payload", "unprotected")

    def __init__(self, payload: bytes, header: dict[str, Any], key: Key, unprotected: Mapping[str, Any] | None = None) -> None:
        self.payload = payload
        self.header = header
        self.key = key
        self.unprotected = dict(unprotected or {})

    def __repr__(self) -> str:  # neither the payload nor the header: both are the token's
        return f"<Verified {len(self.payload)} bytes, {self.key!r}>"


Parts = tuple[bytes, bytes, bytes, bytes]  # header, payload and signature, still encoded, and the signing input


def split(token: str | bytes, lenient_padding: bool = False) -> Parts:
    data = octets(token)
    segments = data.split(b".", 3)
    if len(segments) != 3:
        raise _not_compact(data)
    header, payload, signature = segments
    signing_input = data[: -1 - len(signature)]
    if lenient_padding:
        return unpad(header), unpad(payload), unpad(signature), signing_input
    return header, payload, signature, signing_input


def octets(token: object) -> bytes:
    """A token as bytes, if it is ASCII text or bytes of at most 64 KiB."""
    if type(token) is str and len(token) <= MAX_TOKEN and token.isascii():
        return token.encode()
    if isinstance(token, (str, bytes)):
        return _plain(token)
    raise DecodeError(f"a token is text or bytes, not {type(token).__name__}")


def _plain(token: str | bytes) -> bytes:
    """The rest: bytes, subclasses (whose own methods are not trusted), and what is refused."""
    kind: type[Any] = str if isinstance(token, str) else bytes
    if kind.__len__(token) > MAX_TOKEN:
        raise DecodeError(f"a token of more than {MAX_TOKEN} bytes")
    if not kind.isascii(token):
        raise DecodeError("a token is ASCII")
    return str.encode(token) if isinstance(token, str) else bytes.join(b"", (token,))


def unpad(segment: bytes) -> bytes:
    """Without the padding that plain base64url would have, if it has it."""
    bare = segment.rstrip(b"=")
    return bare if not len(segment) & 3 and len(segment) - len(bare) <= 2 else segment


def _not_compact(data: bytes) -> DecodeError:
    dots = data.count(b".")
    if data.lstrip()[:1] == b"{":
        return DecodeError(
            "a JSON serialization where a compact token was expected", next_step="jws.verify_json and verify_general read those"
        )
    if dots == 4:
        return DecodeError("an encrypted token (JWE), not a signed one")
    return DecodeError(f"a compact token has three segments, not {dots + 1}")


def open_compact(token: str | bytes, keys: object, lenient_padding: bool) -> tuple[Found, bytes]:
    """The payload of a token whose signature is good."""
    parts, source = split(token, lenient_padding), key_source(keys)
    found = source.known.get(parts[0])
    if found is not None:
        return found, _prove(found, parts)
    header = _encoded_header(parts)
    found = fit(header, source.find(header.members))
    return _remembered(source, found, parts)


async def aopen_compact(token: str | bytes, keys: object, lenient_padding: bool) -> tuple[Found, bytes]:
    parts, source = split(token, lenient_padding), key_source(keys)
    found = source.known.get(parts[0])
    if found is not None:
        return found, _prove(found, parts)
    header = _encoded_header(parts)
    found = fit(header, await source.afind(header.members))
    return _remembered(source, found, parts)


def _encoded_header(parts: Parts) -> Header:
    header = parse_header(parts[0])
    if header.b64 is False:
        raise DecodeError("an unencoded payload (b64 false)", next_step="jws.verify_unencoded reads those")
    return header


def _prove(found: Found, parts: Parts) -> bytes:
    _, payload, signature, signing_input = parts
    check_signature(found, signature, signing_input)
    return decode_segment(payload, "payload")


def _remembered(source: KeySource, found: Found, parts: Parts) -> tuple[Found, bytes]:
    payload = _prove(found, parts)
    source.remember(parts[0], found)
    return found, payload


def check_signature(found: Found, signature: bytes, signing_input: bytes) -> None:
    """``signature`` is still encoded."""
    try:
        found.check(b64url_decode_bytes(signature), signing_input)
        return
    except (InvalidSignature, ValueError):
        pass  # said below, where no context holds the token
    raise _bad_signature(signature)


def _bad_signature(signature: bytes) -> DecodeError:
    try:
        b64url_decode_bytes(signature)
    except ValueError:
        return DecodeError("the signature is not canonical base64url")
    return InvalidSignatureError("Signature verification failed")


def decode_segment(segment: bytes, what: str) -> bytes:
    try:
        return b64url_decode_bytes(segment)
    except ValueError:
        pass  # raised below, where no context holds the segment
    raise DecodeError(f"the {what} is not canonical base64url")


def check_expected(header: Header, algorithms: Collection[str] | None, typ: str | Collection[str] | None) -> None:
    """What the caller narrows: algorithms among those of the keys, and the protected typ (RFC 8725 3.11)."""
    if algorithms is not None and header.alg not in names(algorithms, "algorithms"):
        raise InvalidAlgorithmError("the token's algorithm is not among those that are allowed")
    if typ is not None and header.typ not in [media_type(name) for name in names(typ, "typ")]:
        raise InvalidTypeError("the token is of another type (typ) than expected")


def names(value: object, what: str) -> Collection[str]:
    """A text or a collection of texts, as a collection."""
    if isinstance(value, str):
        return (value,)
    if (
        isinstance(value, Collection)
        and not isinstance(value, (bytes, bytearray))
        and all(isinstance(name, str) for name in value)
    ):
        return value
    raise ConfigurationError(f"{what}= is a text or a list of texts, not {type(value).__name__}")


def verify(
    token: str | bytes,
    keys: object,
    *,
    algorithms: Collection[str] | None = None,
    typ: str | Collection[str] | None = None,
    lenient_padding: bool = False,
) -> Verified:
    """A compact JWS: its payload and header, if its signature is good.

    keys: a Key, a KeySet, a SigningKey, a RemoteKeySet, or any object with ``find(header) -> Key``. algorithms: narrows what the keys
    are for, never widens it. typ: the type, or types, that the header has to name. lenient_padding: accept the ``=`` that AWS load
    balancers put behind segments (RFC 7515 2 forbids it); such a token can be written in two ways, so never look tokens up by their text.

    Raises InvalidToken; ConfigurationError where the call itself is wrong. No I/O of its own.
    """
    found, payload = open_compact(token, keys, lenient_padding)
    check_expected(found.header, algorithms, typ)
    return Verified(payload, dict(found.header.members), found.key)


async def averify(
    token: str | bytes,
    keys: object,
    *,
    algorithms: Collection[str] | None = None,
    typ: str | Collection[str] | None = None,
    lenient_padding: bool = False,
) -> Verified:
    """As ``verify``; awaits a RemoteKeySet that has to look an unknown key up."""
    found, payload = await aopen_compact(token, keys, lenient_padding)
    check_expected(found.header, algorithms, typ)
    return Verified(payload, dict(found.header.members), found.key)


def unverified_header(token: str | bytes) -> dict[str, Any]:
    """The header of a compact JWS, checked for form and NOT verified: anybody could have written it. For looking, not for deciding."""
    return dict(parse_header(split(token)[0]).members)
