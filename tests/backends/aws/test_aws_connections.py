"""Connections that are kept, and died (RULES 23); replies that are not KMS's."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from aws_wire import BODY, OK, REQUEST, Wire, key_at, replies_then, reset, stall, wire

import farsign
from farsign import errors
from farsign._base.events import Attempt
from farsign._plugin import kept
from farsign.testing._http import HttpServer, Reply
from farsign_aws._emulator import AwsEmulator

__all__ = ["wire"]
Emulators = Callable[..., AwsEmulator]


# -- kept connections -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [reset, socket.socket.close], ids=["reset", "closed"])
def test_a_kept_connection_that_died_is_replaced_at_once(end: Any, wire: Callable[..., Wire]) -> None:
    """RULES 23."""
    server = wire(replies_then(end))
    with key_at(f"127.0.0.1:{server.port}") as driver:
        for n in range(1, 5):
            driver.sign(REQUEST, timeout=5.0)
            assert server.accepted == n


def test_it_is_replaced_once(wire: Callable[..., Wire]) -> None:
    def talk(wire: Wire, number: int, sock: socket.socket) -> None:
        if number == 1:
            replies_then(reset)(wire, number, sock)
        else:
            wire.request(sock)
            reset(sock)

    server = wire(talk)
    with key_at(f"127.0.0.1:{server.port}") as driver:
        driver.sign(REQUEST, timeout=5.0)
        with pytest.raises(errors.ProviderUnavailable, match="closed the connection"):
            driver.sign(REQUEST, timeout=5.0)
        assert server.accepted == 2


def test_that_retry_costs_no_attempt(emulator: Emulators) -> None:
    """Outside budget and breaker: the Signer learns nothing of it."""
    aws, told = emulator("awskms"), []
    stop = farsign.observe(told.append)
    try:
        with farsign.open_signer(aws.create_key("ES256").uri, policy=farsign.Policy(attempts=2)) as signer:
            key = signer.key()
            aws.faults.reset("sign", times=1)
            key.sign(b"x")
    finally:
        stop()
    assert aws.calls("sign") == 2
    assert [(event.operation, event.outcome) for event in told if isinstance(event, Attempt)] == [
        ("describe", "ok"),
        ("sign", "ok"),
    ]


def test_what_was_idle_for_long_is_not_trusted(wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    shift = 0.0
    monkeypatch.setattr(kept, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + shift))
    server = wire(replies_then(reset, 10))
    with key_at(f"127.0.0.1:{server.port}") as driver:
        for seconds, connections in ((0.0, 1), (19.0, 1), (21.0, 2), (0.0, 2)):
            shift += seconds
            driver.sign(REQUEST, timeout=5.0)
            assert server.accepted == connections


def test_more_threads_than_connections_are_kept(emulator: Emulators, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farsign_aws._client.CONNECTIONS", 2)
    aws = emulator("awskms")
    with farsign.open_signer(aws.create_key("ES256").uri) as signer:
        key = signer.key()
        aws.faults.latency("sign", 0.05)
        threads = [threading.Thread(target=key.sign, args=(b"x",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert aws.calls("sign") == 8


# -- replies that are not KMS's ---------------------------------------------------------------------------------------------


@pytest.fixture
def replying() -> Iterator[Callable[..., HttpServer]]:
    servers: list[HttpServer] = []

    def start(*replies: Reply) -> HttpServer:
        left = list(replies)
        servers.append(HttpServer(lambda request: left.pop(0) if len(left) > 1 else left[0]))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.close()


GOOD = Reply(200, BODY)


def test_a_truncated_body(wire: Callable[..., Wire]) -> None:
    def talk(wire: Wire, number: int, sock: socket.socket) -> None:
        wire.request(sock)
        sock.sendall(OK + BODY[:-20])

    with key_at(f"127.0.0.1:{wire(talk).port}") as driver, pytest.raises(errors.ProviderUnavailable, match="closed"):
        driver.sign(REQUEST, timeout=5.0)


def test_an_oversized_reply(replying: Callable[..., HttpServer]) -> None:
    """It is not read to its end, and what is left of it is not taken for the next reply."""
    server = replying(Reply(200, b" " * (3 << 20)), GOOD)
    with key_at(f"127.0.0.1:{server.port}") as driver:
        with pytest.raises(errors.IntegrityFailure):
            driver.sign(REQUEST, timeout=5.0)
        assert driver.sign(REQUEST, timeout=5.0).version == "a"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int, replying: Callable[..., HttpServer], wire: Callable[..., Wire]) -> None:
    """RULES 11: no credential goes where a reply points."""
    elsewhere = wire(stall)
    server = replying(Reply(status, b"", {"Location": f"http://127.0.0.1:{elsewhere.port}/"}))
    with key_at(f"127.0.0.1:{server.port}") as driver:
        with pytest.raises(Exception) as caught:
            driver.sign(REQUEST, timeout=5.0)
        failure = driver.classify(caught.value)
    assert failure
    assert failure.error is errors.IntegrityFailure
    assert elsewhere.accepted == 0
