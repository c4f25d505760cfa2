"""RULES 22 and 37: a forked child has fresh locks, pools and clients, and keeps what is known."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable

import pytest
from fakekms import AsyncDriver, FakeDriver, FakeKMS, WatchedDriver
from faulty_children import busy, fork, outcomes, threads_have_ended

from farsign._signer.signer import Signer

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def in_children(count: int, work: Callable[[], None], seconds: float = 30.0) -> None:
    """Run ``work`` in forked children; fail if one raises or hangs. Threads that have ended are gone before."""
    threads_have_ended(threading.active_count())
    assert outcomes([fork(work) for _ in range(count)], seconds) == [0] * count


@pytest.mark.parametrize("driver", [FakeDriver, WatchedDriver, AsyncDriver])
def test_children_of_a_busy_parent_sign_with_clients_of_their_own(driver: type[FakeDriver]) -> None:
    kms = FakeKMS()
    signer = Signer(lambda: driver(kms))
    signer.check()
    opened = kms.opened

    def child() -> None:
        kms.lock = threading.Lock()  # the fake provider's own; a real one is in another process
        for number in range(20):
            signer.key().sign(b"%d" % number)
        assert kms.opened == opened + 1
        assert kms.count("describe") == 1, "what the parent knew is kept"

    with busy(lambda: signer.key().sign(b"busy")):
        in_children(10, child)


def test_a_child_forked_while_every_lock_is_held_does_not_hang() -> None:
    kms = FakeKMS()
    signer = Signer(lambda: WatchedDriver(kms))
    signer.check()
    resolver, leg = signer._resolver, signer.legs[0]
    drivers, handle = leg.drivers, leg.drivers.handle()
    locks = [resolver._lock, leg.proving, leg.endpoint._lock, drivers._lock, handle._lock]
    locks += [drivers._workers._ready, drivers.aside._ready, resolver._fetcher._ready]

    def child() -> None:
        signer.invalidate()
        signer.key().sign(b"x")

    for lock in locks:
        lock.acquire()
    try:
        in_children(3, child)
    finally:
        for lock in locks:
            lock.release()


def test_a_child_forked_during_a_look_up_makes_its_own() -> None:
    kms = FakeKMS(delay=0.5)
    signer = Signer(lambda: FakeDriver(kms))
    thread = threading.Thread(target=signer.key)
    thread.start()
    time.sleep(0.1)

    def child() -> None:
        kms.delay = 0.0
        signer.check(timeout=2.0)

    in_children(3, child)
    thread.join()


def test_children_draw_different_jitter() -> None:
    readers = []
    for _ in range(4):
        reader, writer = os.pipe()
        in_children(1, lambda writer=writer: os.write(writer, repr(random.random()).encode()))
        os.close(writer)
        readers.append(os.read(reader, 100))
        os.close(reader)
    assert len(set(readers)) == 4
