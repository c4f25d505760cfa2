"""npm's jose (panva) in Node.js, as a verifier that we did not write. Installed once per test run, or the test is skipped."""

from __future__ import annotations

import atexit
import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ALGORITHMS = frozenset(f"{scheme}{bits}" for scheme in ("RS", "PS", "ES") for bits in (256, 384, 512)) | {"EdDSA", "Ed25519"}
_VERIFY = """
import { jwtVerify, importJWK } from 'jose'
import { readFileSync } from 'node:fs'
const claims = []
for (const [token, jwk] of JSON.parse(readFileSync(0, 'utf8')))
  claims.push((await jwtVerify(token, await importJWK(jwk), { audience: 'api' })).payload)
console.log(JSON.stringify(claims))
"""


@cache
def _folder() -> tuple[Path | None, str]:
    """Where node finds it, or why it does not."""
    npm = shutil.which("npm")
    if not shutil.which("node") or not npm:
        return None, "needs Node.js with npm: it verifies with npm's jose"
    folder = Path(tempfile.mkdtemp(prefix="farsign-panva-"))
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


def claims_of(tokens: Sequence[tuple[str, dict[str, str]]]) -> list[dict[str, Any]]:
    """The claims of tokens for the audience "api", each verified with its JWK."""
    claims: list[dict[str, Any]] = run(_VERIFY, tokens)
    return claims
