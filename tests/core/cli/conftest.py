"""Running the command line in this process, with what it reads and prints under control."""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import farsign_local
from farsign.cli import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    """run("sign", uri, stdin=b"...") -> Outcome; farsign is left out."""

    def once(*arguments: object, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main([str(argument) for argument in arguments])
        out, err = capsysbinary.readouterr()
        return Outcome(code, out.decode("utf-8", "backslashreplace"), err.decode())

    return once


@pytest.fixture
def key_file(tmp_path: Path) -> Callable[..., str]:
    """key_file("ES256") makes a key file and returns its URI."""

    def make(alg: str = "ES256", name: str = "key.pem") -> str:
        farsign_local.new_key_file(str(tmp_path / name), alg)
        return f"file://{tmp_path / name}" + (f"?alg={alg}" if alg[:2] in ("RS", "PS") else "")

    return make


def fields(text: str) -> dict[str, str]:
    """The aligned ``name  value`` lines of an output."""
    return {name: value.strip() for name, value in (line.split("  ", 1) for line in text.splitlines())}


@pytest.fixture
def read_fields() -> Callable[[str], dict[str, str]]:
    return fields


@pytest.fixture
def unquoted() -> Callable[[str], str]:
    """What a shell makes of one printed word (RULES 35)."""

    def read(text: str) -> str:
        (word,) = shlex.split(text)
        return word

    return read
