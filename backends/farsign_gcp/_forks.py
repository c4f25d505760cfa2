"""A fork waits a moment for the calls that are under way, and none begins meanwhile.

gRPC's core holds locks during a call. A child that is forked then inherits them as they are, and is aborted or hangs in its first call
("Mutex::Fer while waiting on Condition"); gRPC has handlers for forks, and skips them while threads are inside it. What takes longer
than a moment is not waited for: that hazard stays, and docs/gcp.md names it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_MOMENT: Final = 0.5  # seconds that a fork waits at most, and that a call waits for a fork


class Gate:
    def __init__(self) -> None:
        self.after_in_child()

    @contextmanager
    def call(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._forking, _MOMENT)
            self._calls += 1
        changed = self._changed
        try:
            yield
        finally:
            if changed is self._changed:  # otherwise this is a child, to which its parent's calls are nothing
                with changed:
                    self._calls -= 1
                    changed.notify_all()

    def before(self) -> None:
        self._forking = True  # of two forks at once the first to end clears it: the other has waited by then
        if self._changed.acquire(timeout=_MOMENT):
            try:
                self._changed.wait_for(lambda: not self._calls, _MOMENT)
            finally:
                self._changed.release()

    def after_in_parent(self) -> None:
        self._forking = False
        if self._changed.acquire(timeout=_MOMENT):
            try:
                self._changed.notify_all()
            finally:
                self._changed.release()

    def after_in_child(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._calls, self._forking = 0, False


GATE: Final = Gate()
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork either
    os.register_at_fork(before=GATE.before, after_in_parent=GATE.after_in_parent, after_in_child=GATE.after_in_child)
