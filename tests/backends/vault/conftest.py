from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from driving import drives, listens

from farsign_vault._driver import open_key
from farsign_vault._emulator import OpenBaoEmulator, VaultEmulator

drive = drives(open_key)
listener = listens(tls=False)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No address, no token and no token file of this machine."""
    for name in [name for name in os.environ if name.startswith(("VAULT_", "BAO_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("FARSIGN_ALLOW_HOSTS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def vault() -> Iterator[VaultEmulator]:
    with VaultEmulator() as running:
        yield running


@pytest.fixture
def bao() -> Iterator[OpenBaoEmulator]:
    with OpenBaoEmulator() as running:
        yield running
