"""The programs of ``benchmarks.cold_start`` work: each bare SDK signs at its emulator, and so does farsign, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from farsign._plugin.discovery import installed

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
from benchmarks import cold_start
with cold_start.bench(sys.argv[1]) as settings:
    print(json.dumps([cold_start.seconds(program, settings.environment) for program in (cold_start.BARE[sys.argv[1]], cold_start.OURS)]))
"""
WITHOUT = {"memory": "no key outlives its process", "openbao": "the programs are hashivault's"}


@pytest.mark.parametrize("scheme", [row.scheme for row in installed() if row.present])
def test_the_bare_sdk_and_farsign_sign(scheme: str) -> None:
    if scheme in WITHOUT:
        pytest.skip(f"{scheme} is not measured: {WITHOUT[scheme]}")
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("needs the checkout, with its benchmarks")
    command = [sys.executable, "-c", PROGRAM, scheme]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    bare, ours = json.loads(done.stdout)
    assert 0 < bare < 60
    assert 0 < ours < 60
