"""What is used is given back: descriptors, threads, memory."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from pathlib import Path
from typing import NamedTuple

import pytest

import farsign

from ._harness import Harness, in_threads, many

THREADS, EACH, TASKS = 16, 10, 16
DESCRIPTORS = Path("/proc/self/fd")
MEMORY = Path("/proc/self/statm")


class Census(NamedTuple):
    descriptors: int
    threads: int
    memory: int  # bytes, resident

    @classmethod
    def now(cls) -> Census:
        gc.collect()
        pages = int(MEMORY.read_text().split()[1])
        return cls(len(list(DESCRIPTORS.iterdir())), threading.active_count(), pages * os.sysconf("SC_PAGE_SIZE"))

    def within(self, limit: Census) -> bool:
        return all(now <= most for now, most in zip(self, limit, strict=True))

    def plus(self, slack: Census) -> Census:
        return Census(*map(sum, zip(self, slack, strict=True)))


MIB = 2**20
IN_USE = Census(64, 32, 16 * MIB)  # pools fill up to their size; an emulator in this process holds the connections' other ends
CLOSED = Census(8, 48, 64 * MIB)  # idle threads end after a while; allocators and SDKs keep memory of one client for the next


def settles(limit: Census, seconds: float = 20.0) -> None:
    """Idle threads and connections may take a while to end."""
    end = time.monotonic() + seconds
    while not (now := Census.now()).within(limit):
        assert time.monotonic() < end, f"{now} is more than {limit}"
        time.sleep(0.1)


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="this system does not say which descriptors are open")
class LeakTests(Harness):
    def test_nothing_grows_in_use(self) -> None:
        signer = self.new_signer()
        for _ in range(2):
            self._burst(signer)
        limit = Census.now().plus(IN_USE)
        for _ in range(many(3, 60)):
            self._burst(signer)
        settles(limit)

    def _burst(self, signer: farsign.Signer) -> None:
        key = signer.key()

        async def tasks() -> None:
            await asyncio.gather(*(key.asign(b"task") for _ in range(TASKS)))

        def work(n: int) -> None:
            for _ in range(EACH):
                self.signs(key)

        in_threads(THREADS, work)
        asyncio.run(tasks())

    def test_closed_signers_leave_nothing(self) -> None:
        key = self.make_key(self.main)

        def use() -> None:
            with self.signer(key, self.main) as signer:
                self.signs(signer.key())

        use()
        limit = Census.now().plus(CLOSED)
        for _ in range(many(20, 200)):
            use()
            self._signers.clear()
        settles(limit)
