"""The two ways in which JSON and base64url are read: with the standard library alone, and with msgspec and pybase64."""

from __future__ import annotations

from types import ModuleType

import pytest

from farsign._base import encodings, strict_json
from farsign._jose import compact, header

PARSERS = ("stdlib", "fast")


def use(parsers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make farsign read with these, whatever is installed."""
    fast = parsers == "fast"
    if fast and (strict_json.msgspec is None or encodings._simd is None):
        pytest.skip("pip install 'farsign[fast]'")
    modules: tuple[ModuleType, ...] = (encodings, compact, header)
    for module in modules:
        monkeypatch.setattr(module, "b64url_decode_bytes", encodings._decode_simd if fast else encodings._decode_stdlib)
    monkeypatch.setattr(strict_json, "_parse", strict_json._parse_msgspec if fast else strict_json._parse_stdlib)
