"""TLS, whose handshake ends in time, too; and proxies."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_wire import ARN, BODY, LIMIT, OK, REQUEST, SLACK, Wire, ends_in_time, key_at, replies_then, reset, wire

import farsign
from farsign import errors
from farsign.testing._tls import server_certificate
from farsign.testing.conformance._verify import is_valid
from farsign_aws._driver import AwsKey
from farsign_aws._emulator import AwsEmulator

__all__ = ["wire"]
Emulators = Callable[..., AwsEmulator]


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
