"""RULES 22, 23: processes that are forked, spawned, frozen. 0 hangs, 0 errors, 0 signatures that are another's."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from faulty_backends import ALGORITHM, Backend, running
from faulty_children import START_METHODS, TRUSTING, busy, fork, outcomes, sign_many, threads_have_ended
from faulty_proxy import ForgetfulProxy
from faulty_remote import remote

import farsign
from farsign.testing.conformance._harness import many
from farsign.testing.emulator import EmulatedKey, Emulator

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
CHILDREN, EACH = many(4, 100), many(10, 100)


@pytest.fixture
def trusting(row: Backend) -> Iterator[farsign.Signer]:
    """The provider is another process, as it is: some servers (gRPC's) do not bear being in a process that forks."""
    with running(row.scheme):
        pass  # skips the test where there is none
    with remote(row.scheme, ALGORITHM) as server, farsign.open_signer(server.uri, policy=TRUSTING) as signer:
        signer.key().sign(b"warm")
        yield signer


@pytest.mark.parametrize("start", START_METHODS.values(), ids=START_METHODS)
def test_the_fork_matrix(start: Callable[..., list[int | str]], trusting: farsign.Signer) -> None:
    assert set(start(trusting, CHILDREN, EACH)) == {0}
    sign_many(trusting, "parent", 3)


LOCKS = (type(threading.Lock()), type(threading.RLock()))
OURS = ("farsign", "azure", "boto3", "botocore", "google", "grpc", "hvac", "requests", "urllib3")


def locks() -> list[Any]:
    """Of every object and module of farsign, its backends and their SDKs in this process, but the emulator's."""
    found: dict[int, Any] = {}
    for each in gc.get_objects():
        home = getattr(type(each), "__module__", None)
        if isinstance(each, dict) or not isinstance(home, str):
            continue
        if type(each).__name__ == "module":
            home = each.__name__
        if home.split(".")[0].partition("_")[0] not in OURS or "emulator" in home or "testing" in home:
            continue
        for value in list(getattr(each, "__dict__", {}).values()):
            lock = value._lock if isinstance(value, threading.Condition) else value
            if isinstance(lock, LOCKS):
                found[id(lock)] = lock
    return list(found.values())


def test_a_child_forked_while_every_lock_is_held(trusting: farsign.Signer) -> None:
    """RULES 22: no lock of the parent's is ever acquired. They are looked for, so that a new one is held as well."""
    holding, release = threading.Event(), threading.Event()
    held: list[Any] = []

    def hold() -> None:
        for lock in locks():
            if lock.acquire(timeout=0.5):
                held.append(lock)
        holding.set()
        release.wait(60)
        for lock in held:
            lock.release()

    def child() -> None:
        trusting.invalidate()
        sign_many(trusting, "child", 3)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(60)
    try:
        found = outcomes([fork(child) for _ in range(2)], seconds=30.0)
    finally:
        release.set()
        thread.join()
    assert found == [0, 0]
    assert len(held) >= 8, "the signer's own, its legs', its drivers', its workers', ..."
    sign_many(trusting, "parent", 2)


FROZEN = """
import sys, threading, farsign
signer = farsign.open_signer(sys.argv[1])
key = signer.key()
threads = [threading.Thread(target=key.sign, args=(b"x",), kwargs={"timeout": 10.0}) for _ in range(int(sys.argv[2]))]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("warm", flush=True)
sys.stdin.readline()
key.sign(b"first after the thaw")
print("signed", flush=True)
"""


@pytest.mark.parametrize("connections", [1, 6])
def test_the_first_signature_after_a_freeze(connections: int, row: Backend, cloud: Emulator, made: EmulatedKey) -> None:
    """SIGSTOP, and somebody between forgets the connections meanwhile. In the long form for a minute, so that they are not even tried."""
    frozen_for = many(2, 60)
    if frozen_for < 20 and (connections > 1 or not row.http):
        pytest.skip("what several calls or all of them share is not trusted after 20 s; takes FARSIGN_SOAK=1")
    proxy = ForgetfulProxy(cloud.authority)
    uri = made.uri.replace(cloud.authority, proxy.address)
    cloud.faults.latency("sign", 0.2)
    child = subprocess.Popen(
        [sys.executable, "-c", FROZEN, uri, str(connections)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        try:
            assert child.stdin
            assert child.stdout
            assert child.stdout.readline() == "warm\n"
            child.send_signal(signal.SIGSTOP)
            assert proxy.forget() >= (connections if row.http else 1)
            time.sleep(frozen_for)
            child.send_signal(signal.SIGCONT)
            child.stdin.write("\n")
            child.stdin.flush()
            started = time.monotonic()
            assert child.stdout.readline() == "signed\n"
            assert time.monotonic() - started < farsign.Policy().timeout + 0.25
        finally:
            child.kill()
            proxy.close()


def test_forking_again_and_again_while_others_sign(trusting: farsign.Signer) -> None:
    """A child forks a grandchild, whose parent goes on."""

    def child() -> None:
        sign_many(trusting, "child", 2)
        assert outcomes([fork(lambda: sign_many(trusting, "grandchild", 3))]) == [0]
        sign_many(trusting, "child", 2)

    before = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
    with busy(lambda: trusting.key().sign(b"busy"), threads=2):
        assert outcomes([fork(child) for _ in range(2)]) == [0, 0]
    threads_have_ended(before)
