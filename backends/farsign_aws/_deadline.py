"""The end of a call, and who sees to it.

Each call of this thread has a ``Watch``. When its time is over, a reaper thread shuts down the connection that the call uses, for
a socket's own timeout counts for each recv: a reply that drips byte by byte never times out.
"""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from farsign._base import fork


class Watch:
    """One call: when it has to end, and the connection that it uses now."""

    __slots__ = ("connection", "expired", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self.connection: Any = None
        self.expired = False

    def remaining(self) -> float:
        """Seconds; never 0, which would mean "do not wait" to a socket."""
        return max(0.001, self.until - time.monotonic())

    def expire(self) -> None:
        self.expired = True
        sock = getattr(self.connection, "sock", None)
        if isinstance(sock, socket.socket):
            try:
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not SSLSocket's own, which is for one thread
            except OSError:
                return  # closed meanwhile


class _Reaper:
    """A thread, started with the first call, that ends overdue ones. It sleeps until the earliest end that it has seen."""

    def __init__(self) -> None:
        self.after_fork()
        fork.register(self)

    def after_fork(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._active: set[Watch] = set()
        self._wakes = 0.0  # monotonic; 0: not started

    def add(self, watch: Watch) -> None:
        with self._changed:
            self._active.add(watch)
            if not self._wakes:
                threading.Thread(target=self._run, name="farsign-reaper", daemon=True).start()
                self._wakes = watch.until
            elif watch.until < self._wakes:
                self._wakes = watch.until
                self._changed.notify()

    def remove(self, watch: Watch) -> None:
        with self._changed:
            self._active.discard(watch)

    def _run(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                overdue = [watch for watch in self._active if watch.until <= now]
                self._active.difference_update(overdue)
                self._wakes = min((watch.until for watch in self._active), default=math.inf)
                if not overdue:
                    self._changed.wait(None if self._wakes == math.inf else self._wakes - now)
            for watch in overdue:
                watch.expire()


_reaper = _Reaper()
_current = threading.local()


def current() -> Watch | None:
    """The watch of the call that this thread is in."""
    return getattr(_current, "watch", None)


@contextmanager
def deadline(seconds: float) -> Iterator[Watch]:
    """The calls of this thread in the block end ``seconds`` from now."""
    watch = _current.watch = Watch(time.monotonic() + seconds)
    _reaper.add(watch)
    try:
        yield watch
    finally:
        _current.watch = None
        _reaper.remove(watch)
        watch.connection = None


class _Discreet(logging.Filter):
    """Drops what botocore says at DEBUG of the driver's own calls: messages, signatures, credentials."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.DEBUG or current() is None


_discreet = _Discreet()
for _name in ("auth", "credentials", "endpoint", "httpsession", "parsers", "utils"):
    logging.getLogger(f"botocore.{_name}").addFilter(_discreet)
