"""``farsign demo``: the main job, as a new user sees it first."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joserfc.jwk
import joserfc.jwt

import farsign
from farsign._plugin import discovery

ReadFields = Callable[[str], dict[str, str]]


def demo(*before: str) -> subprocess.CompletedProcess[str]:
    script = "; ".join(("import sys", *before, "from farsign.cli import main", "sys.exit(main(['demo']))"))
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def test_the_main_job_on_a_production_image(read_fields: ReadFields) -> None:
    """Without pytest; what it prints is verified here by a third library."""
    shown = demo("sys.modules['pytest'] = None")
    assert shown.returncode == 0, shown.stderr
    said = read_fields(shown.stdout.partition("\n\n")[0])
    assert "protection: process" in said["key"]
    keys = joserfc.jwk.KeySet.import_key_set(json.loads(said["jwks"]))
    token = joserfc.jwt.decode(said["token"], keys, algorithms=["ES256"])
    assert token.claims == json.loads(said["claims"])
    assert token.header == json.loads(said["header"])
    assert "by PyJWT 2." in said["verified"]
    assert list(Path(tempfile.gettempdir()).glob("farsign-demo-*")) == []


def test_a_row_for_every_emulator_and_a_hint_for_every_missing_sdk() -> None:
    shown = demo()
    assert shown.returncode == 0, shown.stderr
    rows: dict[str, list[Any]] = {}
    if "scheme  " in shown.stdout:
        *_, table, hint = shown.stdout.split("\n\n")
        head, *lines = table.splitlines()
        assert head.split()[:6] == ["scheme", "alg", "kid", "ms", "wire", "calls"]
        assert "farsign check" in hint
        rows = {line.split()[0]: line.split()[1:] for line in lines}
    for installed in discovery.installed():
        if not installed.present:
            assert f"not shown: {installed.scheme} (pip install 'farsign[" in shown.stderr
        elif discovery.backend(installed.scheme).emulator() is not None:
            alg, kid, _, calls, real = rows.pop(installed.scheme)
            assert (alg, len(kid)) == ("ES256", 43)
            assert int(calls) >= 2  # one look-up, one signature
            assert farsign.KeyURI.split(real).scheme == installed.scheme, "what to set for a real key"
    assert rows == {}


def test_a_backend_that_fails_is_told_and_the_others_are_shown() -> None:
    """The plugin of one scheme is broken: its emulator cannot be made."""
    break_it = "from farsign._plugin import discovery; real = discovery.backend('file'); real.emulator = lambda: real._guarded('is ill', lambda: 1 / 0)"
    shown = demo(break_it)
    assert shown.returncode == 0, shown.stderr
    assert "not shown: file (BackendBroken [backend-broken]: " in shown.stderr
