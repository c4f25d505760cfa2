"""docs/ecosystem.md's table, from the rows that runs left: ``python tests/ecosystem/table.py DIRECTORY``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

MARK = "<!-- rows: tests/ecosystem/table.py -->"
PAGE = Path(__file__).parent.parent.parent / "docs" / "ecosystem.md"


def merged(directory: Path) -> dict[str, dict[str, Any]]:
    """The run that tried most of a library counts."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(directory.glob("*.json")):
        for library, row in json.loads(path.read_text()).items():
            if library not in found or row["passed"] + row["failed"] > found[library]["passed"] + found[library]["failed"]:
                found[library] = row
    return found


def table(rows: dict[str, dict[str, Any]]) -> str:
    lines = ["| library | version | how | algorithms | tests |", "|---|---|---|---|---|"]
    for library, row in sorted(rows.items(), key=lambda item: item[0].lower()):
        result = f"{row['passed']} passed" + (f", {row['failed']} failed" if row["failed"] else "")
        lines.append(f"| {library} | {row['version']} | {row['how']} | {' '.join(row['algorithms'])} | {result} |")
    return "\n".join(lines)


if __name__ == "__main__":
    before, mark, _ = PAGE.read_text().partition(MARK)
    PAGE.write_text(f"{before}{mark}\n\n{table(merged(Path(sys.argv[1])))}\n")
