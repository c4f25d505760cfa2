"""Attempts: work on a driver, again and elsewhere as the funnel allows, with what went wrong told to observers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, NamedTuple, NoReturn, TypeVar

from farsign._base import events
from farsign._base.clock import Clock
from farsign._base.policy import Policy
from farsign._base.workers import wait_for
from farsign.driver import CredentialRefresher, RemoteSigner
from farsign.errors import (
    BackendBroken,
    CredentialsExpired,
    FarsignError,
    KeyMismatch,
    ProviderError,
    ProviderUnavailable,
    SignerClosed,
    Throttled,
)

from .funnel import DEFINITE, ELSEWHERE, Operation, least, translate
from .legs import Leg, Route, tell_breaker
from .turns import Turn

BRIEF: Final = 0.05  # seconds of backoff that pass on the worker's thread: twice through an event loop that is busy takes longer
TELLING: Final = 5.0  # times the median that an attempt has to wait in vain before that counts against its endpoint
T = TypeVar("T")
Work = Callable[[RemoteSigner, float], T]


class Try(NamedTuple):
    """One attempt: where, in what time, since when (the clock's monotonic seconds)."""

    leg: Leg
    turn: Turn
    started: float


class Attempts:
    """Runs work on a Signer's legs. All methods raise FarsignError only."""

    def __init__(self, legs: Sequence[Leg], policy: Policy, clock: Clock) -> None:
        self.policy, self.clock = policy, clock
        self.route = Route(legs, clock)
        self._threaded = not any(leg.drivers.native_async for leg in legs)

    def call(
        self,
        operation: Operation,
        what: str,
        prepare: Callable[[Leg], Work[T]],
        only: Sequence[Leg],
        algorithm: str = "",
        *,
        again: bool = True,
    ) -> T:
        """What the work brings. prepare: makes it for the leg that is to do it. only: on those legs. again: retry as the funnel allows."""
        while True:
            attempt, failed = self._begin(operation, only), list[Exception]()
            try:
                result = attempt.leg.drivers.call(prepare(attempt.leg), attempt.turn)
            except Exception as error:
                failed.append(error)  # judged outside the handler, and kept by no frame: it may hold a token (RULES 16)
            else:
                self._succeeded(attempt, what, algorithm)
                return result
            ours = self._failed(failed.pop(), attempt, what, algorithm)
            if not again:
                raise ours
            if wait := self._after(ours, attempt, what, operation, only):
                self.clock.sleep(wait)

    async def acall(self, operation: Operation, what: str, attempted: Callable[[Try], Awaitable[T]], algorithm: str = "") -> T:
        """As ``call``, from a coroutine."""
        pause = 0.0
        while True:
            attempt, failed = self._begin(operation, (), pause), list[Exception]()
            try:
                result = await attempted(attempt)
            except Exception as error:
                failed.append(error)  # as above
            else:
                self._succeeded(attempt, what, algorithm)
                return result
            ours = self._failed(failed.pop(), attempt, what, algorithm)
            wait = await self._aafter(ours, attempt, what, operation)
            pause = wait if self._threaded and wait <= BRIEF else 0.0
            if wait > pause:
                await self.clock.asleep(wait)

    async def aside(self, operation: Operation, work: Callable[[], T]) -> T:
        """Blocking work of the rare kind, from a coroutine."""
        future = self.route.legs[0].drivers.aside.submit(work)
        if not await wait_for(future, max(0.0, operation.remaining())):
            raise operation.expired()
        return future.result()

    def _begin(self, operation: Operation, only: Sequence[Leg], pause: float = 0.0) -> Try:
        leg = only[0] if only else self.route.pick(operation)
        median = leg.endpoint.median
        timeout = operation.begin(median)
        turn = Turn(timeout, operation.remaining(), least=least(median), again=operation.attempts > 1)
        if pause:
            turn.before = partial(self.clock.sleep, pause)
        return Try(leg, turn, self.clock.monotonic())

    def _succeeded(self, attempt: Try, what: str, algorithm: str) -> None:
        closed = attempt.leg.endpoint.succeeded(self.clock.monotonic(), attempt.turn.took)
        tell_breaker(attempt.leg, closed, None)
        self._tell(attempt, what, algorithm, "ok")

    def _failed(self, error: Exception, attempt: Try, what: str, algorithm: str) -> FarsignError:
        ours = self._ours(error, attempt.leg, what)
        if isinstance(ours, ProviderError):
            if ours.endpoint:  # an attempt within this one, told already
                return ours
            ours.endpoint = attempt.leg.endpoint.name
        if isinstance(ours, ProviderUnavailable) and not ours.answered and self._was_cut_short(attempt):
            ours.counts = False
        tell_breaker(attempt.leg, attempt.leg.endpoint.failed(self.clock.monotonic(), ours, started=attempt.started), ours)
        self._tell(attempt, what, algorithm, ours.code)
        if isinstance(ours, Throttled):
            self._tell_throttling(attempt.leg, ours)
        return ours

    def _tell_throttling(self, leg: Leg, error: Throttled) -> None:
        if leg.endpoint.news_of_throttling(self.clock.monotonic()):
            events.logger.warning("%s: throttled", leg.endpoint.name)
        if events.observed():
            events.emit(events.Throttling(leg.endpoint.name, leg.name, error.retry_after))

    def _was_cut_short(self, attempt: Try) -> bool:
        """A caller in a hurry, or one that waited for a thread, says little about the endpoint: others must not pay for it (RULES 20)."""
        granted = attempt.turn.timeout
        return attempt.turn.took > 0.9 * granted and granted < min(
            self.policy.attempt_timeout, TELLING * attempt.leg.endpoint.estimate
        )

    def _ours(self, error: Exception, leg: Leg, what: str) -> FarsignError:
        if isinstance(error, FarsignError):
            return error
        try:
            driver = leg.drivers.handle().driver
        except SignerClosed as closed:
            return closed.with_traceback(None)  # its frames hold the SDK's error
        return translate(error, driver, operation=what, subject=leg.name)

    def _after(self, error: FarsignError, attempt: Try, what: str, operation: Operation, only: Sequence[Leg] = ()) -> float:
        """What to do about it: the seconds to wait, after a refresh of credentials where that helps; or raise."""
        if isinstance(error, KeyMismatch) and not only and self.route.rest(attempt.leg):
            events.logger.error("%s", error)
            return 0.0
        elsewhere = not only and isinstance(error, ELSEWHERE) and self.route.failed(attempt.leg, operation)
        if elsewhere and isinstance(error, DEFINITE):
            self.route.rest(attempt.leg)
        if not isinstance(error, ProviderError):
            self._give_up(error, operation)
        wait = operation.failed(error, elsewhere=elsewhere)
        if not elsewhere and not self.route.pay(attempt.leg, operation):
            raise error
        if isinstance(error, CredentialsExpired):
            self._refresh(error, attempt.leg, operation)
        if events.observed():
            events.emit(events.Retrying(attempt.leg.endpoint.name, attempt.leg.name, what, error.code, wait))
        return wait

    def _give_up(self, error: FarsignError, operation: Operation) -> NoReturn:
        """A leg that turns out to hold another key must not hide why the first one failed."""
        if isinstance(error, KeyMismatch) and operation.last is not None:
            raise operation.last from error
        raise error

    async def _aafter(self, error: FarsignError, attempt: Try, what: str, operation: Operation) -> float:
        if isinstance(error, CredentialsExpired):  # the refresh is I/O
            return await self.aside(operation, lambda: self._after(error, attempt, what, operation))
        return self._after(error, attempt, what, operation)

    def _refresh(self, error: CredentialsExpired, leg: Leg, operation: Operation) -> None:
        if not isinstance(leg.drivers.handle().driver, CredentialRefresher):
            raise error
        left, failed = max(0.05, operation.remaining()), list[Exception]()
        try:
            fetched = leg.drivers.call(_refresh, Turn(left, left, again=True))
        except Exception as failure:
            failed.append(failure)
        else:
            if fetched:
                events.emit(events.CredentialsRefreshed(leg.endpoint.name, leg.name))
            return
        raise self._ours(failed.pop(), leg, "refresh of credentials")

    def _tell(self, attempt: Try, what: str, algorithm: str, outcome: str) -> None:
        if events.observed():
            leg, seconds = attempt.leg, attempt.turn.took
            events.emit(events.Attempt(leg.endpoint.name, leg.name, what, algorithm, outcome, seconds))


def _refresh(driver: RemoteSigner, timeout: float) -> bool:
    if not isinstance(driver, CredentialRefresher):
        raise BackendBroken(f"{driver.endpoint}: two instances of one driver differ in their powers")
    return driver.refresh_credentials(timeout=timeout)
