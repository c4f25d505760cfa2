"""A call ends in time whatever the wire does (RULES 17), and a kept connection that died costs nothing (RULES 23)."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import toxiproxy

import farsign
from farsign import errors
from farsign._base.events import Attempt, Retrying
from farsign.driver import SignRequest
from farsign.testing._http import HttpServer, Reply
from farsign.testing._tls import server_certificate
from farsign.testing.conformance._verify import is_valid
from farsign_aws import _deadline, _transport
from farsign_aws._driver import AwsKey
from farsign_aws._emulator import AwsEmulator

Emulators = Callable[..., AwsEmulator]
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


# -- the end ----------------------------------------------------------------------------------------------------------------


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


def stall(wire: Wire, number: int, sock: socket.socket) -> None:
    """Until the client has had enough."""
    if wire.request(sock):
        sock.settimeout(10)
        sock.recv(1)


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
        assert server.accepted == 41
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


# -- kept connections -------------------------------------------------------------------------------------------------------


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
    monkeypatch.setattr(_transport, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + shift))
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


# -- TLS --------------------------------------------------------------------------------------------------------------------


class TlsEmulator(AwsEmulator):
    tls_names = ("localhost",)


@pytest.fixture
def tls() -> Iterator[TlsEmulator]:
    with TlsEmulator() as emulator:
        yield emulator


def test_tls_with_an_authority_of_ones_own(tls: TlsEmulator, monkeypatch: pytest.MonkeyPatch, no_settings: Path) -> None:
    assert tls.certificate
    monkeypatch.setenv("AWS_CA_BUNDLE", tls.certificate.ca_file)
    for address in (f"127.0.0.1:{tls.port}", f"localhost:{tls.port}"):
        made = tls.create_key("ES256")
        with farsign.open_signer(made.uri.replace(f"127.0.0.1:{tls.port}", address)) as signer:
            key = signer.key()
            for _ in range(3):
                assert is_valid(key.public_key(), "ES256", key.sign(b"x"), b"x")
            tls.faults.reset("sign", times=1)
            key.sign(b"y")
            tls.faults.slow_drip("sign", 10.0, times=1)
            started = time.monotonic()
            with pytest.raises(errors.DeadlineExceeded):
                key.sign(b"z", timeout=LIMIT)
            assert time.monotonic() - started < LIMIT + SLACK
            key.sign(b"z")


def test_a_certificate_of_nobody(tls: TlsEmulator, no_settings: Path) -> None:
    with key_at(f"127.0.0.1:{tls.port}", "https") as driver:
        with pytest.raises(errors.ProviderUnavailable, match=r"TLS handshake: .*certificate") as caught:
            driver.sign(REQUEST, timeout=5.0)
        assert caught.value.reason == "tls"
    assert tls.calls("*") == 0


def test_a_certificate_for_another_name(monkeypatch: pytest.MonkeyPatch, wire: Callable[..., Wire], no_settings: Path) -> None:
    certificate, got = server_certificate(("localhost",)), []
    monkeypatch.setenv("AWS_CA_BUNDLE", certificate.ca_file)

    def talk(wire: Wire, number: int, sock: socket.socket) -> None:
        with certificate.context.wrap_socket(sock, server_side=True) as secure:
            got.append(secure.recv(1000))

    with key_at(f"127.0.0.1:{wire(talk).port}", "https") as driver, pytest.raises(errors.ProviderUnavailable, match="TLS"):
        driver.sign(REQUEST, timeout=5.0)
    assert not any(got), "the client sent something to a server that it does not know"


def test_a_ca_bundle_that_is_not_there(monkeypatch: pytest.MonkeyPatch, no_settings: Path) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(no_settings / "missing.pem"))
    with pytest.raises(errors.ConfigurationError, match=r"missing\.pem|No such file"), key_at("127.0.0.1:9", "https"):
        pass


def tls_stall(wire: Wire, number: int, sock: socket.socket) -> None:
    wire.closing.wait(10)


def tls_drip(wire: Wire, number: int, sock: socket.socket) -> None:
    sock.recv(65536)
    wire.drip(sock, b"\x16\x03\x03\x40\x00" + bytes(0x4000))  # the beginning of a long handshake record


@pytest.mark.parametrize("talk", [tls_stall, tls_drip])
def test_a_handshake_that_does_not_end(talk: Any, wire: Callable[..., Wire]) -> None:
    with key_at(f"127.0.0.1:{wire(talk).port}", "https") as driver:
        ends_in_time(driver)


def test_a_kept_tls_connection_that_died(wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch, no_settings: Path) -> None:
    certificate = server_certificate(("127.0.0.1",))
    monkeypatch.setenv("AWS_CA_BUNDLE", certificate.ca_file)

    def talk(wire: Wire, number: int, sock: socket.socket) -> None:
        with certificate.context.wrap_socket(sock, server_side=True) as secure:
            replies_then(reset if number % 2 else ssl.SSLSocket.close)(wire, number, secure)

    server = wire(talk)
    with key_at(f"127.0.0.1:{server.port}", "https") as driver:
        for n in range(1, 5):
            driver.sign(REQUEST, timeout=5.0)
            assert server.accepted == n


# -- proxies ----------------------------------------------------------------------------------------------------------------


def test_behind_a_proxy_the_signer_keeps_the_time(
    wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch, no_settings: Path
) -> None:
    """botocore knows how to reach a proxy; its calls are watched from outside."""

    def talk(wire: Wire, number: int, sock: socket.socket) -> None:
        wire.request(sock)
        if number == 1:
            sock.sendall(OK + BODY)
        else:
            wire.drip(sock, OK + BODY)

    proxy = wire(talk)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    allowed = ["kms.internal.example"]
    uri = f"awskms:///{ARN}?endpoint=http://kms.internal.example:81&auth=emulator"
    driver = AwsKey(farsign.parse_uri(uri), allow_hosts=allowed)
    assert not driver.total_timeout
    assert driver.sign(REQUEST, timeout=5.0).version == "a"
    assert proxy.received.startswith(b"POST http://kms.internal.example:81/ HTTP/1.1\r\n")
    driver.close()
    signer = farsign.open_signer(uri, allow_hosts=allowed)
    started = time.monotonic()
    with pytest.raises(errors.DeadlineExceeded):
        signer.key(timeout=LIMIT)
    assert time.monotonic() - started < LIMIT + SLACK
    signer.close(timeout=0.0)


def test_an_emulator_is_never_behind_a_proxy(emulator: Emulators, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with farsign.open_signer(emulator("awskms").create_key("ES256").uri) as signer:
        signer.check()


# -- TCP faults by toxiproxy, which is not ours -------------------------------------------------------------------------------


@pytest.fixture
def toxic(emulator: Emulators) -> Iterator[tuple[farsign.SigningKey, toxiproxy.Proxy, AwsEmulator]]:
    """A key whose endpoint is a proxy in front of the emulator."""
    aws = emulator("awskms")
    proxy = toxiproxy.Proxy(aws.authority)
    uri = aws.create_key("ES256").uri.replace(aws.authority, proxy.address)
    with farsign.open_signer(uri, policy=farsign.Policy(timeout=5.0, attempts=3)) as signer:  # five in a row open the breaker
        yield signer.key(), proxy, aws
    proxy.close()


Toxic = tuple[farsign.SigningKey, toxiproxy.Proxy, AwsEmulator]


def signs(key: farsign.SigningKey, **options: Any) -> None:
    assert is_valid(key.public_key(), "ES256", key.sign(b"x", **options), b"x")


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("latency", {"latency": 10_000}),
        ("timeout", {"timeout": 0}),  # nothing comes, nothing ends
        ("bandwidth", {"rate": 0}),
        ("slicer", {"average_size": 1, "size_variation": 0, "delay": 200_000}),
    ],
)
@pytest.mark.parametrize("upstream", [False, True], ids=["replies", "requests"])
def test_slow_tcp(kind: str, attributes: dict[str, int], upstream: bool, toxic: Toxic) -> None:
    key, proxy, _ = toxic
    proxy.add(kind, upstream=upstream, **attributes)
    started = time.monotonic()
    with pytest.raises((errors.DeadlineExceeded, errors.ProviderUnavailable)):
        key.sign(b"x", timeout=LIMIT)
    assert time.monotonic() - started < LIMIT + SLACK
    proxy.clear()
    signs(key)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [("reset_peer", {"timeout": 0}), ("limit_data", {"bytes": 100}), ("timeout", {"timeout": 30})],
)
def test_tcp_that_breaks(kind: str, attributes: dict[str, int], toxic: Toxic) -> None:
    key, proxy, _ = toxic
    proxy.add(kind, **attributes)
    with pytest.raises(errors.ProviderUnavailable):
        key.sign(b"x", timeout=0.5)
    proxy.clear()
    signs(key)


def test_tcp_that_breaks_now_and_then_loses_nothing(toxic: Toxic, monkeypatch: pytest.MonkeyPatch) -> None:
    key, proxy, _ = toxic
    monkeypatch.setattr(_transport, "IDLE", -1.0)  # a new connection each time
    proxy.add("reset_peer", toxicity=0.25, timeout=0)
    with farsign.open_signer(key.name.strip("'"), policy=farsign.Policy(timeout=10.0)) as signer:
        patient, told = signer.key(), []
        stop = farsign.observe(told.append)
        for _ in range(60):
            signs(patient)
        stop()
    assert any(isinstance(event, Retrying) for event in told)


def test_a_slow_close_and_an_outage(toxic: Toxic) -> None:
    key, proxy, _ = toxic
    proxy.add("slow_close", delay=3000)
    started = time.monotonic()
    signs(key)
    proxy.enable(False)
    with pytest.raises(errors.ProviderUnavailable):
        key.sign(b"x", timeout=0.3)
    proxy.enable(True)
    signs(key)
    assert time.monotonic() - started < 3.0
