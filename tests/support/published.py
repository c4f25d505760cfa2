"""Published test vectors: Wycheproof, the RFCs' examples. FARSIGN_VECTORS names the folder that holds them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_NEIGHBOUR = Path(__file__).parents[3] / "shared" / "vectors"
_HOW = "set FARSIGN_VECTORS to a folder with C2SP/wycheproof's testvectors_v1 as wycheproof/, ietf-jose/cookbook as ietf-jose-cookbook/, ..."


def folder() -> Path:
    found = Path(os.environ.get("FARSIGN_VECTORS") or _NEIGHBOUR)
    if not found.is_dir():
        pytest.skip(f"no published vectors: {_HOW}", allow_module_level=True)
    return found


@cache
def load(name: str) -> Any:
    path = folder() / name
    if not path.is_file():
        pytest.skip(f"{name} is missing: {_HOW}")
    return json.loads(path.read_bytes())


def rows(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(group, test) of a Wycheproof file."""
    for group in load(f"wycheproof/{name}_test.json")["testGroups"]:
        for test in group["tests"]:
            yield group, test
