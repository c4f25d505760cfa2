"""Hostile hosts, the same for every cloud: in the URI, in the environment, in a redirect. What arrives there is counted: nothing.

Each backend's own tests have more (challenges, next pages, token endpoints); here are the rules that all share, one row each.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import farsign
from farsign._plugin.discovery import backend, installed
from farsign.errors import ConfigurationError, ProviderError
from farsign.testing.emulator import HttpEmulator, Reply, Request

SCHEMES = sorted({row.scheme for row in installed() if row.present} - {"file", "memory"})
CANARY = "canary-secret"
# What a deployment has in its environment; {folder} holds a Google credentials file.
AMBIENT = {
    "AWS_ACCESS_KEY_ID": "AKIACANARY",
    "AWS_SECRET_ACCESS_KEY": CANARY,
    "AWS_SESSION_TOKEN": CANARY,
    "AZURE_TENANT_ID": "11111111-2222-4333-8444-555555555555",
    "AZURE_CLIENT_ID": "canary-client",
    "AZURE_CLIENT_SECRET": CANARY,
    "GOOGLE_APPLICATION_CREDENTIALS": "{folder}/google.json",
    "VAULT_ADDR": "https://vault.internal.example",
    "VAULT_TOKEN": CANARY,
    "BAO_ADDR": "https://bao.internal.example",
    "BAO_TOKEN": CANARY,
}
GOOGLE = {"type": "authorized_user", "client_id": "canary-client", "client_secret": CANARY, "refresh_token": CANARY}
KEY = "projects/project-1/locations/global/keyRings/r/cryptoKeys/k"


class Hostile(NamedTuple):
    scheme: str
    uri: str  # {evil} is the listener's HOST:PORT
    environment: tuple[tuple[str, str], ...] = ()


TABLE = (
    Hostile("awskms", "awskms://{evil}/alias/k?region=us-east-1"),
    Hostile("awskms", "awskms:///alias/k?region=us-east-1&endpoint=http://{evil}"),
    Hostile("awskms", "awskms:///alias/k?region=us-east-1&endpoint=https://{evil}"),
    Hostile("awskms", "awskms:///alias/k?region=us-east-1&endpoint=http://user:pass@{evil}"),
    Hostile("awskms", "awskms:///alias/k?region=us-east-1", (("AWS_ENDPOINT_URL_KMS", "http://{evil}"),)),
    Hostile("awskms", "awskms:///alias/k?region=us-east-1", (("AWS_ENDPOINT_URL", "http://{evil}"),)),
    Hostile("azurekms", "azurekms://{evil}/k"),
    Hostile("azurekms", "azurekms://v-1/k?endpoint=http://{evil}"),
    Hostile("azurekms", "azurekms://v-1/k?endpoint=https://{evil}"),
    Hostile("azurekms", "azurekms://v-1/k?endpoint=https://user:pass@{evil}"),
    Hostile("azurekms", "azurekms://v-1/k", (("AZURE_AUTHORITY_HOST", "https://{evil}"),)),
    Hostile("gcpkms", f"gcpkms://{KEY}?endpoint=http://{{evil}}"),
    Hostile("gcpkms", f"gcpkms://{KEY}?endpoint=https://{{evil}}"),
    Hostile("gcpkms", f"gcpkms://{KEY}?endpoint=https://user:pass@{{evil}}"),
    Hostile("hashivault", "hashivault://k?addr=http://{evil}"),
    Hostile("hashivault", "hashivault://k?addr=https://{evil}"),
    Hostile("hashivault", "hashivault://k?addr=https://user:pass@{evil}"),
    Hostile("openbao", "openbao://k?addr=http://{evil}"),
    Hostile("openbao", "openbao://k?addr=https://{evil}"),
    Hostile("openbao", "openbao://k?addr=https://user:pass@{evil}"),
)


class Wire:
    """Listens on loopback and remembers every byte, whatever protocol it was meant for."""

    def __init__(self) -> None:
        self.heard = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.authority = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(0.5)
                try:
                    while received := peer.recv(65536):
                        self.heard += received
                except OSError:
                    continue

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    listening = Wire()
    yield listening
    listening.close()


@pytest.fixture
def ambient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "google.json").write_text(json.dumps(GOOGLE))
    for name, value in AMBIENT.items():
        monkeypatch.setenv(name, value.format(folder=tmp_path))
    monkeypatch.delenv("FARSIGN_ALLOW_HOSTS", raising=False)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.uri} {' '.join(name for name, _ in row.environment)}".strip())
def test_no_byte_leaves_for_it(row: Hostile, wire: Wire, ambient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """RULES 9, 10, 12: refused when the signer is opened, before any connection."""
    if row.scheme not in SCHEMES:
        pytest.skip(f"{row.scheme} is not installed here")
    for name, value in row.environment:
        monkeypatch.setenv(name, value.format(evil=wire.authority))
    with pytest.raises(ConfigurationError) as caught:
        farsign.open_signer(row.uri.format(evil=wire.authority))
    assert caught.value.next_step
    assert CANARY not in caught.value.diagnostics()
    assert wire.heard == b""


@pytest.mark.parametrize("row", [row for row in TABLE if not row.environment and "user:" not in row.uri], ids=lambda row: row.uri)
def test_nor_for_a_name_that_only_looks_right(row: Hostile, ambient: None) -> None:
    if row.scheme not in SCHEMES:
        pytest.skip(f"{row.scheme} is not installed here")
    for host in ("evil.example", "kms.us-east-1.amazonaws.com.evil.example", "v-1.vault.azure.net.evil.example:443"):
        with pytest.raises(ConfigurationError):
            farsign.open_signer(row.uri.format(evil=host))


def test_every_cloud_has_rows() -> None:
    assert {row.scheme for row in TABLE} >= set(SCHEMES)


@pytest.mark.parametrize("native", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("operation", ["describe", "sign"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_redirects_carry_nothing_elsewhere(
    scheme: str,
    status: int,
    operation: str,
    native: bool,
    wire: Wire,
    emulator: Callable[..., HttpEmulator],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RULES 11. Where the protocol has redirects."""
    if not isinstance(backend(scheme).emulator(), HttpEmulator):
        pytest.skip(f"{scheme} speaks gRPC, which has no redirects")
    running = emulator(scheme)

    def elsewhere(request: Request) -> Reply:
        return Reply(status, b"{}", {"Location": f"http://{wire.authority}{request.target}"})

    with farsign.open_signer(running.create_key("ES256").uri, policy=farsign.Policy(timeout=2.0, attempts=2)) as signer:
        key = signer.key() if operation == "sign" else None
        monkeypatch.setattr(running, "answer", elsewhere)

        async def attempt() -> None:
            await (key or await signer.akey()).asign(b"x")

        with pytest.raises(ProviderError):
            asyncio.run(attempt()) if native else (key or signer.key()).sign(b"x")
    assert wire.heard == b""


def test_the_wire_would_have_heard(wire: Wire) -> None:
    """What the tests above count is there to be counted."""
    with socket.create_connection(tuple(wire.authority.split(":"))) as client:  # type: ignore[arg-type]  # host and port
        client.sendall(CANARY.encode())
    for _ in range(100):
        if wire.heard:
            break
        threading.Event().wait(0.02)
    assert wire.heard == CANARY.encode()
