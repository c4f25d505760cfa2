"""Threads, event loops, forked children, cancellation, closing while in use."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial

import pytest

import farsign
from farsign.errors import FarsignError, SignerClosed

from ._harness import Harness, in_threads, many
from ._verify import is_valid, verify

CHILDREN = 4
CHILD_SECONDS = 60.0


class ConcurrencyTests(Harness):
    def test_threads_share_a_signer(self) -> None:
        """Each message is its own: a reply that reaches another caller does not verify."""
        signer, each = self.new_signer(), many(10, 300)

        def work(n: int) -> None:
            for i in range(each):
                self.signs(signer.key(), f"{n} {i}".encode())

        in_threads(16, work, seconds=many(60, 600))

    def test_threads_on_a_cold_signer_look_once(self) -> None:
        signer = self.new_signer()
        before = self.counted()("describe")
        kids: set[str] = set()
        in_threads(32, lambda n: kids.add(signer.key().kid))
        assert len(kids) == 1
        assert self.counted()("describe") in (-1, before + 1)

    def test_tasks_share_a_signer_in_one_loop_after_another(self) -> None:
        signer, each = self.new_signer(), many(4, 100)

        async def work(n: int) -> None:
            for i in range(each):
                key = await signer.akey()
                data = f"{n} {i}".encode()
                verify(key.public_key(), key.algorithm, await key.asign(data), data)

        async def all_at_once() -> None:
            await asyncio.gather(*(work(n) for n in range(16)))

        for _ in range(2):
            asyncio.run(all_at_once())
        self.signs(signer.key())

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
    def test_forked_children_of_a_busy_parent_sign(self) -> None:
        signer, each = self.new_signer(), many(10, 100)
        self.signs(signer.key())
        stop = threading.Event()
        errors: list[Exception] = []

        def busy() -> None:
            while not stop.is_set():
                try:
                    self.signs(signer.key(), b"parent")
                except Exception as error:
                    errors.append(error)
                    return

        threads = [threading.Thread(target=busy, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            children = [_fork(partial(_sign_in_child, signer, n, each)) for n in range(many(CHILDREN, 20))]
            assert [_outcome(child) for child in children] == [0] * len(children)
        finally:
            stop.set()
            for thread in threads:
                thread.join(10)
        assert not errors

    def test_a_cancelled_task_ends_at_once_and_fails_nobody_else(self) -> None:
        faults, signer = self.ordered("cancellation"), self.new_signer()
        signer.key()

        async def run() -> None:
            key = await signer.akey()
            faults.latency("sign", 1.0)
            slow, other = asyncio.create_task(key.asign(b"slow")), asyncio.create_task(key.asign(b"other"))
            await asyncio.sleep(0.2)
            started = time.monotonic()
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            assert time.monotonic() - started < 0.5
            verify(key.public_key(), key.algorithm, await other, b"other")

        asyncio.run(run())

    def test_a_cancelled_leader_fails_no_follower(self) -> None:
        """RULES 22."""
        faults, signer = self.ordered("cancellation"), self.new_signer()
        before = self.counted()("describe")
        faults.latency("describe", 0.5)

        async def run() -> None:
            leader, follower = asyncio.create_task(signer.akey()), asyncio.create_task(signer.akey())
            await asyncio.sleep(0.1)
            leader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leader
            assert (await follower).kid == signer.key().kid

        asyncio.run(run())
        assert self.counted()("describe") in (-1, before + 1)

    def test_close_waits_for_calls_under_way_and_refuses_new_ones(self) -> None:
        signer = self.new_signer()
        key = signer.key()
        ended: list[str] = []
        started = threading.Barrier(5)

        def work(n: int) -> None:
            if n == 0:
                started.wait()
                time.sleep(0.1)
                assert signer.close(timeout=10.0) is True
                return
            started.wait()
            try:
                while True:
                    self.signs(key)
            except SignerClosed:
                ended.append("closed")

        in_threads(5, work)
        assert ended == ["closed"] * 4
        assert signer.close() is True, "closing twice harms nobody"
        with pytest.raises(SignerClosed):
            signer.key()


def _sign_in_child(signer: farsign.Signer, child: int, each: int) -> int:
    key = signer.key()
    for n in range(each):
        data = f"child {child} {n}".encode()
        if not is_valid(key.public_key(), key.algorithm, key.sign(data), data):
            return 2
    return 0


def _fork(work: Callable[[], int]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
        child = os.fork()
    if child == 0:
        code = 1
        try:
            code = work()
        except FarsignError as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)
    return child


def _outcome(child: int) -> int | str:
    """The exit code of a child; "hang" if it had to be killed."""
    end = time.monotonic() + CHILD_SECONDS
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hang"
