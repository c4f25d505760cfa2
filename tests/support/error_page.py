"""The generated parts of docs/errors.md: ``python tests/support/error_page.py`` writes them, a test says whether they are fresh."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from error_table import DONE, SCHEMES, TABLE, Situation

from farsign import errors
from farsign._jose import token_errors
from farsign.errors import FarsignError

PAGE: Final = Path(__file__).parents[2] / "docs" / "errors.md"


def rows() -> str:
    lines = [
        f"| what happens | {' | '.join(SCHEMES.values())} | class | what is done | failover |",
        f"|{'---|' * (len(SCHEMES) + 4)}",
    ]
    for situation in TABLE:
        cells = (_cell(situation, scheme) for scheme in SCHEMES)
        done = DONE[situation.error]
        last = (f"`{situation.error.__name__}`", done.text, "yes" if done.elsewhere else "no")
        lines.append(f"| {' | '.join((situation.what, *cells, *last))} |")
    return "\n".join(lines)


def _cell(situation: Situation, scheme: str) -> str:
    if situation.wire and scheme not in situation.not_at:
        return "on the wire"
    return " ".join(f"`{name}`" for name in situation.names.get(scheme, ())) or "-"


def tree() -> str:
    return "\n".join(_branch(FarsignError, 0))


def _branch(kind: type[FarsignError], depth: int) -> Iterator[str]:
    step = f": {kind.default_step}" if "default_step" in vars(kind) and kind.default_step else ""
    yield f"{'  ' * depth}- `{kind.__name__}` [{kind.code}]{step}"
    for each in kind.__subclasses__():
        if each.__module__ in (errors.__name__, token_errors.__name__):
            yield from _branch(each, depth + 1)


PARTS: Final = {"<!-- tree: farsign.errors -->": tree, "<!-- rows: tests/support/error_table.py -->": rows}
END: Final = "<!-- end -->"


def refreshed(page: str) -> str:
    """The page with its generated parts as they should be."""
    for mark, make in PARTS.items():
        page = re.sub(f"{re.escape(mark)}.*?{END}", lambda _: f"{mark}\n\n{make()}\n\n{END}", page, flags=re.DOTALL)  # noqa: B023 - called at once
    return page


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text()))
