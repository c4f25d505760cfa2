"""Driver instances: one per process and, where a driver is natively async, one per event loop; and single calls on them.

An instance is closed when it has been retired and its last call has ended. A call that outlives its attempt is abandoned: it keeps
its worker thread and its instance, and the next call gets a new instance.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from farsign._base import fork
from farsign._base.workers import Workers, wait_for
from farsign.driver import AsyncRemoteSigner, RemoteSigner
from farsign.errors import ProviderUnavailable, SignerClosed

from .funnel import TIMEOUT

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

T = TypeVar("T")
Opener = Callable[[], RemoteSigner]


class Handle:
    """A driver and the number of calls on it."""

    def __init__(self, driver: RemoteSigner) -> None:
        self.driver = driver
        self.closed = threading.Event()
        self._lock = threading.Lock()
        self._calls = 0
        self._retired = False

    def __enter__(self) -> RemoteSigner:
        with self._lock:
            if self._retired:  # replaced a moment ago: the next attempt gets the new one
                raise ProviderUnavailable(
                    f"{self.driver.endpoint}: the client is being replaced", reason="replaced", counts=False
                )
            self._calls += 1
        return self.driver

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._calls -= 1
            last = self._retired and not self._calls
        if last:
            self._close()

    def retire(self) -> None:
        with self._lock:
            already, self._retired = self._retired, True
            idle = not self._calls
        if idle and not already:
            self._close()

    def _close(self) -> None:
        try:
            self.driver.close()
        finally:
            self.closed.set()


class Drivers:
    """Opens, shares and replaces the instances of one Signer."""

    def __init__(self, opener: Opener, concurrency: int) -> None:
        self._opener, self._concurrency = opener, concurrency
        self._closed = False
        self._start_afresh()
        self._handle: Handle | None = Handle(opener())  # now: a missing SDK shows when the signer is opened
        self.native_async = isinstance(self._handle.driver, AsyncRemoteSigner)
        fork.register(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._handle = None
        self._loops: MutableMapping[AbstractEventLoop, Handle] = WeakKeyDictionary()
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
                self._handle = Handle(self._opener())
            return self._handle

    def _loop_handle(self) -> Handle:
        import asyncio

        loop = asyncio.get_running_loop()
        with self._lock:
            self._refuse_closed()
            if loop not in self._loops:
                self._loops[loop] = Handle(self._opener())
            return self._loops[loop]

    def _refuse_closed(self) -> None:
        if self._closed:
            raise SignerClosed("this signer is closed")

    def close(self, timeout: float) -> bool:
        """No new calls; wait for those under way. False: some were still running after ``timeout`` seconds."""
        with self._lock:
            self._closed = True
            handles = [handle for handle in (self._handle, *self._loops.values()) if handle]
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
            native = self._loops.pop(asyncio.get_running_loop(), None)
        if native is not None and isinstance(native.driver, AsyncRemoteSigner):
            await native.driver.aclose()
        worker = Workers(1, "farsign-close")
        closing = worker.submit(lambda: self.close(timeout))
        worker.close()
        return await wait_for(closing, timeout + 1.0) and closing.result()

    def call(self, work: Callable[[RemoteSigner, float], T], timeout: float) -> T:
        """One call that ends within ``timeout`` seconds, whatever the SDK does."""
        handle = self.handle()
        if handle.driver.total_timeout:
            with handle as driver:
                return work(driver, timeout)
        future = self._workers.submit(lambda: _use(handle, work, timeout))
        try:
            error = future.exception(timeout)
        except TimeoutError:
            raise self._abandon(handle, future) from None
        if error is not None:
            raise error
        return future.result()

    async def acall(self, work: Callable[[RemoteSigner, float], T], timeout: float) -> T:
        """As call(), from a coroutine, for a driver that has no native async."""
        handle = self.handle()
        future = self._workers.submit(lambda: _use(handle, work, timeout))
        if not await wait_for(future, timeout):
            raise self._abandon(handle, future)
        return future.result()

    async def acall_native(self, work: Callable[[AsyncRemoteSigner, float], Awaitable[T]], timeout: float) -> T:
        import asyncio

        with self._loop_handle() as driver:
            assert isinstance(driver, AsyncRemoteSigner)  # the Signer looked when it opened
            scope = asyncio.timeout(timeout)
            try:
                async with scope:
                    return await work(driver, timeout)
            except TimeoutError:
                if not scope.expired():
                    raise
        raise ProviderUnavailable(f"{driver.endpoint} did not answer within {timeout:.3g} s", reason=TIMEOUT, answered=False)

    def _abandon(self, handle: Handle, future: Future[T]) -> ProviderUnavailable:
        endpoint = handle.driver.endpoint
        if future.cancel():  # it never started
            return ProviderUnavailable(
                f"{endpoint}: all {self._concurrency} calls are waiting for an answer", reason="concurrency", counts=False
            )
        with self._lock:
            if self._handle is handle:
                self._handle = None
        handle.retire()
        return ProviderUnavailable(f"{endpoint} did not answer in time", reason=TIMEOUT, answered=False)


def _use(handle: Handle, work: Callable[[RemoteSigner, float], T], timeout: float) -> T:
    with handle as driver:
        return work(driver, timeout)
