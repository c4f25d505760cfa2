"""Key Vault for tests: the SDK as any user has it, credentials that remember how they were asked, a listener that should hear nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from azure.core.credentials import AccessToken
from azure.keyvault.keys import KeyClient
from cryptography.hazmat.primitives.serialization import load_der_public_key

from farsign.testing import conformance
from farsign.testing._http import HttpServer
from farsign.testing._tls import server_certificate
from farsign.testing.emulator import Reply, Request
from farsign_azure._emulator import HOST, AzureEmulator
from farsign_azure._transport import Transport

CANARY = "canary-bearer-token"
MESSAGE = b"message"


def verify(spki: bytes, algorithm: str, signature: bytes, message: bytes = MESSAGE) -> None:
    """From the public key alone. Raises InvalidSignature."""
    conformance.verify(load_der_public_key(spki), algorithm, signature, message)


class StaticCredential:
    """A credential as azure-identity's are called; it remembers how it was asked."""

    def __init__(self, token: str | Callable[[], str] = CANARY, *, life: float = 3600.0) -> None:
        self._token, self._life = token, life
        self.asked: list[tuple[tuple[str, ...], dict[str, Any]]] = []

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked.append((scopes, options))
        token = self._token if isinstance(self._token, str) else self._token()
        return AccessToken(token, int(time.time() + self._life))


def sdk(emulator: AzureEmulator, credential: Any = None, *, vault: str = HOST, **options: Any) -> KeyClient:
    """Through a transport that keeps the vault's name and goes to the emulator."""
    assert emulator.certificate
    options = {"retry_total": 0, "transport": Transport(emulator.url, emulator.certificate.ca_file), **options}
    return KeyClient(f"https://{vault}", credential or StaticCredential(emulator.tokens.grant), **options)


def without_emulator_credential(uri: str) -> str:
    """The same address, for a credential that the test gives."""
    return uri.replace("&auth=emulator", "")


class Listener:
    """A server on loopback that answers 200 to everything and remembers what it heard."""

    def __init__(self, *, tls: bool = True) -> None:
        self.certificate = server_certificate(("127.0.0.1", "localhost", "::1"))
        self.requests: list[Request] = []
        self._server = HttpServer(self._answer, tls=self.certificate.context if tls else None)
        self._server.start()
        self.port = self._server.port
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"

    def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply(200, b"{}", {"Content-Type": "application/json"})

    @property
    def credential_bytes(self) -> int:
        """Of Authorization headers, and of bodies, where a token endpoint would get its secrets."""
        return sum(len(request.headers.get("authorization", "")) + len(request.body) for request in self.requests)

    def close(self) -> None:
        self._server.close()
