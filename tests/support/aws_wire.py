"""A TCP server whose bytes a test decides, and the AWS driver in front of it."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import farsign
from farsign import errors
from farsign.driver import SignRequest
from farsign_aws._driver import AwsKey

KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
ARN = f"arn:aws:kms:us-east-1:111122223333:key/{KEY_ID}"
SLACK = 0.25  # seconds: 50 ms, five-fold (RULES 38)
LIMIT = 0.3
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n"
BODY = b'{"KeyId": "a", "Signature": "AAAA", "SigningAlgorithm": "x"}          '
REQUEST = SignRequest(ARN, "ES256", "digest", b"\x01" * 32)
Talk = Callable[[int, socket.socket], None]


class Wire:
    """A TCP server whose every connection is handled by ``talk(number, socket)`` on a thread."""

    def __init__(self, talk: Talk, backlog: int = 64) -> None:
        self._talk = talk
        self.accepted = 0
        self.received = b""
        self.closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._run, args=(self.accepted, sock), daemon=True).start()

    def _run(self, number: int, sock: socket.socket) -> None:
        with sock:
            try:
                self._talk(number, sock)
            except OSError:
                return  # the client ended it

    def request(self, sock: socket.socket) -> bool:
        """Read a request. False: the client has closed."""
        data = b""
        while b"\r\n\r\n" not in data or not data.endswith(b"}"):
            piece = sock.recv(65536)
            if not piece:
                return False
            data += piece
            self.received += piece
        return True

    def drip(self, sock: socket.socket, data: bytes) -> None:
        for n in range(len(data)):
            if self.closing.wait(0.05):
                return
            sock.sendall(data[n : n + 1])

    def close(self) -> None:
        self.closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def wire() -> Iterator[Callable[..., Wire]]:
    made: list[Wire] = []

    def make(talk: Callable[[Wire, int, socket.socket], None], **options: Any) -> Wire:
        made.append(Wire(lambda number, sock: talk(made[-1], number, sock), **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@contextmanager
def key_at(address: str, scheme: str = "http", **options: Any) -> Iterator[AwsKey]:
    driver = AwsKey(farsign.parse_uri(f"awskms:///{ARN}?endpoint={scheme}://{address}&auth=emulator"), **options)
    try:
        yield driver
    finally:
        driver.close()


def ends_in_time(driver: AwsKey, reason: str = "timeout") -> None:
    started = time.monotonic()
    with pytest.raises(errors.ProviderUnavailable) as caught:
        driver.sign(REQUEST, timeout=LIMIT)
    assert time.monotonic() - started < LIMIT + SLACK
    assert caught.value.reason == reason
    assert not caught.value.answered


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def stall(wire: Wire, number: int, sock: socket.socket) -> None:
    """Until the client has had enough."""
    if wire.request(sock):
        sock.settimeout(10)
        sock.recv(1)


def replies_then(end: Callable[[socket.socket], None], count: int = 1) -> Any:
    """Each connection answers so many requests; the next one meets the end."""

    def talk(wire: Wire, number: int, sock: socket.socket) -> None:
        for _ in range(count):
            if not wire.request(sock):
                return
            sock.sendall(OK + BODY)
        if wire.request(sock):
            end(sock)

    return talk
