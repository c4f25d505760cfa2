"""What is used is given back: memory, sockets and threads stay flat, and so they do when tasks are cancelled at random moments.

The emulator is in a process of its own here, so that its sockets and threads are not counted.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest
from faulty_backends import ALGORITHM, Backend, running
from faulty_remote import Remote, remote

import farsign
from farsign.errors import FarsignError
from farsign.testing.conformance._harness import in_threads, many
from farsign.testing.conformance._leaks import DESCRIPTORS, Census, settles

pytestmark = pytest.mark.skipif(not DESCRIPTORS.exists(), reason="this system does not say which descriptors are open")
MIB = 2**20
SLACK = Census(descriptors=4, threads=4, memory=8 * MIB)
PATIENT = farsign.Policy(timeout=30.0, attempt_timeout=20.0, concurrency=8)  # so that all threads are there from the beginning


@pytest.fixture
def server(row: Backend) -> Iterator[Remote]:
    with running(row.scheme):
        pass  # skips the test where there is none
    with remote(row.scheme, ALGORITHM) as started:
        yield started


def test_nothing_grows_with_signatures(server: Remote) -> None:
    with farsign.open_signer(server.uri, policy=PATIENT) as signer:
        key = signer.key()

        def burst(count: int) -> None:
            in_threads(8, lambda _: [key.sign(b"x") for _ in range(count // 8)], seconds=600)

        burst(many(300, 5_000))
        limit = Census.now().plus(SLACK)
        burst(many(2_000, 100_000))
        settles(limit)


def test_cancelled_tasks_leave_nothing(server: Remote) -> None:
    """At random moments: before a thread or a connection was there, while the reply is on its way, when it has come."""
    count, dice = many(200, 1_000), random.Random(7)
    with farsign.open_signer(server.uri, policy=PATIENT) as signer:

        async def cancelling(number: int) -> None:
            key = await signer.akey()
            tasks = [asyncio.create_task(key.asign(b"x")) for _ in range(number)]
            for task in tasks:
                await asyncio.sleep(dice.random() * 0.01)
                task.cancel()
            for task in tasks:
                try:
                    await task
                except (asyncio.CancelledError, FarsignError):
                    continue
            await key.asign(b"x")  # the places of those that were cancelled are free
            assert len(asyncio.all_tasks()) == 1

        asyncio.run(cancelling(many(100, 200)))
        limit = Census.now().plus(SLACK)
        for _ in range(count // 100):
            asyncio.run(cancelling(100))
        settles(limit)
        signer.key().sign(b"x")
