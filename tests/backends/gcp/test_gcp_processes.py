"""Forks, loops, stalls, restarts: gRPC's habits, and what is done about them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from cloudkms import CANARY, KEY, MESSAGE, Listener, StaticCredentials, verify
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from faulty_proxy import ForgetfulProxy
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport

import farsign
import farsign_gcp
from farsign import errors
from farsign.driver import SignRequest
from farsign_gcp import _client
from farsign_gcp._driver import AsyncCloudKey, CloudKey
from farsign_gcp._emulator import GcpEmulator

DER = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
SOAK = bool(os.environ.get("FARSIGN_SOAK"))
CHILDREN, EACH = (20, 100) if SOAK else (4, 20)
PATIENT = farsign.Policy(timeout=20.0, attempt_timeout=10.0)


def fork(work: Callable[[], None]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
        child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)
    return child


def outcome(child: int, seconds: float = 60.0) -> int | str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hang"


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
        children = [fork(lambda n=n: child(n)) for n in range(CHILDREN)]  # type: ignore[misc]  # mypy: lambda with default
        outcomes = [outcome(pid) for pid in children]
        stop.set()
        for thread in threads:
            thread.join(30)
        assert outcomes == [0] * CHILDREN
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
        assert [outcome(fork(work)) for work in (refused, signs)] == [0, 0]


def test_grpc_waits_by_poll() -> None:
    """Said before gRPC is imported, unless somebody has said something else."""
    program = "import farsign_gcp, os; print(os.environ['GRPC_POLL_STRATEGY'])"
    for environment, told in ({}, "poll"), ({"GRPC_POLL_STRATEGY": "epoll1"}, "epoll1"):
        clean = {name: value for name, value in os.environ.items() if name != "GRPC_POLL_STRATEGY"}
        done = subprocess.run(
            [sys.executable, "-c", program], env=clean | environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == told


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


def test_a_server_that_comes_back_is_used_at_once(gcp: GcpEmulator, drive: Callable[..., CloudKey]) -> None:
    """gRPC alone would wait ever longer, up to two minutes, between two attempts to connect."""
    key = gcp.create_key("ES256")
    driver, request = drive(key.uri), SignRequest(key.version, "ES256", "digest", bytes(32))
    driver.sign(request, timeout=5)
    gcp.close()
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        with pytest.raises(grpc.RpcError):
            driver.sign(request, timeout=0.5)
        time.sleep(0.05)
    gcp.start()
    started = time.monotonic()
    while True:
        try:
            driver.sign(request, timeout=0.5)
            break
        except grpc.RpcError:
            assert time.monotonic() - started < 5.0  # a second and its jitter; by default it would be at 1 + 1.6 + 2.6 s by now
            time.sleep(0.05)


def test_a_connection_that_is_dead_is_not_used_again(gcp: GcpEmulator, drive: Callable[..., CloudKey]) -> None:
    """Somebody between forgot it. gRPC by itself would go on with it until the system gives it up."""
    key = gcp.create_key("ES256")
    proxy, before = ForgetfulProxy(gcp.url), len(_client._open)
    driver = drive(key.uri.replace(gcp.url, proxy.address))
    request = SignRequest(key.version, "ES256", "digest", bytes(32))

    async def sign(timeout: float) -> None:
        assert isinstance(driver, AsyncCloudKey)
        await driver.asign(request, timeout=timeout)

    for attempt in (lambda timeout: driver.sign(request, timeout=timeout), lambda timeout: asyncio.run(sign(timeout))):
        attempt(5.0)
        assert proxy.forget()
        with pytest.raises(grpc.RpcError):
            attempt(0.3)
        attempt(5.0)
    assert len(_client._open) == before + 1, "the dead ones are closed"
    proxy.close()


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
