"""Clients that keys share, and credentials that expire: counted, single flight, renewed ahead, left behind when they hang."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import pytest

from farsign._base.clock import Clock
from farsign.driver import Credential, ExpiringCredential, shared_client
from farsign.errors import CredentialsExpired, ProviderUnavailable


class FakeClock(Clock):
    now = 100.0

    def monotonic(self) -> float:  # type: ignore[override]  # the real one is a static function
        return self.now


class Fetching:
    """A fetch that counts; waits on ``gate``; raises ``error`` if there is one; the value is the count."""

    def __init__(self, clock: Clock, life: float | None = 1000.0) -> None:
        self.clock, self.life = clock, life
        self.calls = 0
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, timeout: float) -> Credential[int]:
        assert timeout == 10.0, "RULES 21: a limit of its own"
        self.calls += 1
        number, started = self.calls, self.clock.monotonic()
        assert self.gate.wait(20)
        if self.error:
            raise self.error
        return Credential(number, None if self.life is None else started + self.life)


def settle(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def together(count: int, work: Callable[[int], object]) -> None:
    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def fetch(clock: FakeClock) -> Fetching:
    return Fetching(clock)


def test_fifty_threads_fetch_once(clock: FakeClock, fetch: Fetching) -> None:
    """RULES 21: single flight."""
    credential, got = ExpiringCredential(fetch, clock=clock), []
    fetch.gate.clear()
    threading.Timer(0.05, fetch.gate.set).start()
    together(50, lambda n: got.append(credential.get(5)))
    assert got == [1] * 50
    assert fetch.calls == 1


def test_a_leaders_timeout_fails_no_follower(clock: FakeClock, fetch: Fetching) -> None:
    """RULES 21, 22: the fetch goes on when who started it has gone."""
    credential = ExpiringCredential(fetch, clock=clock)
    fetch.gate.clear()
    with pytest.raises(ProviderUnavailable) as caught:
        credential.get(0.02)
    assert not caught.value.counts, "it says nothing about the endpoint"
    fetch.gate.set()
    assert credential.get(5) == 1
    assert fetch.calls == 1


def test_what_never_expires_is_fetched_once(clock: FakeClock, fetch: Fetching) -> None:
    fetch.life = None
    credential = ExpiringCredential(fetch, clock=clock)
    assert credential.get(5) == 1
    clock.now += 1e9
    assert credential.get(5) == 1


def test_it_is_renewed_ahead_in_the_background(clock: FakeClock, fetch: Fetching) -> None:
    credential = ExpiringCredential(fetch, clock=clock)
    assert credential.get(5) == 1
    clock.now += 799
    assert credential.get(5) == 1
    assert fetch.calls == 1
    clock.now += 2
    fetch.gate.clear()
    assert credential.get(0.001) == 1, "nobody waits for it"
    fetch.gate.set()
    settle(lambda: credential.get(5) == 2)


def test_a_failed_renewal_is_tried_again_after_a_while_and_fails_nobody(clock: FakeClock, fetch: Fetching) -> None:
    credential = ExpiringCredential(fetch, clock=clock)
    credential.get(5)
    clock.now += 801
    fetch.error = CredentialsExpired("refused")
    for _ in range(50):
        assert credential.get(5) == 1
    settle(lambda: fetch.calls == 2)
    time.sleep(0.05)
    assert credential.get(5) == 1
    assert fetch.calls == 2, "not with every call"
    clock.now += 31
    assert credential.get(5) == 1
    settle(lambda: fetch.calls == 3)


def test_an_expired_one_is_waited_for(clock: FakeClock, fetch: Fetching) -> None:
    credential = ExpiringCredential(fetch, clock=clock)
    credential.get(5)
    clock.now += 1000
    assert credential.get(5) == 2


def test_what_the_fetch_raised_is_raised_to_each_on_its_own(clock: FakeClock, fetch: Fetching) -> None:
    credential, caught = ExpiringCredential(fetch, clock=clock), []
    fetch.error = CredentialsExpired("refused")
    fetch.gate.clear()

    def ask(n: int) -> None:
        try:
            credential.get(5)
        except CredentialsExpired as error:
            caught.append(error)

    threading.Timer(0.1, fetch.gate.set).start()
    together(4, ask)
    assert len({id(error) for error in caught}) == 4
    fetch.error = None
    assert credential.get(5) == 2, "the next one tries again"


def test_a_refusal_fetches_again_at_most_every_30_seconds(clock: FakeClock, fetch: Fetching) -> None:
    """RULES 21."""
    credential, answers = ExpiringCredential(fetch, clock=clock), []
    credential.get(5)
    together(20, lambda n: answers.append(credential.refresh(5)))
    assert sorted(answers) == [False] * 19 + [True]
    assert credential.get(5) == 2
    clock.now += 31
    assert credential.refresh(5)
    assert credential.get(5) == 3


class Meddling:
    """A lock; whoever gives it back finds that another thread came in between."""

    def __init__(self, lock: threading.Lock, meddle: Callable[[], object]) -> None:
        self.lock, self.meddle = lock, meddle

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()
        meddle, self.meddle = self.meddle, lambda: None
        meddle()


def test_a_refresh_and_who_asks_in_the_same_moment_fetch_once(clock: FakeClock, fetch: Fetching) -> None:
    held = ExpiringCredential(fetch, clock=clock)
    held.get(5)
    held._lock = Meddling(held._lock, lambda: held.get(5))  # type: ignore[assignment]  # in its place
    assert held.refresh(5)
    assert held.get(5) == fetch.calls == 2


def test_a_refresh_does_not_take_what_was_under_way_before(clock: FakeClock, fetch: Fetching) -> None:
    credential = ExpiringCredential(fetch, clock=clock)
    fetch.gate.clear()
    with pytest.raises(ProviderUnavailable):
        credential.get(0.01)
    clock.now += 1
    threading.Timer(0.05, fetch.gate.set).start()
    assert credential.refresh(5)
    assert credential.get(5) == 2


def test_a_fetch_that_hangs_is_left_behind_and_its_late_answer_is_not_taken(clock: FakeClock, fetch: Fetching) -> None:
    credential = ExpiringCredential(fetch, clock=clock)
    fetch.gate.clear()
    hanging, fetch.gate = fetch.gate, threading.Event()
    fetch.gate.set()

    def stuck(timeout: float) -> Credential[int]:
        hanging.wait(20)
        return Credential(-1, None)

    credential._fetch = stuck  # type: ignore[assignment]  # the first time only
    with pytest.raises(ProviderUnavailable):
        credential.get(0.01)
    credential._fetch = fetch
    with pytest.raises(ProviderUnavailable):
        credential.get(0.01)
    clock.now += 10
    assert credential.get(5) == 1
    hanging.set()
    time.sleep(0.05)
    assert credential.get(5) == 1


def test_what_waited_behind_fetches_that_hang_is_not_fetched_when_they_end(clock: FakeClock, fetch: Fetching) -> None:
    credential = ExpiringCredential(fetch, clock=clock)
    fetch.gate.clear()
    for _ in range(20):
        with pytest.raises(ProviderUnavailable):
            credential.get(0.001)
        clock.now += 10
    settle(lambda: fetch.calls == 4)
    fetch.gate.set()
    assert credential.get(5) == 5
    time.sleep(0.05)
    assert fetch.calls == 5


def test_its_repr_shows_no_secret() -> None:
    """RULES 16."""
    assert "canary" not in repr(Credential("canary", None))


def in_child(work: Callable[[], bool]) -> bool:
    """Whether the work was true in a forked child."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@forks
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_of_a_fetching_parent_fetches_itself(clock: FakeClock, fetch: Fetching) -> None:
    """RULES 22: nothing is acquired or awaited that belonged to the parent's threads."""
    credential = ExpiringCredential(fetch, clock=clock)
    fetch.gate.clear()
    with pytest.raises(ProviderUnavailable):
        credential.get(0.01)

    def get() -> bool:
        fetch.gate = threading.Event()
        fetch.gate.set()
        return credential.get(5) == 2

    with credential._lock:
        assert in_child(get)
    fetch.gate.set()
    assert credential.get(5) == 1


class Thing:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def test_one_client_for_all_users_closed_by_the_last() -> None:
    made: list[Thing] = []

    def make() -> Thing:
        time.sleep(0.01)
        made.append(Thing())
        return made[-1]

    handles = []
    together(20, lambda n: handles.append(shared_client("test one client", make, Thing.close)))
    assert len(made) == 1
    for handle in handles[:-1]:
        handle.release()
    assert not made[0].closed
    handles[-1].release()
    assert made[0].closed == 1
    again = shared_client("test one client", make, Thing.close)
    assert again.client is made[1]
    again.release()


def test_another_configuration_is_another_client() -> None:
    one, other = (shared_client(("test another", n), Thing, Thing.close) for n in range(2))
    assert one.client is not other.client
    one.release()
    assert not other.client.closed
    other.release()


def test_a_client_that_cannot_be_made_leaves_nothing() -> None:
    def fail() -> Thing:
        raise ValueError

    with pytest.raises(ValueError):
        shared_client("test cannot", fail, Thing.close)
    handle = shared_client("test cannot", Thing, Thing.close)
    handle.release()
    assert handle.client.closed == 1


@forks
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_neither_uses_nor_closes_the_parents_client() -> None:
    parent = shared_client("test fork", Thing, Thing.close)

    def share() -> bool:
        own = shared_client("test fork", Thing, Thing.close)
        parent.release()
        kept = own.client is not parent.client and not parent.client.closed and not own.client.closed
        own.release()
        return kept and own.client.closed == 1

    assert in_child(share)
    parent.release()
    assert parent.client.closed == 1
