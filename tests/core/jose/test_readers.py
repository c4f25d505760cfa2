"""JSON and base64url are read alike with the standard library alone and with msgspec and pybase64 (checklist 8 to 11)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from farsign._base import encodings, strict_json

fast = pytest.mark.skipif(strict_json.msgspec is None or encodings._simd is None, reason="pip install 'farsign[fast]'")
REFUSED = object()


def read(parse: Callable[[bytes], Any], raw: bytes) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "_parse", parse)
        try:
            return strict_json.loads(raw)
        except ValueError as caught:
            error = caught
    assert error.__context__ is None, "it could hold the document"
    return REFUSED


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner),
    max_leaves=20,
)  # fmt: skip
JSON_LIKE = st.text(alphabet='{}[]":,\\ud8 0123456789.eE+-nulltrfasNI\n\t\x00é', max_size=60).map(lambda text: text.encode())


@fast
@given(VALUES.map(lambda value: json.dumps(value, ensure_ascii=False).encode()) | JSON_LIKE | st.binary(max_size=40))
@example(b'{"a":1,"a":2}')
@example(b'{"a":1,"\\u0061":2}')
@example(b'[{"a":{"b":1,"b":1}}]')
@example(b'{"a":",","b":[[],[]],"c":{}}')
@example(b"1e400")
@example(b"-1E+999")
@example(b'"\\ud800"')
@example(b'"\\ud83d\\ude00"')
@example(b"1" * 4_300)
@example(b"1" * 4_301)
@example(b"-0")
@example(b"[1e308" + b",1e308" * 900 + b"]")
@example(b"18446744073709551616")
@example(b'"\x7f"')
@example(b'"\x00"')
@example(b"\xef\xbb\xbf{}")
def test_both_readers_agree(raw: bytes) -> None:
    plain, quick = read(strict_json._parse_stdlib, raw), read(strict_json._parse_msgspec, raw)
    assert plain is quick or (repr(plain) == repr(quick) and type(plain) is type(quick))


@given(VALUES)
def test_what_is_good_json_is_read(value: Any) -> None:
    raw = json.dumps(value, ensure_ascii=False).encode()
    assert read(strict_json._parse, raw) == value or raw.count(b"[") + raw.count(b"{") > strict_json.MAX_DEPTH


@pytest.mark.parametrize("depth", [1, 31, 32, 33, 1_000])
def test_32_levels_and_no_more(depth: int) -> None:
    for opening, closing, levels in ((b"[", b"]", 1), (b'{"a":', b"}", 1), (b'[{"a":', b"}]", 2)):
        raw = opening * depth + b"1" + closing * depth
        assert (read(strict_json._parse, raw) is REFUSED) == (depth * levels > strict_json.MAX_DEPTH)
        beside = b"[" + b",".join([b"[]"] * depth) + b"]"
        assert read(strict_json._parse, beside) == [[]] * depth, "many are not deep"
        assert read(strict_json._parse, b'"' + b"[" * depth + b'"') == "[" * depth, "brackets in text are text"
        assert read(strict_json._parse, b'"\\"' + b"[" * depth + b'"') == '"' + "[" * depth


def lenient(segment: bytes) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(segment + b"==")
    except ValueError:
        return None


SEGMENTS = st.binary(max_size=40).map(lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")) | st.text(
    alphabet="ABab01-_+/= \n.é", max_size=12
).map(lambda text: text.encode())


@fast
@given(SEGMENTS | st.binary(max_size=12))
@example(b"")
@example(b"A")
@example(b"AB")
@example(b"AA=")
@example(b"AA==")
@example(b"A\nA")
def test_both_decoders_agree_and_know_one_text_for_one_value(segment: bytes) -> None:
    answers = []
    for decode in (encodings._decode_stdlib, encodings._decode_simd):
        try:
            answers.append(decode(segment))
        except ValueError:
            answers.append(None)
    assert answers[0] == answers[1]
    if answers[0] is not None:
        assert encodings.b64url_encode(answers[0]).encode() == segment
    elif (value := lenient(segment)) is not None:
        assert encodings.b64url_encode(value).encode() != segment
