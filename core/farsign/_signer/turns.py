"""What one call holds: an instance of the driver (``Handle``), its share of time (``Turn``), its place among others (``Gate``)."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from farsign.driver import RemoteSigner
from farsign.errors import ProviderUnavailable

if TYPE_CHECKING:
    import asyncio

BUSY: Final = "concurrency"  # the reason of an attempt that never started
AT_ONCE: Final = 0.005  # seconds to wait for a thread that are no wait


class Handle:
    """A driver and the number of calls on it."""

    def __init__(self, driver: RemoteSigner) -> None:
        self.driver = driver
        self.closed = threading.Event()
        self._lock = threading.Lock()
        self._calls = 0
        self._retired = False
        self._lets_go: Callable[[], None] = driver.close

    def enter(self) -> bool:
        """For one call. False: it has been replaced."""
        with self._lock:
            if not self._retired:
                self._calls += 1
            return not self._retired

    def leave(self) -> None:
        with self._lock:
            self._calls -= 1
            last = self._retired and not self._calls
        if last:
            self._close()

    def retire(self, *, close: bool = True) -> None:
        """No new calls; the driver is closed after the last. close: False leaves that to the caller."""
        with self._lock:
            already, self._retired = self._retired, True
            idle = not self._calls
            if not close:
                self._lets_go = _nothing
        if idle and not already:
            self._close()

    def _close(self) -> None:
        try:
            self._lets_go()
        finally:
            self.closed.set()


def _nothing() -> None:
    pass


class Turn:
    """The time of one attempt, in real seconds. timeout: for the call itself; patience: that, and the wait for a thread before.

    least: with less than that it does not begin. again: it goes before first attempts, which have more time left. before: what its
    thread does first.
    """

    __slots__ = ("_asked", "_begun", "_ended", "_least", "again", "before", "handle", "patience", "timeout")

    def __init__(self, timeout: float, patience: float, *, least: float = 0.0, again: bool = False) -> None:
        self.timeout, self.patience, self._least, self.again = timeout, patience, least, again
        self._asked = time.monotonic()
        self._begun = self._ended = 0.0
        self.handle: Handle | None = None  # what it uses
        self.before: Callable[[], object] = _nothing

    def begin(self) -> float:
        """The seconds that the call has, from now on. Raises ProviderUnavailable if it waited too long for a thread."""
        now = time.monotonic()
        remaining = self.patience - (now - self._asked)
        if now > self._asked + AT_ONCE and remaining < self._least:
            raise self.too_late()
        self.timeout = min(self.timeout, remaining)
        self._begun = now
        return self.timeout

    def too_late(self) -> ProviderUnavailable:
        step = "sign less at once, or raise Policy(concurrency=...)"
        return ProviderUnavailable(
            "too many calls are under way: none ended in time for this one", next_step=step, reason=BUSY, counts=False
        )

    def end(self) -> None:
        self._ended = time.monotonic()

    @property
    def took(self) -> float:
        """Seconds on the wire so far: neither the wait for a thread before nor for the event loop after."""
        return (self._ended or time.monotonic()) - self._begun if self._begun else 0.0

    def left(self) -> float:
        """Seconds to wait before asking this again; 0 or less: nobody waits any longer."""
        now = time.monotonic()
        if self._begun:
            return self._begun + self.timeout - now
        return min(self.timeout, self._asked + self.patience - now)


class Gate:
    """At most ``limit`` calls of one event loop at once. The others wait here, where their time does not run yet."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, turn: Turn) -> None:
        """Raises ProviderUnavailable if there was no room in time."""
        import asyncio

        if self._free:
            self._free -= 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if turn.again else self._waiting.append)(place)
        try:
            async with asyncio.timeout(turn.patience):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                self.leave()  # it was given just now
            place.cancel()
            if isinstance(error, TimeoutError):
                raise turn.too_late() from None
            raise

    def leave(self) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1
