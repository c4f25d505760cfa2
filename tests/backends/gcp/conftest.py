from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cloudkms import Listener, Scripted
from driving import drives

from farsign_gcp._driver import open_key
from farsign_gcp._emulator import GcpEmulator

drive = drives(open_key)
READ = (
    "GOOGLE_",
    "CLOUDSDK_",
    "GCE_",
    "FARSIGN_ALLOW_HOSTS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "grpc_proxy",
)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials of this machine: no variable, no gcloud, no metadata server."""
    for name in os.environ:
        if name.startswith(READ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture
def gcp() -> Iterator[GcpEmulator]:
    with GcpEmulator() as running:
        yield running


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    yield server
    server.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    heard = Listener()
    yield heard
    heard.close()
