from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.keyvault.keys._shared import HttpChallengeCache
from driving import drives, listens

from farsign_azure._driver import open_key
from farsign_azure._emulator import AzureEmulator

ENVIRONMENT = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_AUTHORITY_HOST", "FARSIGN_ALLOW_HOSTS")
drive = drives(open_key)
listener = listens(tls=True)


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
