"""docs/backends.md is a program: its files are written out, installed as a distribution, and run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "backends.md"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The page's files, the stand-in SDK, and the metadata that pip would have written."""
    page = PAGE.read_text()
    for name, body in re.findall(r"```python\n# file: (\S+)\n(.*?)```", page, re.S):
        (tmp_path / name).write_text(body)
    shutil.copy(HERE / "acme_sdk.py", tmp_path)
    toml = re.search(r"```toml\n(.*?)```", page, re.S)
    assert toml is not None
    info = tmp_path / "farsign_acme-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: farsign-acme\nVersion: 1\n")
    section, entry = toml[1].strip().splitlines()
    assert section == '[project.entry-points."farsign.backends"]'
    (info / "entry_points.txt").write_text("[farsign.backends]\n" + entry.replace('"', "") + "\n")
    return tmp_path


def run(project: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=project, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_signer_takes_the_driver_itself(project: Path) -> None:
    assert run(project, "try_it.py").strip() == "42"


def test_installed_it_is_opened_by_uri_and_its_uri_is_checked(project: Path) -> None:
    code = (
        "import farsign\n"
        "signer = farsign.open_signer('acmekms://hsm.example/auth?slot=1')\n"
        "print(signer.check().protection)\n"
        "try: farsign.parse_uri('acmekms://hsm.example/auth?slot=1&colour=red')\n"
        "except farsign.InvalidKeyURI as error: print('slot' in error.diagnostics() and 'colour' in error.diagnostics())\n"
        "try: farsign.open_signer('acmekms://hsm.example/missing').key()\n"
        "except farsign.ProviderError as error: print(error.code)\n"
    )
    assert run(project, "-c", code).split() == ["hsm", "True", "not-found"]


def test_it_passes_the_conformance_suite(project: Path) -> None:
    out = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_acme.py")
    assert re.search(r"\d+ passed", out), out
    assert "not exercised" in out
