"""The two ways in which JSON and base64url are read: with the standard library alone, and with msgspec and pybase64."""

from __future__ import annotations

from types import ModuleType

import pytest

from farsign import _encodings, _json, _jws_compact, _jws_header

PARSERS = ("stdlib", "fast")


def use(parsers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make farsign read with these, whatever is installed."""
    fast = parsers == "fast"
    if fast and (_json.msgspec is None or _encodings._simd is None):
        pytest.skip("pip install 'farsign[fast]'")
    modules: tuple[ModuleType, ...] = (_encodings, _jws_compact, _jws_header)
    for module in modules:
        monkeypatch.setattr(module, "b64url_decode_bytes", _encodings._decode_simd if fast else _encodings._decode_stdlib)
    monkeypatch.setattr(_json, "_parse", _json._parse_msgspec if fast else _json._parse_stdlib)
