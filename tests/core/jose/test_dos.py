"""What strangers send to cost much is refused cheaply: benchmarks/dos.py with five-fold slack on the time (RULES 38). Memory needs none."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))
dos: Any = importlib.import_module("benchmarks.dos")
sys.path.pop(0)


@pytest.mark.parametrize("case", dos.CASES)
def test_it_is_refused_cheaply(case: str) -> None:
    took = dos.cost(dos.CASES[case], rounds=3)
    assert took.seconds < 5 * dos.MOST_SECONDS
    assert took.extra < dos.MOST_BYTES


def test_what_is_large_and_good_is_accepted() -> None:
    """Or a limit that is far too low would pass above."""
    claims = {"x": "x" * 40_000, "list": list(range(500)), "nested": [[[[[[[[{}]]]]]]]] * 20}
    token = dos.jwt.encode(claims, dos.SECRET)
    assert dos.jwt.decode(token, dos.SECRET) == claims
    keys = dos.jwk.KeySet.parse({"keys": [dos.EC_JWK | {"kid": f"{number}"} for number in range(100)]})
    assert len(keys) == 100
