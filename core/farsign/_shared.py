"""For drivers: SDK clients that several keys share, and credentials that expire."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Final, Generic, NamedTuple, TypeVar

from . import _fork
from ._clock import SYSTEM, Clock
from ._workers import Workers
from .errors import DeadlineExceeded

T = TypeVar("T")
ONCE_IN: Final = 30.0  # seconds between two forced renewals
LIMIT: Final = 10.0  # seconds that fetching a credential may take
AHEAD: Final = 0.8  # of a credential's life, after which it is renewed in the background


class Shared(Generic[T]):
    """A client and its users. Get one from ``shared_client``."""

    def __init__(self, key: Hashable, make: Callable[[], T], close: Callable[[T], object]) -> None:
        self._key, self._make, self._close = key, make, close
        self._renewed = -ONCE_IN
        self.users = 0
        self.client: T = make()

    def renew(self, *, clock: Clock = SYSTEM) -> bool:
        """Make the client anew, at most every 30 s. Calls under way keep the old one. False: it was done a moment ago."""
        with _registry.lock:
            if clock.monotonic() < self._renewed + ONCE_IN:
                return False
            self._renewed = clock.monotonic()
            self.client = self._make()
        return True

    def release(self) -> None:
        """One user less; the last one closes the client."""
        with _registry.lock:
            self.users -= 1
            last = self.users == 0 and _registry.clients.pop(self._key, None) is self
        if last:
            self._close(self.client)


class _Registry:
    """In a forked child it is empty: a parent's sockets are neither used nor closed there."""

    def __init__(self) -> None:
        self.after_fork()
        _fork.register(self)

    def after_fork(self) -> None:
        self.lock = threading.RLock()
        self.clients: dict[Hashable, Shared[Any]] = {}


_registry = _Registry()


def shared_client(key: Hashable, make: Callable[[], T], close: Callable[[T], object]) -> Shared[T]:
    """The client of that configuration in this process, made by the first who asks. ``release()`` it when done."""
    with _registry.lock:
        shared = _registry.clients.get(key)
        if shared is None:
            shared = _registry.clients[key] = Shared(key, make, close)
        shared.users += 1
        return shared


class Credential(NamedTuple, Generic[T]):
    """What a fetch returns. expires: clock.monotonic() seconds; None: never."""

    value: T
    expires: float | None


class ExpiringCredential(Generic[T]):
    """Fetched once for all threads, renewed ahead in the background, fetched again at most every 30 s when it is refused.

    ``fetch(timeout)`` runs on a thread of its own with a limit of 10 s, so that no attempt's end is its end.
    """

    def __init__(self, fetch: Callable[[float], Credential[T]], *, clock: Clock = SYSTEM) -> None:
        self._fetch, self._clock = fetch, clock
        self._current: Credential[T] | None = None
        self._fetched = self._forced = -ONCE_IN
        self.after_fork()
        _fork.register(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._flight: Future[Credential[T]] | None = None
        self._worker = Workers(1, "farsign-credential")

    def get(self, timeout: float) -> T:
        """The value; waits at most ``timeout`` seconds. Raises what the fetch raised, or DeadlineExceeded."""
        now, current = self._clock.monotonic(), self._current
        if current is not None and (current.expires is None or now < current.expires):
            if current.expires is not None and now > self._fetched + AHEAD * (current.expires - self._fetched):
                self._start()
            return current.value
        return self._wait(self._start(), timeout)

    def refresh(self, timeout: float) -> bool:
        """After a refusal: fetch again and wait. False: that was done less than 30 s ago, so the refusal stands."""
        with self._lock:
            if self._clock.monotonic() < self._forced + ONCE_IN:
                return False
            self._forced = self._clock.monotonic()
            self._current = None
        self._wait(self._start(), timeout)
        return True

    def _start(self) -> Future[Credential[T]]:
        with self._lock:
            if self._flight is None or self._flight.done():
                self._flight = self._worker.submit(self._renew)
            return self._flight

    def _renew(self) -> Credential[T]:
        started = self._clock.monotonic()
        fresh = self._fetch(LIMIT)
        self._fetched, self._current = started, fresh
        return fresh

    def _wait(self, flight: Future[Credential[T]], timeout: float) -> T:
        try:
            error = flight.exception(timeout)
        except TimeoutError:
            raise DeadlineExceeded(f"no credential within {timeout:.3g} s") from None
        if error is not None:
            raise error
        return flight.result().value
