"""Daemon threads for calls that must not hold their caller: a stuck one keeps its thread, and the interpreter exits all the same."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
_IDLE = 10.0  # seconds after which a thread without work ends


class Workers:
    """At most ``limit`` threads, started when needed. Work runs in an empty context: no deadline or span of the caller's."""

    def __init__(self, limit: int, name: str) -> None:
        self._limit, self._name = limit, name
        self._ready = threading.Condition(threading.Lock())
        self._queue: deque[tuple[Future[object], Callable[[], object]]] = deque()
        self._threads = self._idle = 0
        self._closing = False

    def submit(self, work: Callable[[], T], *, first: bool = False) -> Future[T]:
        """``first``: before what waits already."""
        future: Future[T] = Future()
        with self._ready:
            add = self._queue.appendleft if first else self._queue.append
            add((future, work))  # type: ignore[arg-type]  # Future is invariant; the pair belongs together
            if self._idle >= len(self._queue):
                self._ready.notify()
            elif self._threads < self._limit:
                self._threads += 1
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
        return future

    def close(self) -> None:
        """No thread stays idle; work already queued is still done."""
        with self._ready:
            self._closing = True
            self._ready.notify_all()

    def _run(self) -> None:
        while (item := self._next()) is not None:
            future, work = item
            if future.set_running_or_notify_cancel():
                try:
                    result = Context().run(work)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
            del item, future, work  # an idle thread must not keep a message alive

    def _next(self) -> tuple[Future[object], Callable[[], object]] | None:
        with self._ready:
            while not self._queue:
                self._idle += 1
                woken = not self._closing and self._ready.wait(_IDLE)
                self._idle -= 1
                if not self._queue and (self._closing or not woken):
                    self._threads -= 1
                    return None
            return self._queue.popleft()


async def wait_for(future: Future[T], timeout: float) -> bool:
    """Whether the future was done within ``timeout`` seconds. Cancelling the waiter never cancels the future: others wait for it."""
    import asyncio

    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    future.add_done_callback(lambda _: _wake(loop, done))
    try:
        async with asyncio.timeout(timeout):
            await done.wait()
    except TimeoutError:
        return future.done()
    return True


def _wake(loop: asyncio.AbstractEventLoop, done: asyncio.Event) -> None:
    try:
        loop.call_soon_threadsafe(done.set)
    except RuntimeError:  # the loop was closed meanwhile: nobody waits
        return
