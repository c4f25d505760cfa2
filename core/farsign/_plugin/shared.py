"""For drivers: SDK clients that several keys share, and credentials that expire."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, Generic, NamedTuple, TypeVar

from farsign._base import fork
from farsign._base.clock import SYSTEM, Clock
from farsign._base.workers import Workers
from farsign.errors import FarsignError, ProviderUnavailable

T = TypeVar("T")
ONCE_IN: Final = 30.0  # seconds between two forced renewals
LIMIT: Final = 10.0  # seconds that fetching a credential may take
AHEAD: Final = 0.8  # of a credential's life, after which it is renewed in the background
LEFT_BEHIND: Final = 4  # fetches that hang, at most, each with a thread


class Shared(Generic[T]):
    """A client and its users. Get one from ``shared_client``."""

    def __init__(self, key: Hashable, client: T, close: Callable[[T], object]) -> None:
        self._key, self._close = key, close
        self.users = 0
        self.client = client

    def release(self) -> None:
        """One user less; the last one closes the client."""
        with _registry.lock:
            self.users -= 1
            last = self.users == 0 and _registry.clients.get(self._key) is self  # not so for a parent's, in a forked child
            if last:
                del _registry.clients[self._key]
        if last:
            self._close(self.client)


class _Registry:
    """In a forked child it is empty: a parent's sockets are neither used nor closed there.

    They are kept, because collecting them would close them, under locks that a lost thread of the parent may hold.
    """

    def __init__(self) -> None:
        self.clients: dict[Hashable, Shared[Any]] = {}
        self._inherited: list[object] = []
        self.lock = threading.RLock()
        fork.register(self)

    def after_fork(self) -> None:
        self._inherited.append(self.clients)
        self.clients = {}
        self.lock = threading.RLock()


_registry = _Registry()


def shared_client(key: Hashable, make: Callable[[], T], close: Callable[[T], object]) -> Shared[T]:
    """The client of that configuration in this process, made by the first who asks. ``release()`` it when done."""
    with _registry.lock:
        shared = _registry.clients.get(key)
        if shared is None:
            shared = _registry.clients[key] = Shared(key, make(), close)
        shared.users += 1
        return shared


class Credential(NamedTuple, Generic[T]):
    """What a fetch returns. expires: clock.monotonic() seconds; None: never."""

    value: T
    expires: float | None

    def __repr__(self) -> str:  # the value is a secret
        return f"Credential(expires={self.expires!r})"


class ExpiringCredential(Generic[T]):
    """Fetched once for all threads, renewed ahead in the background, fetched again at most every 30 s when it is refused.

    ``fetch(timeout)`` runs on a thread of its own with a limit of 10 s, so that no attempt's end is its end. One that does not keep
    to its limit is left behind, and the next who asks starts another.
    """

    def __init__(self, fetch: Callable[[float], Credential[T]], *, clock: Clock = SYSTEM) -> None:
        self._fetch, self._clock = fetch, clock
        self._current: Credential[T] | None = None
        self._fetched = self._forced = self._started = -math.inf
        self.after_fork()
        fork.register(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._flight: Future[Credential[T]] | None = None
        self._workers = Workers(LEFT_BEHIND, "farsign-credential")

    def get(self, timeout: float) -> T:
        """The value; waits at most ``timeout`` seconds. Raises what the fetch raised, or ProviderUnavailable."""
        now, current = self._clock.monotonic(), self._current
        end = math.inf if current is None or current.expires is None else current.expires
        if current is None or now >= end:
            return self._wait(self._flying(), timeout)
        if now > max(self._fetched + AHEAD * (end - self._fetched), self._started + ONCE_IN):
            self._flying()
        return current.value

    def refresh(self, timeout: float) -> bool:
        """After a refusal: fetch again and wait. False: that was done less than 30 s ago, so the refusal stands."""
        with self._lock:
            if self._clock.monotonic() < self._forced + ONCE_IN:
                return False
            self._forced = self._clock.monotonic()
            self._current = self._flight = None  # what is under way may bring what was refused
            flight = self._begun()  # before anyone else begins one
        self._wait(flight, timeout)
        return True

    def _flying(self) -> Future[Credential[T]]:
        """The fetch under way, or a new one."""
        with self._lock:
            return self._begun()

    def _begun(self) -> Future[Credential[T]]:
        """For who holds the lock."""
        now = self._clock.monotonic()
        if self._flight is None or self._flight.done() or now >= self._started + LIMIT:
            self._started = now
            self._flight = self._workers.submit(partial(self._renew, now))
        return self._flight

    def _renew(self, started: float) -> Credential[T]:
        if self._clock.monotonic() >= started + LIMIT:  # no thread was free for so long: those who ask now have another
            raise ProviderUnavailable("the fetch of a credential was left behind", reason="timeout", answered=False, counts=False)
        fresh = self._fetch(LIMIT)
        with self._lock:
            if started >= self._started:  # else it was left behind
                self._fetched, self._current = started, fresh
        return fresh

    def _wait(self, flight: Future[Credential[T]], timeout: float) -> T:
        try:
            error = flight.exception(timeout)
        except TimeoutError:
            what = f"no credential within {timeout:.3g} s"
            raise ProviderUnavailable(what, reason="timeout", answered=False, counts=False) from None
        if error is not None:
            raise copy.copy(error) if isinstance(error, FarsignError) else error  # ours are amended by who gets them
        return flight.result().value
