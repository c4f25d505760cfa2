"""The same tokens in farsign, joserfc and panva/jose: every disagreement is one that the list explains."""

from __future__ import annotations

import os
import warnings
from collections import Counter

import differential
import panva
import pytest
from disagreements import LOOSER, STRICTER, oddities

COUNT, SEED = (100_000, 2) if os.environ.get("FARSIGN_SOAK") else (4_000, 1)


@pytest.fixture(scope="module")
def cases() -> list[differential.Case]:
    return list(differential.cases(SEED, COUNT))


def compared(cases: list[differential.Case], theirs: list[bool], peer: str) -> Counter[str]:
    """How often each explanation was the only one for a disagreement. Fails for one that has none."""
    used: Counter[str] = Counter()
    for case, they in zip(cases, theirs, strict=True):
        we = differential.ours(case)
        if we == they:
            continue
        reasons = oddities(case) & set(LOOSER[peer] if we else STRICTER)
        assert reasons, f"farsign {'takes' if we else 'refuses'}, {peer} does not: {case}"
        if len(reasons) == 1:
            used.update(reasons)
    return used


def test_joserfc(cases: list[differential.Case]) -> None:
    pytest.importorskip("joserfc")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it advises against the name EdDSA
        used = compared(cases, [differential.joserfc(case) for case in cases], "joserfc")
    assert used.keys() >= {*LOOSER["joserfc"], "twice", "encoding", "no JSON", "kid"}


def test_panva(cases: list[differential.Case]) -> None:
    theirs = panva.run(differential.NODE, {"cases": cases, "now": differential.NOW})
    used = compared(cases, theirs, "panva")
    assert used.keys() >= {"spelling", "twice", "encoding", "no JSON", "b64", "kid", "date", "text", "typ", "enc"}


def test_no_explanation_is_idle(cases: list[differential.Case]) -> None:
    seen = {name for case in cases if not differential.ours(case) for name in oddities(case)}
    assert set(STRICTER) - seen <= {"short"}  # 1 in 256 signatures can be shortened
