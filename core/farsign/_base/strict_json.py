"""Strict JSON (RFC 8259, and what RFC 7515 4, 7519 4 and 8725 3.7 ask on top).

Refused: bytes that are not UTF-8, a byte order mark, NaN and Infinity, numbers beyond a double, lone surrogates, two members of one name,
nesting beyond 32 (before it is parsed), integers of more than 4,300 digits. All are a ValueError whose text says which, and shows nothing of the document.

With msgspec installed it parses; what it forgives (two members of one name) is checked here either way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

try:
    import msgspec
except ImportError:
    msgspec = None  # type: ignore[assignment]  # absent module, checked below

MAX_DEPTH: Final = 32
_MAX_DIGITS: Final = 4_300  # msgspec's limit, and Python's own unless somebody raised it
_LONG_NUMBER: Final = re.compile(rb"(?<![0-9])[0-9]{%d}" % (_MAX_DIGITS + 1)).search  # (?<!: looks at each digit once
_FAR_EXPONENT: Final = re.compile(rb"[eE][+-]?[0-9]{3}").search
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_TOO_DEEP: Final = b"[" * (MAX_DEPTH + 1)
_WHITESPACE: Final = " \t\n\r"


def loads(raw: bytes) -> Any:
    """The value. Raises ValueError."""
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        _refuse_depth(raw)
    value = _parse(raw) if len(raw) <= _MAX_DIGITS else _parse_long(raw)
    # A name that was given twice leaves a comma behind: if the commas are just those that the value needs, there is none.
    commas = raw.count(b",")
    if commas and (type(value) is not dict or commas != len(value) - 1) and commas != _separators(value):
        return _checked(_parse_members, raw)
    return value


def loads_object(raw: bytes) -> dict[str, Any]:
    """The value, which has to be an object."""
    value = loads(raw)
    if type(value) is not dict:
        raise ValueError("not a JSON object")
    return value


_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def dumps(value: Any) -> bytes:
    """Compact UTF-8. Raises ValueError for what JSON has not, or what ``loads`` would refuse."""
    try:
        raw = _encode(value).encode()
    except TypeError as error:
        reason = str(error)  # names types only
    except RecursionError:
        reason = f"nested deeper than {MAX_DEPTH}"
    except ValueError:
        reason = "NaN, Infinity, a lone surrogate, or something that contains itself"
    else:
        loads(raw)  # keys 1 and "1" are one name in JSON
        return raw
    raise ValueError(reason)


def _separators(value: Any) -> int:
    """How many commas a value takes between members and items."""
    if not isinstance(value, (dict, list)) or not value:
        return 0
    items = value.values() if isinstance(value, dict) else value
    return len(value) - 1 + sum(_separators(item) for item in items if isinstance(item, (dict, list)))


def _refuse_depth(raw: bytes) -> None:
    """Peel the innermost brackets, all at once: what has 32 levels at most is gone then, and what has more shows a long run soon."""
    brackets = _STRING.sub(b"", raw).translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        if _TOO_DEEP in brackets:
            break
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise ValueError(f"nested deeper than {MAX_DEPTH}, or brackets that do not match")


def _parse_long(raw: bytes) -> Any:
    if _LONG_NUMBER(raw):
        raise ValueError("a number has too many digits")
    return (_parse_stdlib if _FAR_EXPONENT(raw) else _parse)(raw)  # msgspec takes 8 us for each number like 1e308


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Refused("two members have the same name")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:  # infinity less infinity is no number; this takes half the time of math.isinf
        raise _Refused("a number is out of range")
    return number


def _constant(text: str) -> None:
    raise _Refused("NaN and Infinity are not JSON")


class _Refused(ValueError):
    """With a text of our own, which may be shown."""


_scan_plain: Final = json.JSONDecoder(parse_float=_finite, parse_constant=_constant).scan_once  # type: ignore[attr-defined]  # typeshed leaves it out
_scan_unique: Final = json.JSONDecoder(parse_float=_finite, parse_constant=_constant, object_pairs_hook=_unique).scan_once  # type: ignore[attr-defined]  # as above


def _scan(raw: bytes, scan_once: Callable[[str, int], tuple[Any, int]]) -> Any:
    text = raw.decode("utf-8").strip(_WHITESPACE)
    value, end = scan_once(text, 0)
    if end != len(text):
        raise _Refused("something follows the JSON value")
    if b"\\u" in raw:
        _encode(value).encode()  # a lone surrogate has no UTF-8
    return value


def _parse_plain(raw: bytes) -> Any:
    return _scan(raw, _scan_plain)


def _parse_members(raw: bytes) -> Any:
    return _scan(raw, _scan_unique)


def _checked(parse: Callable[[bytes], Any], raw: bytes) -> Any:
    """Its errors hold the document, so they are dropped before ours is raised: not even its context may hold it."""
    try:
        return parse(raw)
    except _Refused as error:
        reason = str(error)
    except UnicodeError:
        reason = "not UTF-8, or a lone surrogate"
    except (ValueError, StopIteration, RecursionError):
        reason = "not JSON"
    raise ValueError(reason)


def _parse_stdlib(raw: bytes) -> Any:
    return _checked(_parse_plain, raw)


def _parse_msgspec(raw: bytes) -> Any:
    try:
        return _decoder.decode(raw)
    except (ValueError, RecursionError):  # msgspec's own are ValueErrors
        pass
    return _checked(_parse_members, raw)  # which says why


if msgspec:
    _decoder: Final = msgspec.json.Decoder()
_parse: Final = _parse_msgspec if msgspec else _parse_stdlib
