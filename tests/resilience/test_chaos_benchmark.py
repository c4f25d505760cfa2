"""``python -m benchmarks.chaos`` in its smallest form, each scenario on another backend: it runs, and says what the goals are and what
came of them. Those that are a matter of speed, or of chance where numbers are small, are for its long form.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import pytest
from faulty_backends import running

import farsign

ROOT: Final = Path(__file__).parent.parent.parent
SMALL: Final = ("--signatures", "60", "--threads", "4", "--tasks", "20", "--outage", "4", "--outages", "1", "--seconds", "0.5")
CERTAIN: Final = re.compile(r"0 wrong|untyped|switches|wire calls")
SHARES: Final = [f"{percent} % faults, {mode}" for mode in ("threads", "tasks", "paced tasks") for percent in (0, 20, 50)]
FATES: Final = ("one place dead", "one place sick, 503", "one place throttling", "one place flaky, 60 % 503")
QUOTA: Final = "quota 100/s, offered 300/s"
MISSING: Final = "import sys; sys.modules['matplotlib'] = None; from benchmarks.chaos.__main__ import main; main()"


class Run(NamedTuple):
    """sdk: None if the scenarios are farsign's alone. goals: how many there are of each scenario."""

    scheme: str
    sdk: str | None
    scenarios: Sequence[str]
    goals: Mapping[str, int]


RUNS: Final[Mapping[str, Run]] = MappingProxyType(
    {
        "faults": Run("hashivault", "hvac", SHARES, {name: 4 if "20 %" in name else 2 for name in SHARES if name[0] != "0"}),
        "outage": Run("awskms", "boto3", ["full outage"], {"full outage": 2, "breaker open": 1, "recovery, 1 times": 1}),
        "region": Run("azurekms", None, FATES, dict.fromkeys(FATES, 2)),
        "throttle": Run("gcpkms", None, [QUOTA], {QUOTA: 2}),
        "lies": Run("awskms", "boto3", ["20 % lies"], {"20 % lies": 2}),
    }
)


def chaos(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.chaos", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def rows(text: str, title: str) -> list[list[str]]:
    """Of the table with that title."""
    lines = text.partition(f"\n{title}\n")[2].strip().split("\n\n")[0].splitlines()
    return [re.split(r"\s{2,}", line.strip()) for line in lines[1:]]


@pytest.mark.parametrize("scenario", RUNS)
def test_it_prints_the_table_and_the_goals(scenario: str) -> None:
    run = RUNS[scenario]
    with running(run.scheme):
        pass  # skips the test where there is none
    size = ("--signatures", "12") if scenario == "faults" else ()
    done = chaos(run.scheme, "--scenarios", scenario, *SMALL, *size)
    told = rows(done.stdout, "Faults on the wire")
    who = {"farsign", run.sdk or "farsign"}
    assert {tuple(row[:3]) for row in told} == {(run.scheme, *pair) for pair in product(run.scenarios, who)}, done.stderr
    assert len(told) == len(run.scenarios) * len(who)
    goals = rows(done.stdout, "Goals")
    assert Counter(row[1] for row in goals) == run.goals
    assert {row[-1] for row in goals} <= {"met", "MISSED"}
    assert done.returncode == any(row[-1] == "MISSED" for row in goals)
    certain = [row for row in goals if CERTAIN.search(row[2])]
    assert certain
    assert [row for row in certain if row[-1] != "met"] == []


def test_what_watching_and_verifying_cost() -> None:
    done = chaos("--scenarios", "costs")
    assert done.returncode == 0, done.stderr
    told = rows(done.stdout, "CPU of a signature with a local ES256 key")
    assert [row[:2] for row in told] == [["no", "no"], ["no", "yes"], ["yes", "no"], ["yes", "yes"]]
    assert all(float(row[2]) > 0 for row in told)


def test_the_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    with running("hashivault"):
        pass  # skips the test where there is none
    png = tmp_path / "latencies.png"
    tiny = ("--signatures", "4", "--threads", "2", "--tasks", "2")
    done = chaos("hashivault", "--scenarios", "faults", *tiny, "--plot", str(png))
    assert str(png) in done.stdout, done.stderr
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert png.stat().st_size > 10_000


def test_without_matplotlib_it_says_so_before_it_takes_minutes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MISSING, "--plot", "x.png"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "pip install matplotlib" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("percent", [20, 50])
def test_an_error_that_is_not_farsigns_is_a_goal_missed(percent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.chaos import _goals, _load

    def fails(error: Exception) -> bytes:
        raise error

    for error, met in ((farsign.errors.Throttled("x"), True), (KeyError("x"), False)):
        outcome, goals = _load.threads(lambda _, error=error: fails(error), 3, 1), _goals.Goals()
        goals.faulty("awskms", "threads", percent, outcome, outcome)
        assert [row[3:] for row in goals.rows if row[2] == "0 untyped errors"] == [
            ("0", "met") if met else ("3, KeyError", "MISSED")
        ]
