"""docs/ecosystem.md from the rows that runs left, and from libraries.toml: ``python tests/ecosystem/table.py DIRECTORY``."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.version import Version

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "ecosystem.md"
MARK = "<!-- what follows is written by tests/ecosystem/table.py -->"
HEADS = {
    "private": "## Only through private names: not shipped",
    "impossible": "## Impossible: the library wants the private key itself",
    "apart": "## Not applicable",
}
FIELDS = {"private": ("how", "instead"), "impossible": ("why", "instead"), "apart": ("why", "instead")}


def merged(directory: Path) -> list[dict[str, Any]]:
    """One row for a library and a way to use it. The run that tried most counts, of those the newest release."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path in sorted(directory.glob("*.json")):
        for row in json.loads(path.read_text()):
            key = row["library"], row["how"]
            if key not in found or rank(row) > rank(found[key]):
                found[key] = row
    return sorted(found.values(), key=lambda row: (row["library"].lower(), Version(row["version"])))


def rank(row: dict[str, Any]) -> tuple[int, Version]:
    return row["passed"] + row["failed"], Version(row["version"])


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    lines = [head, "|".join(["", *["---"] * head.count(" | "), "---", ""])]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def tried(row: dict[str, Any]) -> tuple[str, ...]:
    result = f"{row['passed']} passed" + (f", {row['failed']} failed" if row["failed"] else "")
    return row["library"], row["version"], row["how"], " ".join(row["algorithms"]), result


def page(rows: list[dict[str, Any]]) -> str:
    libraries = tomllib.loads((HERE / "libraries.toml").read_text())
    parts = [table("| library | version | how | algorithms | tests |", map(tried, rows))]
    for kind, fields in FIELDS.items():
        listed = ((row["library"], row["version"], *(row[field] for field in fields)) for row in libraries[kind])
        parts += [HEADS[kind], table(f"| library | version tried | {' | '.join(fields)} |", listed)]
    return "\n\n".join(parts)


if __name__ == "__main__":
    before, mark, _ = PAGE.read_text().partition(MARK)
    PAGE.write_text(f"{before}{mark}\n\n{page(merged(Path(sys.argv[1])))}\n")
