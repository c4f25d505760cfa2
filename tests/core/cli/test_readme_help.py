"""The help text in the README is what the program prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[3] / "README.md"
MARKER = "<!-- farsign --help -->"


def fenced_after(text: str, marker: str) -> str:
    """The content of the fenced block that follows the marker line; without its prompt line, if it has one."""
    lines = text.splitlines()
    assert marker in lines, f"README.md has no line {marker}"
    rest = lines[lines.index(marker) + 1 :]
    start = next(number for number, line in enumerate(rest) if line.startswith("```"))
    block = rest[start + 1 : rest.index("```", start + 1)]
    return "\n".join(block[1:] if block[0].startswith("$ ") else block)


def test_readme_shows_the_help() -> None:
    environment = {**os.environ, "COLUMNS": "100"}
    printed = subprocess.run(
        [sys.executable, "-m", "farsign", "--help"], env=environment, capture_output=True, text=True, check=True
    )
    assert fenced_after(README.read_text(), MARKER) == printed.stdout.rstrip("\n")
