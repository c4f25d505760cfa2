"""What must start afresh in a forked child registers here.

os.register_at_fork costs nothing per call, unlike asking for the process id on every read. In the child nothing is acquired,
joined or closed: the parent's threads are gone and its locks may be held by them.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    def after_fork(self) -> None:
        """In the child: replace locks, pools, clients and futures."""


_registered: WeakSet[Forkable] = WeakSet()


def register(thing: Forkable) -> None:
    _registered.add(thing)


def _in_child() -> None:
    for thing in list(_registered):
        thing.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork either
    os.register_at_fork(after_in_child=_in_child)
