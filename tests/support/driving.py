"""For the tests of a backend: its drivers without a Signer, a check of signatures, and a listener that should hear no credential."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

import farsign
from farsign.driver import RemoteSigner
from farsign.testing import conformance
from farsign.testing._http import HttpServer
from farsign.testing._tls import server_certificate
from farsign.testing.emulator import Reply, Request

MESSAGE = b"message"
_CREDENTIALS = ("authorization", "cookie", "x-vault-token")
_REPLY = b'{"data":{},"auth":{"client_token":"x","lease_duration":0,"renewable":false}}'


def verify(spki: bytes, algorithm: str, signature: bytes, message: bytes = MESSAGE) -> None:
    """From the public key alone. Raises InvalidSignature."""
    conformance.verify(load_der_public_key(spki), algorithm, signature, message)


def drives(open_key: Callable[..., RemoteSigner]) -> Any:
    """The fixture ``drive``: ``drive(uri, allow_hosts=(), **objects)`` opens a driver, which is closed after the test."""

    @pytest.fixture
    def drive() -> Iterator[Callable[..., RemoteSigner]]:
        with ExitStack() as opened:

            def make(uri: str, *, allow_hosts: tuple[str, ...] = (), **objects: Any) -> RemoteSigner:
                return opened.enter_context(closing(open_key(farsign.parse_uri(uri), allow_hosts, **objects)))

            yield make

    return drive


def listens(*, tls: bool) -> Any:
    """The fixture ``listener``."""

    @pytest.fixture
    def listener() -> Iterator[Listener]:
        with closing(Listener(tls=tls)) as heard:
            yield heard

    return listener


class Listener:
    """A server on loopback that answers 200 to everything and remembers what it heard."""

    def __init__(self, *, tls: bool) -> None:
        self.certificate = server_certificate(("127.0.0.1", "localhost", "::1"))
        self.requests: list[Request] = []
        self._server = HttpServer(self._answer, tls=self.certificate.context if tls else None)
        self._server.start()
        self.port = self._server.port
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"

    def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply(200, _REPLY, {"Content-Type": "application/json"})

    @property
    def credential_bytes(self) -> int:
        """Of headers with credentials, and of bodies, where a login or a token endpoint would get its secrets."""
        headers = (request.headers.get(name, "") for request in self.requests for name in _CREDENTIALS)
        return sum(map(len, headers)) + sum(len(request.body) for request in self.requests)

    def close(self) -> None:
        self._server.close()
