"""Every Python block of README.md and docs/ runs, in order, one namespace a page."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```", re.S | re.M)
ELSEWHERE = {"backends.md"}  # its blocks are files, run by test_backends_page.py
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name not in ELSEWHERE)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for name in ("dev.pem", "replica.pem"):
        (tmp_path / name).write_bytes(pem)
        (tmp_path / name).chmod(0o600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNING_KEYS", f"file://{tmp_path}/dev.pem")
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_runs(page: Path, place: Path, emulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that a page shows are run too, with the fixture that they ask for."""
    names: dict[str, object] = {
        "__name__": "page",
        "uri": f"file://{place}/dev.pem",
        "replica_uri": f"file://{place}/replica.pem",
    }
    monkeypatch.setattr("farsign._base.events._callbacks", ())  # a page that observes goes on doing so
    monkeypatch.setattr(
        logging.getLogger(), "handlers", [logging.NullHandler()]
    )  # and one that adds filters to handlers adds them for good
    if page.name == "resilience.md":
        exec("import farsign", names)
    for number, block in enumerate(BLOCK.findall(page.read_text()), 1):
        exec(compile(block, f"{page.name} block {number}", "exec"), names)  # the page is the program under test
    for name, thing in list(names.items()):
        if name.startswith("test_") and callable(thing):
            thing(emulator)
