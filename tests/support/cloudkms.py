"""Cloud KMS for tests: Google's own client as any user has it, a server that answers what it is told, a listener that should hear nothing."""

from __future__ import annotations

import farsign_gcp._sdk  # noqa: F401 - before gRPC: it says how that is to wait

# isort: split
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from google.auth import credentials as google_credentials
from google.cloud.kms_v1 import KeyManagementServiceClient
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport

from farsign_gcp._emulator_server import Answer, GrpcError, GrpcServer

CANARY = "canary-access-token"
KEY = "projects/p-1/locations/europe-west3/keyRings/r/cryptoKeys/k"
VERSION = f"{KEY}/cryptoKeyVersions/1"


def sdk(address: str) -> KeyManagementServiceClient:
    """Google's client, without credentials, over a plaintext channel."""
    channel = grpc.insecure_channel(address, (("grpc.use_local_subchannel_pool", 1),))
    return KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=channel))


class StaticCredentials(google_credentials.CredentialsWithQuotaProject):  # type: ignore[misc]  # google-auth is Any to mypy
    """As google-auth's are called; each refresh gives the next of ``tokens``, the last one for ever, or does what ``on_refresh`` does."""

    def __init__(self, *tokens: str, life: float = 3600.0, on_refresh: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._tokens, self._life, self._on_refresh = list(tokens or (CANARY,)), life, on_refresh
        self.refreshed = 0

    def refresh(self, request: Any) -> None:
        self.refreshed += 1
        self._on_refresh()
        self.token = self._tokens.pop(0) if len(self._tokens) > 1 else self._tokens[0]
        self.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=self._life)

    def with_quota_project(self, quota_project_id: str) -> StaticCredentials:
        made = StaticCredentials(*self._tokens, life=self._life, on_refresh=self._on_refresh)
        made._quota_project_id = quota_project_id
        return made


class Scripted:
    """A gRPC server of which a test says what it answers: a message, a GrpcError, or a function of (method, request, metadata)."""

    def __init__(self) -> None:
        self.answer: Any = GrpcError(grpc.StatusCode.UNIMPLEMENTED, "nothing was said")
        self.calls: list[str] = []
        self._server = GrpcServer(self._handle, host="127.0.0.1", port=0)
        self._server.start()
        self.close = self._server.close

    def _handle(self, method: str, raw: bytes, metadata: Mapping[str, str]) -> Answer:
        self.calls.append(method.rpartition("/")[2])
        answer = self.answer(self.calls[-1], raw, metadata) if callable(self.answer) else self.answer
        if isinstance(answer, GrpcError):
            raise answer
        return Answer(type(answer).serialize(answer), {})

    def uri(self, name: str = VERSION) -> str:
        return f"gcpkms://{name}?endpoint=http://127.0.0.1:{self._server.port}&auth=emulator"


class Listener:
    """A TCP server on loopback that accepts everything and answers nothing. ``heard``: all bytes that came."""

    def __init__(self) -> None:
        self.heard = b""
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            try:
                while data := connection.recv(65536):
                    self.heard += data
            except OSError:
                return

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
