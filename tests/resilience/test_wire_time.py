"""RULES 17, 21, 22: a call ends within its timeout whatever hangs, the interpreter exits, and nobody pays for another's deadline."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from faulty_backends import Backend
from faulty_time import EXIT, LATE, slack

import farsign
from farsign.errors import DeadlineExceeded, ProviderUnavailable
from farsign.testing.conformance import verify
from farsign.testing.emulator import EmulatedKey, Emulator

TIMEOUT = 0.4
TOO_LATE = (DeadlineExceeded, ProviderUnavailable)


def ends(call: Callable[[], object]) -> None:
    started = time.monotonic()
    with pytest.raises(TOO_LATE):
        call()
    assert time.monotonic() - started < TIMEOUT + slack(LATE)


@pytest.fixture
def silence() -> Iterator[str]:
    """Where a connection is accepted, and then nothing: a TLS handshake stalls there. HOST:PORT."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("fault", ["slow_drip:sign:10", "stall:sign"])
def test_a_reply_that_does_not_come(fault: str, cloud: Emulator, signer: farsign.Signer) -> None:
    key = signer.key()
    cloud.faults.order(fault)
    ends(lambda: key.sign(b"x", timeout=TIMEOUT))
    ends(lambda: asyncio.run(key.asign(b"x", timeout=TIMEOUT)))
    ends(lambda: within_the_context(key))
    cloud.faults.clear()
    verify(key.public_key(), key.algorithm, key.sign(b"x"), b"x")


def within_the_context(key: farsign.SigningKey) -> None:
    with farsign.deadline(TIMEOUT):
        key.sign(b"x")


def test_a_tls_handshake_that_stalls(made: EmulatedKey, cloud: Emulator, silence: str) -> None:
    uri = made.uri.replace(cloud.authority, silence).replace("=http:", "=https:")
    with farsign.open_signer(uri) as signer:
        ends(lambda: signer.key(timeout=TIMEOUT))
        ends(lambda: asyncio.run(signer.akey(timeout=TIMEOUT)))
        signer.close(timeout=0.0)


def test_a_name_that_is_looked_up_for_ever(
    row: Backend, cloud: Emulator, made: EmulatedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blackholed DNS: the resolver does not answer, and getaddrinfo knows no timeout."""
    if not row.resolves:
        pytest.skip("this SDK has a resolver of its own, which no test can black out")
    over = threading.Event()
    look_up = socket.getaddrinfo

    def blackholed(host: object, *arguments: object, **options: object) -> object:
        if host == "localhost":
            over.wait(20)
            raise socket.gaierror(socket.EAI_AGAIN, "blackholed")
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", blackholed)
    try:
        with farsign.open_signer(made.uri.replace("127.0.0.1", "localhost")) as signer:
            ends(lambda: signer.key(timeout=TIMEOUT))
            ends(lambda: asyncio.run(signer.akey(timeout=TIMEOUT)))
            signer.close(timeout=0.0)
    finally:
        over.set()


def test_credentials_that_take_three_seconds(
    row: Backend, cloud: Emulator, made: EmulatedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go on being fetched, once, and serve who comes later."""
    opened = row.given(cloud, made, monkeypatch, seconds=3.0)
    with opened.signer as signer:
        started = time.monotonic()
        ends(lambda: signer.key(timeout=TIMEOUT))
        ends(lambda: signer.key(timeout=TIMEOUT))
        signer.key(timeout=5.0).sign(b"x")
        assert time.monotonic() - started < 3.0 + slack(0.5)


def test_a_leader_in_a_hurry_does_not_fail_its_follower(cloud: Emulator, made: EmulatedKey) -> None:
    """RULES 22: 0.1 s and 5 s wait for one look-up, which takes 0.5 s."""
    with farsign.open_signer(made.pinned) as signer:
        before = cloud.calls("describe")
        cloud.faults.latency("*", 0.5)
        failed: list[Exception] = []

        def lead() -> None:
            try:
                signer.key(timeout=0.1)
            except farsign.FarsignError as error:
                failed.append(error)

        leader = threading.Thread(target=lead)
        leader.start()
        time.sleep(0.05)
        key = signer.key(timeout=5.0)
        leader.join()
        assert [type(error) for error in failed] == [DeadlineExceeded]
        assert cloud.calls("describe") == before + 1
        cloud.faults.clear()
        verify(key.public_key(), key.algorithm, key.sign(b"x"), b"x")


STUCK = """
import asyncio, sys, threading, time, farsign
signer = farsign.open_signer(sys.argv[1], policy=farsign.Policy(timeout=60.0, attempt_timeout=60.0))
key = signer.key()
threading.Thread(target=key.sign, args=(b"x",), daemon=True).start()

async def both():
    task = asyncio.create_task(key.asign(b"x"))
    await asyncio.sleep(0.3)
    task.cancel()

asyncio.run(both())
print("stuck", flush=True)
"""


def test_the_interpreter_exits_with_a_call_stuck(cloud: Emulator, made: EmulatedKey) -> None:
    cloud.faults.stall("sign")
    child = subprocess.Popen([sys.executable, "-c", STUCK, made.uri], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout
        assert child.stdout.readline() == "stuck\n"
        started = time.monotonic()
        assert child.wait(30) == 0
        assert time.monotonic() - started < slack(EXIT)
