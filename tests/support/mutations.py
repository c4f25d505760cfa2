"""Changes to tokens and key sets as an attacker, a bad proxy or a bug makes them. Repeatable: everything comes from one random.Random."""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Callable
from typing import Any

from farsign._base.encodings import b64url_encode

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ODD = (
    b"=",
    b"==",
    b"+",
    b"/",
    b" ",
    b"\n",
    b"\0",
    b".",
    b"..",
    b"\xff",
    b"\xc3\xa9",
    b"\xed\xa0\x80",
    b'"',
    b"{",
    b"[" * 40,
    b"\\u0000",
    b",",
)
ALGORITHMS = (
    "none",
    "None",
    "",
    "HS256",
    "HS512",
    "RS256",
    "RS512",
    "PS256",
    "ES256",
    "ES384",
    "ES256K",
    "EdDSA",
    "Ed25519",
    "ML-DSA-44",
    "dir",
)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**63, 10**400, 1e308, float("nan"), float("inf"), "", "\0", "é", "\ud800", "x" * 2_000, "../../etc/passwd", "sig", "enc",
    [], ["b64"], ["alg"], ["verify"], ["sign", "sign"], {}, {"kty": "oct", "k": "AA"}, "https://evil.example/", "at+jwt", "JWT", *ALGORITHMS,
)  # fmt: skip
HEADER_NAMES = ("alg", "kid", "typ", "cty", "crit", "b64", "jwk", "jku", "x5u", "x5c", "enc", "zip", "x", "exp", "")
JWK_NAMES = (
    "kty",
    "crv",
    "x",
    "y",
    "n",
    "e",
    "d",
    "p",
    "k",
    "alg",
    "kid",
    "use",
    "key_ops",
    "pub",
    "priv",
    "oth",
    "x5c",
    "keys",
    "",
)


class Mutator:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def token(self, token: bytes, other: bytes) -> bytes:
        """``token`` changed once to three times; ``other`` lends parts."""
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            token = self.random.choice(_TOKEN)(self.random, token, other)
        return token

    def text(self, text: bytes, other: bytes) -> bytes:
        for _ in range(self.random.choice((1, 1, 2, 4))):
            text = self.random.choice(_BYTES)(self.random, text, other)
        return text

    def key_set(self, document: bytes, other: bytes) -> bytes:
        """A JWKS changed as a document, as text, or both."""
        if self.random.random() < 0.8:
            value, lent = json.loads(document), json.loads(other)
            for _ in range(self.random.choice((1, 1, 2, 3))):
                self.random.choice(_KEY_SET)(self.random, value, lent)
            document = _dumped(value)
        return self.text(document, other) if self.random.random() < 0.3 else document


# -- bytes ----------------------------------------------------------------------------------------------------------------


def _flip(r: random.Random, text: bytes, other: bytes) -> bytes:
    at = r.randrange(len(text) or 1)
    return text[:at] + bytes(byte ^ (1 << r.randrange(8)) for byte in text[at : at + 1]) + text[at + 1 :]


def _replace(r: random.Random, text: bytes, other: bytes) -> bytes:
    at = r.randrange(len(text) or 1)
    return text[:at] + bytes((r.choice(ALPHABET),)) + text[at + 1 :]


def _insert(r: random.Random, text: bytes, other: bytes) -> bytes:
    at = r.randrange(len(text) + 1)
    return text[:at] + (r.choice(ODD) if r.random() < 0.7 else r.randbytes(r.randrange(1, 9))) + text[at:]


def _delete(r: random.Random, text: bytes, other: bytes) -> bytes:
    at = r.randrange(len(text) + 1)
    return text[:at] + text[at + r.choice((1, 1, 2, 4, 32)) :]


def _repeat(r: random.Random, text: bytes, other: bytes) -> bytes:
    at, size = r.randrange(len(text) + 1), r.choice((1, 4, 33, 64))
    return text[: at + size] + text[at:]


def _cut(r: random.Random, text: bytes, other: bytes) -> bytes:
    return text[: r.randrange(len(text) + 1)]


def _cross(r: random.Random, text: bytes, other: bytes) -> bytes:
    return text[: r.randrange(len(text) + 1)] + other[r.randrange(len(other) + 1) :]


_BYTES: tuple[Callable[[random.Random, bytes, bytes], bytes], ...] = (_flip, _replace, _insert, _delete, _repeat, _cut, _cross)

# -- tokens ---------------------------------------------------------------------------------------------------------------


def _lend(r: random.Random, token: bytes, other: bytes) -> bytes:
    """A segment of another token."""
    mine, theirs = token.split(b"."), other.split(b".")
    at = r.randrange(min(len(mine), len(theirs)))
    mine[at] = theirs[at]
    return b".".join(mine)


def _shuffle(r: random.Random, token: bytes, other: bytes) -> bytes:
    segments = token.split(b".")
    r.shuffle(segments)
    return b".".join(segments)


def _spell(r: random.Random, token: bytes, other: bytes) -> bytes:
    """The same bytes, spelled otherwise: the bits of the last character that are not used, padding, the standard alphabet."""
    segments = token.split(b".")
    at = r.randrange(len(segments))
    segment = segments[at]
    segments[at] = r.choice(
        (
            segment[:-1] + bytes((r.choice(ALPHABET),)),
            segment + b"=" * (-len(segment) % 4),
            segment.replace(b"-", b"+").replace(b"_", b"/"),
            segment + b"\n",
        )
    )
    return b".".join(segments)


def _header(r: random.Random, token: bytes, other: bytes) -> bytes:
    """The header with other members, well encoded."""
    segments = token.split(b".")
    header = _object(segments[0])
    for _ in range(r.choice((1, 1, 2))):
        name = r.choice((*header, *HEADER_NAMES)) if header else r.choice(HEADER_NAMES)
        if r.random() < 0.3:
            header.pop(name, None)
        else:
            header[name] = r.choice(ALGORITHMS) if name == "alg" else r.choice(VALUES)
    text = _dumped(header)
    if r.random() < 0.1:
        text = text[:-1] + b',"alg":"none"}'
    segments[0] = b64url_encode(text).encode()
    return b".".join(segments)


def _content(r: random.Random, token: bytes, other: bytes) -> bytes:
    """The bytes of a segment changed, well encoded."""
    segments = token.split(b".")
    at = r.randrange(len(segments))
    segments[at] = b64url_encode(r.choice(_BYTES)(r, _decoded(segments[at]), _decoded(other.split(b".")[-1]))).encode()
    return b".".join(segments)


def _signature(r: random.Random, token: bytes, other: bytes) -> bytes:
    """What a signature must not be: empty, zeros, ones, a half, twice, with a zero before or behind."""
    head, _, tail = token.rpartition(b".")
    good = _decoded(tail)
    half = len(good) // 2
    changed = r.choice((b"", bytes(len(good)), b"\xff" * len(good), good[:half], good * 2, b"\0" + good, good + b"\0",
                        bytes(half) + good[half:], good[:half] + bytes(half), good[half:] + good[:half], b"\0" * 66, b"0" + good))  # fmt: skip
    return head + b"." + b64url_encode(changed).encode()


_TOKEN: tuple[Callable[[random.Random, bytes, bytes], bytes], ...] = (
    *_BYTES,
    _lend,
    _shuffle,
    _spell,
    _header,
    _header,
    _content,
    _signature,
)

# -- key sets -------------------------------------------------------------------------------------------------------------


def _keys(value: Any) -> list[Any]:
    keys = value.get("keys") if isinstance(value, dict) else None
    return keys if isinstance(keys, list) else []


def _one(r: random.Random, value: Any) -> dict[str, Any]:
    keys = [key for key in _keys(value) if isinstance(key, dict)]
    return r.choice(keys) if keys else {}


def _member(r: random.Random, value: Any, lent: Any) -> None:
    _one(r, value)[r.choice(JWK_NAMES)] = copy.deepcopy(r.choice(VALUES))


def _drop(r: random.Random, value: Any, lent: Any) -> None:
    key = _one(r, value)
    if key:
        del key[r.choice(list(key))]


def _borrow(r: random.Random, value: Any, lent: Any) -> None:
    mine, theirs = _one(r, value), _one(r, lent)
    if theirs:
        name = r.choice(list(theirs))
        mine[name] = copy.deepcopy(theirs[name])


def _add(r: random.Random, value: Any, lent: Any) -> None:
    _keys(value).extend(copy.deepcopy([_one(r, r.choice((value, lent)))]) * r.choice((1, 1, 2, 120)))


def _number(r: random.Random, value: Any, lent: Any) -> None:
    """The bytes of a member changed, well encoded."""
    key = _one(r, value)
    texts = [name for name, member in key.items() if isinstance(member, str)]
    if texts:
        name = r.choice(texts)
        content = _decoded(key[name].encode("utf-8", "replace"))
        key[name] = b64url_encode(r.choice((bytes(len(content)), b"\0" + content, r.choice(_BYTES)(r, content, b"\x01"))))


def _whole(r: random.Random, value: Any, lent: Any) -> None:
    if isinstance(value, dict):
        value["keys"] = r.choice((None, {}, "x", [[]], [None], [7], _keys(value) * 2, {"0": _one(r, value)}))


_KEY_SET: tuple[Callable[[random.Random, Any, Any], None], ...] = (
    _member,
    _member,
    _drop,
    _borrow,
    _borrow,
    _add,
    _number,
    _number,
    _whole,
)

# -- what they share ------------------------------------------------------------------------------------------------------


def _decoded(segment: bytes) -> bytes:
    """As far as it can be."""
    bare = bytes(byte for byte in segment if byte in ALPHABET)
    return base64.urlsafe_b64decode(bare[: len(bare) - (len(bare) % 4 == 1)] + b"==")


def _object(segment: bytes) -> dict[str, Any]:
    try:
        value = json.loads(_decoded(segment))
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"alg": "ES256"}


def _dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
