"""Many at once, for long: 64 threads and 64 tasks, forked children of a busy parent. Briefly by default, at length under FARSIGN_SOAK.

The emulator is another process, as a cloud is, so that what grows here is the client's.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulating import emulating

import farsign
from farsign.testing.conformance._harness import Harness, in_threads, many
from farsign.testing.conformance._leaks import MIB, Census, settles
from farsign.testing.conformance._verify import is_valid

WORKERS = 64
SIGNATURES = many(1_000, 20_000)
signs = Harness.signs  # each message is its own, so a signature that reached another caller does not verify
CHILDREN, EACH = many(4, 20), many(25, 100)
PATIENT = farsign.Policy(timeout=60.0, attempt_timeout=30.0, concurrency=WORKERS)
# one connection for each call under way at most; allocators keep arenas of threads that ended
SLACK = Census(2 * WORKERS + 4, 4, 16 * MIB)


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    """Of a key at an emulator in another process, over plain HTTP."""
    with emulating("awskms", "--key", "ES256:load") as running:
        yield running["keys"][0]


@pytest.fixture
def signer(uri: str) -> Iterator[farsign.Signer]:
    with farsign.open_signer(uri, policy=PATIENT) as signer:
        signer.check()
        yield signer


def all_at_once(signer: farsign.Signer, count: int) -> None:
    """Half by threads, half by tasks, at the same time."""
    each = max(1, count // (2 * WORKERS))

    def work(n: int) -> None:
        if n == WORKERS:
            asyncio.run(tasks())
            return
        for i in range(each):
            signs(signer.key(), f"thread {n} {i}".encode())

    async def task(n: int) -> None:
        for i in range(each):
            key, data = await signer.akey(), f"task {n} {i}".encode()
            assert is_valid(key.public_key(), "ES256", await key.asign(data), data)

    async def tasks() -> None:
        await asyncio.gather(*(task(n) for n in range(WORKERS)))

    in_threads(WORKERS + 1, work, seconds=many(120, 1200))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not say which descriptors are open")
def test_64_threads_and_64_tasks_lose_nothing_and_nothing_grows(signer: farsign.Signer) -> None:
    all_at_once(signer, SIGNATURES // 4)  # pools fill up
    limit = Census.now().plus(SLACK)._replace(descriptors=Census.now().descriptors - connections(signer) + SLACK.descriptors)
    asked: list[object] = []
    stop = farsign.observe(lambda event: asked.append(None) if type(event).__name__ == "Attempt" else None)
    all_at_once(signer, SIGNATURES)
    stop()
    assert len(asked) == SIGNATURES // (2 * WORKERS) * 2 * WORKERS, "one call for one signature"
    settles(limit, seconds=30.0)
    assert connections(signer) <= 2 * WORKERS


def connections(signer: farsign.Signer) -> int:
    """Open sockets to the emulator, as the system counts them."""
    port = signer.endpoint.rpartition(":")[2]
    mine = {link.readlink().name for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{int(port):04X}") and f"socket:[{row[9]}]" in mine for row in rows)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_children_of_a_busy_parent(signer: farsign.Signer) -> None:
    """RULES 22. Over plain HTTP two processes on one socket would swap signatures without an error; each child makes its own."""
    stop, failed = threading.Event(), list[BaseException]()

    def busy(n: int) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            try:
                signs(signer.key(), f"parent {n} {count}".encode())
            except BaseException as error:
                failed.append(error)
                return

    threads = [threading.Thread(target=busy, args=(n,), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    children = [fork(signer, n) for n in range(CHILDREN)]
    ended = [outcome(child) for child in children]
    stop.set()
    for thread in threads:
        thread.join(30)
    assert ended == [0] * CHILDREN
    assert not failed


def fork(signer: farsign.Signer, number: int) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
        child = os.fork()
    if child:
        return child
    code = 1
    try:
        for n in range(EACH):
            signs(signer.key(), f"child {number} {n}".encode())
        in_threads(4, lambda n: signs(signer.key(), f"child {number} thread {n}".encode()))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def outcome(child: int, seconds: float = many(60, 300)) -> int:
    """The child's exit code; one that hangs is killed, which is a failure."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_killed_and_an_exiting_child_leave_the_parents_connections_alone(signer: farsign.Signer) -> None:
    """A child that ends, kindly or not, closes its copies of descriptors and says nothing on the wire."""
    key = signer.key()
    for end in (signal.SIGKILL, None):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # as above
            child = os.fork()
        if child == 0:
            if end:
                signal.pause()
            signer.close()
            os._exit(0)
        if end:
            os.kill(child, end)
        os.waitpid(child, 0)
        before = connections(signer)
        for n in range(5):
            signs(key, f"{n}".encode())
        assert connections(signer) == before, "the same connection served them"


def test_a_server_that_goes_and_comes_back(emulator: object) -> None:
    """Connections that were kept are dead, then refused, then fine again: nothing is stuck."""
    aws = emulator("awskms")  # type: ignore[operator]  # the fixture is a function
    made = aws.create_key("ES256")
    with farsign.open_signer(made.uri, policy=farsign.Policy(timeout=1.0)) as signer:
        in_threads(8, lambda n: signs(signer.key(), f"{n}".encode()))
        aws.close()
        with pytest.raises(farsign.ProviderError):
            signer.key().sign(b"x")
        aws.start()
        end = time.monotonic() + 15.0  # the breaker asks every 4 to 5 s
        while True:
            try:
                signs(signer.key(), b"again")
                break
            except farsign.ProviderError:
                assert time.monotonic() < end
                time.sleep(0.2)
        with socket.create_connection(("127.0.0.1", aws.port)):
            in_threads(8, lambda n: signs(signer.key(), f"{n}".encode()))
