"""A call ends in time whatever the wire does (RULES 17)."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aws_wire import BODY, LIMIT, OK, REQUEST, SLACK, Wire, ends_in_time, key_at, stall, wire

from farsign import errors
from farsign_aws import _deadline, _transport

__all__ = ["wire"]


def drip_headers(wire: Wire, number: int, sock: socket.socket) -> None:
    wire.request(sock)
    wire.drip(sock, OK + BODY)


def drip_body(wire: Wire, number: int, sock: socket.socket) -> None:
    wire.request(sock)
    sock.sendall(OK)
    wire.drip(sock, BODY)


def drip_more_headers(wire: Wire, number: int, sock: socket.socket) -> None:
    wire.request(sock)
    sock.sendall(OK[:-2])
    wire.drip(sock, b"X-More: 1\r\n" * 90)


def stall_in_body(wire: Wire, number: int, sock: socket.socket) -> None:
    wire.request(sock)
    sock.sendall(OK + BODY[:10])
    sock.settimeout(10)
    sock.recv(1)


def never_read(wire: Wire, number: int, sock: socket.socket) -> None:
    wire.closing.wait(10)


@pytest.mark.parametrize("talk", [drip_headers, drip_body, drip_more_headers, stall, stall_in_body, never_read])
def test_a_slow_reply(talk: Any, wire: Callable[..., Wire]) -> None:
    with key_at(f"127.0.0.1:{wire(talk).port}") as driver:
        assert driver.total_timeout
        ends_in_time(driver)


def test_a_reused_connection_that_falls_silent(wire: Callable[..., Wire]) -> None:
    def talk(wire: Wire, number: int, sock: socket.socket) -> None:
        wire.request(sock)
        sock.sendall(OK + BODY)
        stall(wire, number, sock)

    with key_at(f"127.0.0.1:{wire(talk).port}") as driver:
        driver.sign(REQUEST, timeout=5.0)
        ends_in_time(driver)


@pytest.fixture
def blackhole() -> Iterator[tuple[str, int]]:
    """An address that answers no connection: a listener whose queue is full drops what comes."""
    with socket.create_server(("127.0.0.2", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(2)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()
        for sock in waiting:
            sock.close()


def test_a_blackhole(blackhole: tuple[str, int]) -> None:
    with key_at(f"{blackhole[0]}:{blackhole[1]}") as driver:
        ends_in_time(driver)


def addresses(*found: tuple[str, int]) -> Any:
    return lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in found]


def test_the_next_address_gets_its_share(
    blackhole: tuple[str, int], wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    def talk(wire: Wire, number: int, sock: socket.socket) -> None:
        wire.request(sock)
        sock.sendall(OK + BODY)

    good = wire(talk)
    with key_at(f"localhost:{good.port}") as driver:
        monkeypatch.setattr(socket, "getaddrinfo", addresses(blackhole, ("127.0.0.1", good.port)))
        started = time.monotonic()
        driver.sign(REQUEST, timeout=0.6)
        assert time.monotonic() - started < 0.6
    with key_at("localhost:9") as driver:
        monkeypatch.setattr(socket, "getaddrinfo", addresses(blackhole, blackhole, blackhole))
        ends_in_time(driver)


def test_a_machine_without_ipv6(wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    """The system refuses the socket, before any connection: the next address is tried all the same."""

    def talk(wire: Wire, number: int, sock: socket.socket) -> None:
        wire.request(sock)
        sock.sendall(OK + BODY)

    good = wire(talk)
    families = [(9999, ("::1", good.port, 0, 0)), (socket.AF_INET, ("127.0.0.1", good.port))]
    with key_at(f"localhost:{good.port}") as driver:
        found = [(family, socket.SOCK_STREAM, 6, "", address) for family, address in families]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert driver.sign(REQUEST, timeout=5.0).version == "a"
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found[:1])
    with key_at("localhost:9") as driver:
        ends_in_time(driver, "connect")


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with key_at(address) as driver:
        ends_in_time(driver, "connect")


def test_a_look_up_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """getaddrinfo knows no timeout. Those that hang keep their threads, and others do not wait for them for ever."""
    hanging, asked = threading.Event(), []

    def hang(*arguments: Any, **_: Any) -> Any:
        asked.append(arguments)
        hanging.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        with key_at("localhost:9") as driver:
            threads = [threading.Thread(target=ends_in_time, args=(driver,)) for _ in range(_transport.LOOKUPS + 2)]
            started = time.monotonic()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert time.monotonic() - started < LIMIT + 2 * SLACK
            assert len(asked) == _transport.LOOKUPS
    finally:
        hanging.set()


def test_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", none)
    with key_at("localhost:9") as driver:
        ends_in_time(driver, "dns")
        with pytest.raises(errors.ProviderUnavailable) as caught:
            driver.describe(timeout=LIMIT)
    assert "check the region's name" in caught.value.next_step


def test_nothing_is_left_of_calls_that_timed_out(wire: Callable[..., Wire]) -> None:
    server = wire(stall)
    with key_at(f"127.0.0.1:{server.port}") as driver:
        ends_in_time(driver)
        descriptors, running = len(os.listdir("/proc/self/fd")), threading.active_count()

        def work() -> None:
            for _ in range(5):
                with pytest.raises(errors.ProviderUnavailable):
                    driver.sign(REQUEST, timeout=0.06)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 8 < server.accepted <= 41  # each a new one, unless its time was over before that
        settle(lambda: len(os.listdir("/proc/self/fd")) <= descriptors and threading.active_count() <= running)
    assert not _deadline._reaper._active


def settle(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_a_reaper_of_its_own(wire: Callable[..., Wire]) -> None:
    address = f"127.0.0.1:{wire(drip_body).port}"
    with key_at(address) as driver:
        ends_in_time(driver)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with key_at(address) as own:
                    ends_in_time(own)
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        ends_in_time(driver)
