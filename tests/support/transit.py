"""Transit for tests: hvac as any user has it, plain HTTP beside it, a listener that should hear no credential."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import hvac
from cryptography.hazmat.primitives.serialization import load_der_public_key

from farsign.testing import conformance
from farsign.testing._http import HttpServer
from farsign.testing.emulator import Reply, Request
from farsign_vault._emulator import VaultEmulator
from farsign_vault._uri import EMULATOR_TOKEN

MESSAGE = b"message"
CANARY = "canary-vault-token"


def verify(spki: bytes, algorithm: str, signature: bytes, message: bytes = MESSAGE) -> None:
    """From the public key alone. Raises InvalidSignature."""
    conformance.verify(load_der_public_key(spki), algorithm, signature, message)


def sdk(emulator: VaultEmulator, token: str = EMULATOR_TOKEN, **options: Any) -> hvac.Client:
    return hvac.Client(url=emulator.url, token=token, **options)


def ambient(uri: str) -> str:
    """The same key, with the credentials and the address of the environment."""
    place, _, query = uri.partition("?")
    kept = [item for item in query.split("&") if item and item.partition("=")[0] not in ("addr", "auth")]
    return f"{place}?{'&'.join(kept)}" if kept else place


def with_auth(uri: str, auth: str) -> str:
    uri = ambient(uri)
    return f"{uri}{'&' if '?' in uri else '?'}auth={auth}"


def ask(
    emulator: VaultEmulator, method: str, path: str, body: Any = None, *, token: str = EMULATOR_TOKEN, **headers: str
) -> tuple[int, Any, dict[str, str]]:
    """One request without any SDK: status, JSON (None if the body is empty), headers."""
    address = urlsplit(emulator.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    try:
        sent = {"X-Vault-Token": token, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.request(method, f"/v1/{path}", json.dumps(body) if body is not None else None, sent)
        reply = connection.getresponse()
        text = reply.read()
        return reply.status, json.loads(text) if text else None, {name.lower(): value for name, value in reply.getheaders()}
    finally:
        connection.close()


class Listener:
    """A server on loopback that answers 200 to everything and remembers what it heard."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._server = HttpServer(self._answer)
        self._server.start()
        self.port = self._server.port
        self.url = f"http://127.0.0.1:{self.port}"

    def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply(
            200,
            b'{"data":{},"auth":{"client_token":"x","lease_duration":0,"renewable":false}}',
            {"Content-Type": "application/json"},
        )

    @property
    def credential_bytes(self) -> int:
        """Of token and Authorization headers, and of bodies, where a login would have its secrets."""
        names = ("x-vault-token", "authorization", "cookie")
        return sum(len(request.body) + sum(len(request.headers.get(name, "")) for name in names) for request in self.requests)

    def close(self) -> None:
        self._server.close()
