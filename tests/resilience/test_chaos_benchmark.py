"""``python -m benchmarks.chaos`` in its smallest form: it runs, and says what the goals are and what came of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from faulty_backends import running

ROOT = Path(__file__).parent.parent.parent
SMALL = (
    "--signatures",
    "100",
    "--threads",
    "4",
    "--scenarios",
    "lies",
    "costs",
)  # the others wait for what the bare SDK waits for


def test_it_prints_the_table_and_the_goals() -> None:
    with running("awskms"):
        pass  # skips the test where there is none
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos", "awskms", *SMALL], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert "Faults on the wire" in done.stdout, done.stderr
    lines = done.stdout.splitlines()
    for who in ("farsign", "boto3"):
        assert sum("20 % lies" in line and f" {who} " in line for line in lines) == 1
    assert any("20 % lies" in line and line.split()[-1] == "met" for line in lines)
    assert any("CPU of a signature" in line for line in lines)
