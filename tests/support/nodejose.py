"""npm's jose in Node.js: a verifier in another language. It is installed once per test run, or the test is skipped."""

from __future__ import annotations

import atexit
import json
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest


@cache
def _folder() -> tuple[Path | None, str]:
    """Where node finds it, or why it does not."""
    npm = shutil.which("npm")
    if not shutil.which("node") or not npm:
        return None, "needs Node.js with npm: it verifies with npm's jose"
    folder = Path(tempfile.mkdtemp(prefix="farsign-node-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "jose@6"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return (folder, "") if done.returncode == 0 else (None, "npm install jose@6 did not work here")


def run(script: str, given: Any) -> Any:
    """What the script prints, as JSON. It reads ``given`` from its standard input, as JSON."""
    folder, reason = _folder()
    if folder is None:
        pytest.skip(reason)
    (folder / "script.mjs").write_text(script)
    done = subprocess.run(
        ["node", "script.mjs"], cwd=folder, input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
