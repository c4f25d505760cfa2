"""Children of every kind, each of which has to sign: fork, forkserver, spawn, gunicorn's preload, Celery's prefork.

A child signs messages of its own with ``Policy(verify=False)`` and checks each signature itself, so that a swapped one is seen, not retried.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import farsign
from farsign.testing.conformance import verify
from farsign.testing.conformance._harness import many

TRUSTING: Final = farsign.Policy(timeout=20.0, attempt_timeout=5.0, verify=False)
SECONDS: Final = many(120, 600)  # after which a child hangs; a hundred that share two cores only import for minutes


def sign_many(signer: farsign.Signer, name: str, count: int, threads: int = 1) -> None:
    """Raises what goes wrong in any thread. One thread is this one: a thread that ends just before a fork is a hazard of its own."""
    failed: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            key = signer.key()
            for number in range(count):
                data = f"{name} {thread} {number}".encode()
                verify(key.public_key(), key.algorithm, key.sign(data), data)
        except BaseException as error:
            failed.append(error)

    running = [threading.Thread(target=work, args=(thread,)) for thread in range(1, threads)]
    for each in running:
        each.start()
    work(0)
    for each in running:
        each.join()
    if failed:
        raise failed[0]


@contextmanager
def busy(work: Callable[[], object], threads: int = 4) -> Iterator[None]:
    """Threads of this process do that meanwhile."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            work()

    running = [threading.Thread(target=loop) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in running:
            thread.join()


def fork(work: Callable[[], object]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of fork with threads; that is the point
        pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return pid


def outcomes(children: list[int], seconds: float = SECONDS) -> list[int | str]:
    """Exit codes; "hang" for one that had to be killed. None is left."""
    end, found = time.monotonic() + seconds, []
    for pid in children:
        while (done := os.waitpid(pid, os.WNOHANG)) == (0, 0) and time.monotonic() < end:
            time.sleep(0.005)
        if done == (0, 0):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            found.append("hang")
        else:
            found.append(os.waitstatus_to_exitcode(done[1]))
    return found


def threads_have_ended(before: int, seconds: float = 0.5) -> None:
    """Until the system's threads are gone too: one that is ending holds a lock of OpenSSL's, and a child forked then never gets it."""
    tasks, end = Path("/proc/self/task"), time.monotonic() + seconds
    while tasks.is_dir() and len(list(tasks.iterdir())) > before and time.monotonic() < end:
        time.sleep(0.01)


# -- start methods: each starts ``children`` that sign ``each`` messages, and returns their outcomes -----------------------------


def by_fork(signer: farsign.Signer, children: int, each: int) -> list[int | str]:
    """Of a parent whose threads are signing."""
    with busy(lambda: signer.key().sign(b"busy")):
        return outcomes([fork(lambda n=n: sign_many(signer, f"fork {n}", each)) for n in range(children)])


def by_spawn(signer: farsign.Signer, children: int, each: int) -> list[int | str]:
    return _by_multiprocessing("spawn", signer, children, each)


def by_forkserver(signer: farsign.Signer, children: int, each: int) -> list[int | str]:
    return _by_multiprocessing("forkserver", signer, children, each)


def _by_multiprocessing(method: str, signer: farsign.Signer, children: int, each: int) -> list[int | str]:
    """The signer is pickled as its URI and policy."""
    context = multiprocessing.get_context(method)
    with busy(lambda: signer.key().sign(b"busy"), threads=2):
        processes = [context.Process(target=sign_many, args=(signer, f"{method} {n}", each)) for n in range(children)]
        for process in processes:
            process.start()
        end = time.monotonic() + SECONDS
        for process in processes:
            process.join(max(0.0, end - time.monotonic()))
        found: list[int | str] = ["hang" if process.exitcode is None else process.exitcode for process in processes]
        for process in processes:
            process.kill()
    return found


def by_preload(signer: farsign.Signer, children: int, each: int) -> list[int | str]:
    """gunicorn --preload: an arbiter that has loaded the application, and used it, forks workers with threads; those die and are
    replaced, so that it forks again later."""

    def arbiter() -> None:
        sign_many(signer, "preload", 1)
        for generation in range(2):
            workers = [
                fork(lambda n=n: sign_many(signer, f"worker {generation} {n}", max(1, each // 4), threads=4))  # noqa: B023
                for n in range((children + 1) // 2)
            ]
            assert set(outcomes(workers)) == {0}

    return outcomes([fork(arbiter)])


def by_prefork(signer: farsign.Signer, children: int, each: int) -> list[int | str]:
    """Celery: a pool whose processes take tasks from a pipe, and are replaced after some, while the parent's threads sign."""
    context = multiprocessing.get_context("fork")

    def task(n: int) -> int:
        sign_many(signer, f"task {n}", max(1, each // 4))
        return 0

    _Task.run = staticmethod(task)
    with busy(lambda: signer.key().sign(b"busy"), threads=2), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # as in fork()
        with context.Pool(2, maxtasksperchild=2) as pool:
            waiting = pool.map_async(_Task(), range(children * 4), chunksize=1)
            return list(waiting.get(SECONDS))


def by_fork_while_every_lock_is_held(signer: farsign.Signer, children: int, each: int) -> list[int | str]:
    """No lock of the parent's is ever acquired (RULES 22). They are looked for, so that a new one is held as well."""
    holding, release, held = threading.Event(), threading.Event(), list[Any]()

    def hold() -> None:
        held.extend(lock for lock in locks() if lock.acquire(timeout=0.5))
        holding.set()
        release.wait(60)
        for lock in held:
            lock.release()

    def child() -> None:
        signer.invalidate()
        sign_many(signer, "child", 3)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(60)
    try:
        found = outcomes([fork(child) for _ in range(2)], seconds=30.0)
    finally:
        release.set()
        thread.join()
    assert len(held) >= 8, "the signer's own, its legs', its drivers', its workers', ..."
    return found


LOCKS = (type(threading.Lock()), type(threading.RLock()))
OURS = ("farsign", "azure", "boto3", "botocore", "google", "grpc", "hvac", "requests", "urllib3")


def locks() -> list[Any]:
    """Of every object and module of farsign, its backends and their SDKs in this process, but the emulator's."""
    gc.collect()  # a closed gRPC channel that another test left as garbage would be destroyed in the child, and wait for its own lock
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


def by_fork_again_and_again(signer: farsign.Signer, children: int, each: int) -> list[int | str]:
    """A child forks a grandchild, and goes on."""

    def child() -> None:
        sign_many(signer, "child", 2)
        assert outcomes([fork(lambda: sign_many(signer, "grandchild", 3))]) == [0]
        sign_many(signer, "child", 2)

    with busy(lambda: signer.key().sign(b"busy"), threads=2):
        return outcomes([fork(child) for _ in range((children + 1) // 2)])


class _Task:
    """What a pool can pickle: the function itself is in the child already."""

    run: Callable[[int], int]

    def __call__(self, n: int) -> int:
        return type(self).run(n)


START_METHODS: Final = {
    "fork": by_fork,
    "forkserver": by_forkserver,
    "spawn": by_spawn,
    "preload": by_preload,
    "prefork": by_prefork,
    "locked": by_fork_while_every_lock_is_held,
    "again": by_fork_again_and_again,
}


def in_a_process_of_its_own(start: str, uri: str, children: int, each: int) -> list[int | str]:
    """For SDKs whose own servers, which other tests run in this process, do not bear a fork."""
    command = [sys.executable, __file__, start, uri, str(children), str(each)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=2 * SECONDS, check=True)
    found: list[int | str] = json.loads(done.stdout)
    return found


def here(start: str, uri: str, children: int, each: int) -> list[int | str]:
    with farsign.open_signer(uri, policy=TRUSTING) as signer:
        signer.key().sign(b"warm")
        found = START_METHODS[start](signer, children, each)
        sign_many(signer, "parent", 3)
    return found


if __name__ == "__main__":
    print(json.dumps(here(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
