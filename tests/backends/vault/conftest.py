from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from transit import Listener

import farsign
from farsign_vault._driver import VaultKey, open_key
from farsign_vault._emulator import OpenBaoEmulator, VaultEmulator


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


@pytest.fixture
def drive() -> Iterator[Callable[..., VaultKey]]:
    """Opens a driver for a URI; closed after the test."""
    opened: list[VaultKey] = []

    def make(uri: str, *, allow_hosts: tuple[str, ...] = (), **objects: Any) -> VaultKey:
        opened.append(open_key(farsign.parse_uri(uri), allow_hosts, **objects))
        return opened[-1]

    yield make
    for driver in opened:
        driver.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    heard = Listener()
    yield heard
    heard.close()
