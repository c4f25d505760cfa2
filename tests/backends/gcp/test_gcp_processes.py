"""Forks, loops, stalls, restarts: gRPC's habits, and what is done about them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from cloudkms import CANARY, KEY, Listener, StaticCredentials
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from driving import MESSAGE, verify
from faulty_children import fork, outcomes
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport

import farsign
import farsign_gcp
from farsign import errors
from farsign_gcp._emulator import GcpEmulator
from farsign_gcp._forks import Gate

DER = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
SOAK = bool(os.environ.get("FARSIGN_SOAK"))
CHILDREN, EACH = (20, 100) if SOAK else (4, 20)
PATIENT = farsign.Policy(timeout=20.0, attempt_timeout=10.0)


async def sign_all(signer: farsign.Signer, label: str) -> None:
    async def one(n: int) -> None:
        key, data = await signer.akey(), f"{label} {n}".encode()
        verify(key.public_key().public_bytes(*DER), key.algorithm, await key.asign(data), data)

    await asyncio.gather(*(one(n) for n in range(EACH)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("busy", ["threads", "loop", "idle"])
def test_children_of_a_busy_parent_sign(busy: str, gcp: GcpEmulator) -> None:
    """A parent's channel hangs in its child, so each child makes its own; threads of children met gRPC's own poller (epoll1) at
    the place where it was left, and were aborted."""
    key = gcp.create_key("ES256")
    stop, failed = threading.Event(), []
    with farsign.open_signer(key.uri, policy=PATIENT) as signer:
        known = signer.key()

        def work() -> None:
            try:
                while not stop.is_set():
                    asyncio.run(sign_all(signer, "p")) if busy == "loop" else known.sign(b"parent")
            except Exception as error:
                failed.append(error)

        def child(n: int) -> None:
            def sign(thread: int) -> None:
                for i in range(EACH):
                    data = f"{n} {thread} {i}".encode()
                    verify(key.public_key, "ES256", signer.key().sign(data), data)

            with ThreadPoolExecutor(4) as threads:
                list(threads.map(sign, range(4)))
            asyncio.run(sign_all(signer, str(n)))

        threads = [threading.Thread(target=work, daemon=True) for _ in range(0 if busy == "idle" else 4)]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        codes = outcomes([fork(lambda n=n: child(n)) for n in range(CHILDREN)], 60.0)  # type: ignore[misc]  # mypy: lambda with default
        stop.set()
        for thread in threads:
            thread.join(30)
        assert codes == [0] * CHILDREN
        assert not failed
        verify(key.public_key, "ES256", known.sign(MESSAGE))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_transport_of_the_callers_in_a_child(gcp: GcpEmulator) -> None:
    """An instance is refused there, with what to do; a function makes another."""
    key = gcp.create_key("ES256")
    uri = key.uri.partition("?")[0]

    def make() -> Any:
        options = (("grpc.use_local_subchannel_pool", 1),)
        return KeyManagementServiceGrpcTransport(channel=grpc.insecure_channel(gcp.url, options))

    def refused() -> None:
        with pytest.raises(errors.ConfigurationError, match="does not survive a fork") as caught:
            instance.key().sign(MESSAGE)
        assert "pass a function" in caught.value.next_step

    def signs() -> None:
        verify(key.public_key, "ES256", function.key().sign(MESSAGE))

    with (
        farsign_gcp.open_signer(uri, transport=make(), policy=PATIENT) as instance,
        farsign_gcp.open_signer(uri, transport=make, policy=PATIENT) as function,
    ):
        instance.check()
        function.check()
        assert outcomes([fork(work) for work in (refused, signs)], 60.0) == [0, 0]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this system does not list open files in /proc")
def test_grpc_waits_by_poll() -> None:
    """Unless somebody has said something else; and the environment is left as it was."""
    program = f"""
import os, farsign
before = dict(os.environ)
farsign.open_signer("gcpkms://{KEY}?endpoint=http://127.0.0.1:9&auth=emulator")
assert dict(os.environ) == before
print(any("eventpoll" in os.readlink(f"/proc/self/fd/{{name}}") for name in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{{name}}")))
"""
    for environment, polls in ({}, "False"), ({"GRPC_POLL_STRATEGY": "epoll1"}, "True"):
        clean = {name: value for name, value in os.environ.items() if name != "GRPC_POLL_STRATEGY"}
        done = subprocess.run(
            [sys.executable, "-c", program], env=clean | environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == polls


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_closes_its_parents_emulator(gcp: GcpEmulator) -> None:
    """At once, and the parent's goes on."""
    key = gcp.create_key("ES256")
    assert outcomes([fork(gcp.close)], 10.0) == [0]
    with farsign.open_signer(key.uri) as signer:
        signer.check()


def test_emulators_outlive_their_grpc_process() -> None:
    """A test that starts one after that was killed gets another, and nobody waits for an answer that never comes."""
    program = """
import time
from farsign_gcp._emulator import GcpEmulator
from farsign_gcp._emulator_server import link
first, process = GcpEmulator().start(), link()
process._process.kill()
while not process.ended: time.sleep(0.01)
first.close()
with GcpEmulator() as second: print(second.port > 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr


def test_one_signer_in_several_loops_at_once(gcp: GcpEmulator) -> None:
    key = gcp.create_key("ES256")
    failed: list[Exception] = []
    with farsign.open_signer(key.uri, policy=PATIENT) as signer:

        def loop(n: int) -> None:
            try:
                for _ in range(3):
                    asyncio.run(sign_all(signer, str(n)))
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=loop, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert not failed


def test_a_loop_that_ends_with_calls_under_way(gcp: GcpEmulator) -> None:
    """The reply comes to a loop that is no more: nobody is disturbed."""
    key = gcp.create_key("ES256")
    with farsign.open_signer(key.uri, policy=PATIENT) as signer:

        async def start() -> None:
            known = await signer.akey()
            gcp.faults.latency("sign", 0.3, times=3)
            tasks = [asyncio.create_task(known.asign(MESSAGE)) for _ in range(3)]
            await asyncio.sleep(0.1)
            assert not any(task.done() for task in tasks)

        asyncio.run(start())
        time.sleep(0.4)
        verify(key.public_key, "ES256", signer.key().sign(MESSAGE))


def test_wire_calls(gcp: GcpEmulator) -> None:
    """One list, one key, one call per signature, however it is asked for."""
    key = gcp.create_key("ES256")
    with farsign.open_signer(key.uri) as signer:
        for _ in range(10):
            signer.key().sign(MESSAGE)
        asyncio.run(sign_all(signer, "a"))
    assert (gcp.calls("list"), gcp.calls("describe"), gcp.calls("sign")) == (1, 1, 10 + EACH)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_accepts_and_says_nothing(scheme: str, listener: Listener) -> None:
    """RULES 17, with five-fold slack: TCP is there, HTTP/2 or TLS never comes."""
    uri = f"gcpkms://{KEY}?endpoint={scheme}://127.0.0.1:{listener.port}"
    with farsign_gcp.open_signer(uri, credentials=StaticCredentials()) as signer:
        started = time.monotonic()
        with pytest.raises((errors.DeadlineExceeded, errors.ProviderUnavailable)):
            signer.key(timeout=0.6)
        assert time.monotonic() - started < 0.6 + 0.25
        assert CANARY.encode() not in listener.heard


def test_the_interpreter_exits_with_a_call_stuck(listener: Listener) -> None:
    """RULES 17: within 1 s; asserted with five-fold slack."""
    program = f"""
import threading, time, farsign
signer = farsign.open_signer("gcpkms://{KEY}?endpoint=http://127.0.0.1:{listener.port}&auth=emulator", policy=farsign.Policy(timeout=60.0, attempt_timeout=60.0))
threading.Thread(target=signer.key, daemon=True).start()
time.sleep(0.5)
print(time.time())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert time.time() - float(done.stdout) < 5.0


def test_a_fork_waits_for_calls_under_way_but_only_a_moment() -> None:
    gate = Gate()
    waited: list[float] = []

    def forking() -> None:
        started = time.monotonic()
        gate.before()
        waited.append(time.monotonic() - started)
        gate.after_in_parent()

    with gate.call():
        forker = threading.Thread(target=forking)
        forker.start()
        time.sleep(0.1)
        assert not waited
    forker.join(5)
    assert 0.1 <= waited.pop() < 0.5
    with gate.call():
        forking()
    assert 0.5 <= waited.pop() < 2.5
    forking()
    assert waited.pop() < 0.25
