"""mypy and pyright let the private-key objects pass where these libraries' own types ask for keys of ``cryptography``."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LIBRARIES = ("aioquic", "http_message_signatures", "joserfc", "securesystemslib", "signxml")
CHECKERS = {
    "mypy": ["--strict", "--config-file=", "--python-executable", sys.executable, "--cache-dir"],
    "pyright": ["--pythonpath", sys.executable, "--project"],
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_checker_accepts_them(checker: str, tmp_path: Path) -> None:
    missing = [name for name in (checker, *LIBRARIES) if not find_spec(name)]
    if missing:
        pytest.skip(f"needs the packages {', '.join(missing)}")
    (tmp_path / "pyrightconfig.json").write_text("{}")
    command = [sys.executable, "-m", checker, *CHECKERS[checker], str(tmp_path), str(HERE / "library_keys.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
