"""Driver instances: one per process and, where a driver is natively async, one per event loop; and single calls on them.

An instance is closed when it has been retired and its last call has ended. A call that outlives its attempt is abandoned: it keeps
its worker thread and its instance, and the next call gets a new instance. The time of an attempt begins when a thread takes it up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakKeyDictionary, ref

from farsign._base import fork
from farsign._base.workers import Workers, wait_for
from farsign.driver import AsyncRemoteSigner, RemoteSigner, is_driver
from farsign.errors import BackendBroken, ProviderUnavailable, SignerClosed

from .funnel import TIMEOUT
from .turns import Gate, Handle, Turn

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

T = TypeVar("T")
Opener = Callable[[], RemoteSigner]
GRACE: Final = 0.04  # seconds for a driver that ends its calls itself to do so


class Drivers:
    """Opens, shares and replaces the instances of one Signer."""

    def __init__(self, opener: Opener, concurrency: int) -> None:
        self._opener, self._concurrency = opener, concurrency
        self._closed = False
        self._start_afresh()
        self._handle: Handle | None = self._opened()  # now: a missing SDK shows when the signer is opened
        self.native_async = isinstance(self._handle.driver, AsyncRemoteSigner)
        fork.register(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._handle = None
        self._loops: list[tuple[ref[AbstractEventLoop], Handle]] = []  # of an ended one until the next comes: none goes unclosed
        self._gates: MutableMapping[AbstractEventLoop, Gate] = WeakKeyDictionary()
        self._workers = Workers(self._concurrency, "farsign-call")
        self.aside = Workers(4, "farsign-aside")  # apart: what runs there waits for the others

    def after_fork(self) -> None:
        self._start_afresh()

    def handle(self) -> Handle:
        handle = self._handle
        if handle is not None:
            return handle
        with self._lock:
            self._refuse_closed()
            if self._handle is None:
                self._handle = self._opened()
            return self._handle

    def _opened(self) -> Handle:
        driver = self._opener()
        if not is_driver(driver):
            raise BackendBroken(
                f"the opener returned what is no RemoteSigner ({type(driver).__name__})",
                next_step="give a function without arguments that returns a driver; docs/backends.md shows one",
            )
        return Handle(driver)

    def _loop_handle(self) -> Handle:
        import asyncio

        loop = asyncio.get_running_loop()
        ended: list[Handle] = []
        with self._lock:
            self._refuse_closed()
            handle = self._of(loop)
            if handle is None:
                ended = [handle for known, handle in self._loops if _is_over(known())]
                handle = self._opened()
                self._loops = [pair for pair in self._loops if pair[1] not in ended] + [(ref(loop), handle)]
        for each in ended:
            each.retire()
        return handle

    def _of(self, loop: AbstractEventLoop) -> Handle | None:
        return next((handle for known, handle in self._loops if known() is loop), None)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise SignerClosed("this signer is closed")

    def close(self, timeout: float) -> bool:
        """No new calls; wait for those under way. False: some were still running after ``timeout`` seconds."""
        with self._lock:
            self._closed = True
            handles = [handle for handle in (self._handle, *(handle for _, handle in self._loops)) if handle]
            self._handle = None
            self._loops.clear()
        for handle in handles:
            handle.retire()
        self._workers.close()
        self.aside.close()
        return all(handle.closed.wait(timeout) for handle in handles)

    async def aclose(self, timeout: float) -> bool:
        """As close(); what belongs to the running loop is closed in it."""
        import asyncio

        with self._lock:
            self._closed = True
            native = self._of(asyncio.get_running_loop())
            self._loops = [pair for pair in self._loops if pair[1] is not native]
        worker, end = Workers(1, "farsign-close"), time.monotonic() + timeout
        try:
            drained = native is None or await self._aretire(native, worker, timeout)
            closing = worker.submit(lambda: self.close(max(0.0, end - time.monotonic())))
            return await wait_for(closing, timeout + 1.0) and closing.result() and drained
        finally:
            worker.close()

    async def _aretire(self, handle: Handle, worker: Workers, timeout: float) -> bool:
        """Once its calls have ended, or after ``timeout`` seconds, it is closed in its loop."""
        handle.retire(close=False)
        drained = worker.submit(lambda: handle.closed.wait(timeout))
        await wait_for(drained, timeout + 1.0)
        if isinstance(handle.driver, AsyncRemoteSigner):
            await handle.driver.aclose()
        return handle.closed.is_set()

    def call(self, work: Callable[[RemoteSigner, float], T], turn: Turn) -> T:
        """One call that ends in its time, whatever the SDK does."""
        if self.handle().driver.total_timeout:
            return self._use(work, turn)
        future = self._workers.submit(lambda: self._use(work, turn), first=turn.again)
        while (left := turn.left()) > 0:
            try:
                error = future.exception(left)
            except TimeoutError:
                continue
            if error is not None:
                raise error
            return future.result()
        raise self._abandon(turn, future)

    async def acall(self, work: Callable[[RemoteSigner, float], T], turn: Turn) -> T:
        """As call(), from a coroutine, for a driver that has no native async."""
        import asyncio

        grace = GRACE if self.handle().driver.total_timeout else 0.0
        future = self._workers.submit(lambda: self._use(work, turn), first=turn.again)
        try:
            while (left := turn.left() + grace) > 0:
                if await wait_for(future, left):
                    return future.result()
        except asyncio.CancelledError:
            future.cancel()  # if no thread has taken it up
            raise
        raise self._abandon(turn, future)

    def _use(self, work: Callable[[RemoteSigner, float], T], turn: Turn) -> T:
        turn.before()
        handle = self.handle()
        while not handle.enter():
            handle = self.handle()  # another one by now; SignerClosed, if there is none
        turn.handle = handle
        try:
            return work(handle.driver, turn.begin())
        finally:
            turn.end()
            handle.leave()

    async def acall_native(self, work: Callable[[AsyncRemoteSigner, float], Awaitable[T]], turn: Turn) -> T:
        import asyncio

        gate = self._gates.setdefault(asyncio.get_running_loop(), Gate(self._concurrency))
        await gate.enter(turn)
        try:
            handle = self._loop_handle()
            while not handle.enter():
                handle = self._loop_handle()
            try:
                return await _within(work, handle.driver, turn)
            finally:
                turn.end()
                handle.leave()
        finally:
            gate.leave()

    def _abandon(self, turn: Turn, future: Future[T]) -> ProviderUnavailable:
        handle = turn.handle
        if future.cancel() or handle is None:  # it never started
            return turn.too_late()
        with self._lock:
            if self._handle is handle:
                self._handle = None
        handle.retire()
        return _unanswered(handle.driver)


async def _within(work: Callable[[AsyncRemoteSigner, float], Awaitable[T]], driver: RemoteSigner, turn: Turn) -> T:
    import asyncio

    assert isinstance(driver, AsyncRemoteSigner)  # the Signer looked when it opened
    scope = asyncio.timeout(turn.begin())
    try:
        async with scope:
            return await work(driver, turn.timeout)
    except TimeoutError:
        if not scope.expired():
            raise
    raise _unanswered(driver)


def _is_over(loop: AbstractEventLoop | None) -> bool:
    return loop is None or loop.is_closed()


def _unanswered(driver: RemoteSigner) -> ProviderUnavailable:
    return ProviderUnavailable(f"{driver.endpoint} did not answer in time", reason=TIMEOUT, answered=False)
