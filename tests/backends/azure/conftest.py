from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.keyvault.keys._shared import HttpChallengeCache
from keyvault import Listener

import farsign
from farsign_azure._driver import VaultKey, open_key
from farsign_azure._emulator import AzureEmulator

ENVIRONMENT = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_AUTHORITY_HOST", "FARSIGN_ALLOW_HOSTS")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No challenge of another test (the SDK keeps them for the process), no credential of this machine."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    HttpChallengeCache.clear()
    yield
    HttpChallengeCache.clear()


@pytest.fixture
def azure() -> Iterator[AzureEmulator]:
    with AzureEmulator() as running:
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
