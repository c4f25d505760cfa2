"""What the commands share: reading arguments and files, and printing results."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from farsign.errors import ConfigurationError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

MOST: Final = 1 << 20  # bytes that are read from a file or standard input

_UNITS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"([0-9]{1,9})(|ms|s|m|h|d)", re.ASCII)


def duration(text: str) -> float:
    """Seconds of ``300``, ``250ms``, ``5m``, ``1h`` or ``7d``."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 300 (seconds), 250ms, 5m, 1h or 7d")
    return int(match[1]) * _UNITS[match[2]]


def add_command(commands: Commands, name: str, says: str, more: str = "") -> argparse.ArgumentParser:
    """``says`` stands in the list of commands, and with ``more`` above the command's own help."""
    return commands.add_parser(name, help=says, description=f"{says[0].upper()}{says[1:]}. {more}")


def add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=duration, default=10.0, help="how long to wait in all (default 10s)")


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def read(source: str) -> bytes:
    """The content of a file; ``-`` is standard input. Raises ConfigurationError."""
    try:
        if source != "-":
            with open(source, "rb") as file:
                return _limited(file.read(MOST + 1), source)
        if sys.stdin.isatty():
            print("reading from the terminal; Ctrl-D ends it", file=sys.stderr)
        return _limited(sys.stdin.buffer.read(MOST + 1), "standard input")
    except OSError as error:
        raise ConfigurationError(f"{source!r}: {error.strerror}", next_step="name a file, or - for standard input") from None


def _limited(content: bytes, source: str) -> bytes:
    if len(content) > MOST:
        raise ConfigurationError(f"{source}: more than {MOST} bytes")
    return content


def quoted(uri: object) -> str:
    """For a shell: key URIs hold ``?`` and ``&``, and zsh expands even a lone ``?``."""
    return "'" + str(uri).replace("'", "%27") + "'"


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_fields(fields: Sequence[tuple[str, object]]) -> None:
    """``name  value``, aligned."""
    width = max(len(name) for name, _ in fields)
    for name, value in fields:
        print(f"{name:<{width}}  {value}")


def print_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    lines = [[str(cell) for cell in line] for line in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
