"""For the tests of a backend: its drivers without a Signer, a check of signatures, and a listener that should hear no credential."""

from __future__ import annotations

import threading
import time
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


def under_load(work: Callable[[], object], strike: Callable[[], None], threads: int = 32) -> list[BaseException]:
    """``strike`` amid threads that work on end, until each has worked some times more. What they raised: it ends the thread."""
    done, over, raised = [0] * threads, threading.Event(), list[BaseException]()

    def run(number: int) -> None:
        try:
            while not over.is_set():
                work()
                done[number] += 1
        except BaseException as error:
            raised.append(error)
            over.set()

    def wait_for(times: int) -> None:
        wanted, end = [count + times for count in done], time.monotonic() + 30.0
        while any(has < wants for has, wants in zip(done, wanted, strict=True)) and not over.wait(0.01):
            assert time.monotonic() < end, "the threads do not get on"

    running = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(threads)]
    for thread in running:
        thread.start()
    try:
        wait_for(1)
        strike()
        wait_for(4)
    finally:
        over.set()
        for thread in running:
            thread.join(30.0)
    return raised


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
