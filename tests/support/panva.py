"""npm's jose (panva) in Node.js, as a verifier that we did not write. Installed once per test run."""

from __future__ import annotations

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
SCRIPT = """
import { jwtVerify, importJWK } from 'jose'
import { readFileSync } from 'node:fs'
for (const [token, jwk] of JSON.parse(readFileSync(0, 'utf8'))) {
  const { payload } = await jwtVerify(token, await importJWK(jwk), { audience: 'api' })
  console.log(JSON.stringify(payload))
}
"""


@cache
def _folder() -> tempfile.TemporaryDirectory[str] | None:
    """Where it is installed; None if that did not work."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        return None
    folder = tempfile.TemporaryDirectory(prefix="farsign-panva-")
    (Path(folder.name) / "verify.mjs").write_text(SCRIPT)
    install = [npm, "install", "--silent", "--no-audit", "--no-fund", "jose@6"]
    done = subprocess.run(install, cwd=folder.name, capture_output=True, check=False)
    return folder if done.returncode == 0 else None


def claims_of(tokens: Sequence[tuple[str, dict[str, str]]]) -> list[dict[str, Any]]:
    """The claims of tokens for the audience "api", each verified with its JWK. Skips the test where there is no Node.js."""
    folder = _folder()
    if folder is None:
        pytest.skip("needs Node.js and npm, and `npm install jose@6` to work: it verifies with npm's jose")
    done = subprocess.run(
        ["node", "verify.mjs"], cwd=folder.name, input=json.dumps(tokens), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
