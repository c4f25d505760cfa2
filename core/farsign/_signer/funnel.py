"""One operation: its deadline, its attempts, and what each kind of failure means for the next one.

Every wire call of farsign goes through here, so that no backend retries, sleeps or counts. The arithmetic is RULES 17-19.
"""

from __future__ import annotations

import math
import random
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from farsign._base.clock import Clock
from farsign._base.policy import Policy, ends_at
from farsign.driver import Failure, RemoteSigner
from farsign.errors import (
    BackendBroken,
    CredentialsExpired,
    DeadlineExceeded,
    FarsignError,
    IntegrityFailure,
    KeyDeleted,
    KeyDisabled,
    KeyNotFound,
    KeyUnavailable,
    PermissionDenied,
    ProviderError,
    ProviderUnavailable,
    Throttled,
    VendorError,
)

from .turns import BUSY

if TYPE_CHECKING:
    from .legs import Leg

LEAST: Final = 0.05  # seconds below which no attempt starts
LEAST_ATTEMPT: Final = 0.5  # an attempt gets this much, if that is left
TIMEOUT: Final = "timeout"  # the reason of an attempt that was ended from outside
MISMATCHES: Final = 3  # wrong signatures, versions or checksums in one operation that are a verdict


@dataclass(frozen=True, slots=True)
class Retry:
    base: float  # seconds; doubled each time, with full jitter
    cap: float
    most: int = 99  # times in one operation


# What is not here is not tried again.
RETRIES: Final[Mapping[type[ProviderError], Retry]] = MappingProxyType(
    {
        Throttled: Retry(0.25, 2.0),
        ProviderUnavailable: Retry(0.025, 1.0),
        KeyUnavailable: Retry(0.025, 1.0),
        CredentialsExpired: Retry(0.0, 0.0, most=1),  # after one refresh
        KeyNotFound: Retry(0.1, 0.1, most=1),  # eventual consistency: the answer counts when confirmed
        IntegrityFailure: Retry(0.0, 0.0, most=MISMATCHES - 1),
    }
)


# A key elsewhere may still sign: another leg is tried at once, where there is one.
ELSEWHERE: Final = (Throttled, ProviderUnavailable, KeyUnavailable, KeyNotFound, KeyDisabled, KeyDeleted, IntegrityFailure)
DEFINITE: Final = (KeyNotFound, KeyDisabled, KeyDeleted)


def least(median: float) -> float:
    """The seconds below which no attempt starts at an endpoint that usually takes ``median`` (RULES 18)."""
    return max(LEAST, 2 * median)


class Operation:
    """One call by a user, from its first attempt to its answer. Attempts, refreshes and rebuilds share its counters."""

    __slots__ = (
        "_failures",
        "_left",
        "_mismatches",
        "_policy",
        "_started",
        "attempts",
        "clock",
        "deadline",
        "last",
        "tried",
    )

    def __init__(self, policy: Policy, clock: Clock, timeout: float | None = None) -> None:
        self.clock, self._policy = clock, policy
        self._started = clock.monotonic()
        self.deadline = ends_at(timeout, policy, clock)
        self._left = policy.attempts
        self._mismatches = 0
        self._failures: Counter[type[ProviderError]] = Counter()
        self.attempts = 0
        self.last: ProviderError | None = None
        self.tried: Sequence[Leg] = ()  # where an attempt failed that may go better elsewhere; the last one last

    def remaining(self) -> float:
        return self.deadline - self.clock.monotonic()

    def begin(self, median: float = 0.0) -> float:
        """The seconds that the next attempt gets. Raises DeadlineExceeded, or what the last attempt said if none is left.

        median: seconds that an attempt at this endpoint usually takes; with less than twice that left no other than the first is
        started. That one is, because an endpoint that was slow for a while has to be able to show that it no longer is.
        """
        remaining = self.remaining()
        if remaining < (least(median) if self.attempts else LEAST):
            raise self.expired()
        if self._left <= 0 and self.last is not None:
            raise self.last
        self._left -= 1
        self.attempts += 1
        return min(self._policy.attempt_timeout, max(remaining / 2, min(LEAST_ATTEMPT, remaining)))

    def failed(self, error: ProviderError, *, elsewhere: bool = False) -> float:
        """The seconds to wait before the next attempt. Raises the error itself where there should be none.

        elsewhere: the next attempt is another place's first, so nothing has to be waited for.
        """
        if error.reason == BUSY and self.last is not None:  # it never started; what the one before said tells more
            raise self._summed_up(self.last)
        kind = type(error)
        rule = RETRIES.get(kind)
        self.last, count = error, self._failures[kind]
        self._failures[kind] += 1
        if elsewhere and self._left > 0:
            return 0.0
        if rule is None or count >= rule.most or self._left <= 0:
            raise self._summed_up(error)
        remaining = self.remaining()
        wait = random.uniform(0.0, min(rule.cap, rule.base * 2**count, remaining / 2))  # noqa: S311 - jitter, not a secret
        if error.retry_after is not None:
            wait = max(wait, error.retry_after)
        if wait + LEAST > remaining:
            if error.reason == TIMEOUT:
                raise self.expired()
            error.retry_after = max(error.retry_after or 0.0, rule.cap)
            raise self._summed_up(error)
        return wait

    def mismatch(self, what: str) -> None:
        """Count a reply that is not what was asked for. Raises IntegrityFailure at the third."""
        self._mismatches += 1
        if self._mismatches >= MISMATCHES:
            raise IntegrityFailure(f"{what}, {self._mismatches} times in a row")

    def expired(self) -> DeadlineExceeded:
        tried = f"; the last attempt said: {self.last}" if self.last else ""
        error = DeadlineExceeded(f"no answer within {max(0.0, self.deadline - self._started):.3g} s{tried}")
        error.__cause__ = self.last
        return error

    def _summed_up(self, error: ProviderError) -> ProviderError:
        if self.attempts > 1 and not isinstance(error, DEFINITE):  # there is no hope in more of them
            seconds = self.clock.monotonic() - self._started
            error.args = (f"{error}; {self.attempts} attempts in {seconds:.2g} s",)
        return error


_VERBS: Final[Mapping[type[ProviderError], str]] = MappingProxyType(
    {Throttled: "throttled", PermissionDenied: "refused", ProviderUnavailable: "did not answer"}
)


def translate(error: Exception, driver: RemoteSigner, *, operation: str, subject: str) -> FarsignError:
    """Our error for what an SDK raised, with a cause that holds nothing of the request or the reply."""
    name, endpoint, failure = _qualified(error), driver.endpoint, _classified(driver, error)
    if isinstance(failure, str):
        where = "".join(
            f"\n  {frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        )
        broken = BackendBroken(f"{endpoint}: {operation} raised {name}, {failure}")
        broken.__cause__ = VendorError(name + where)
        return broken
    verb = _VERBS.get(failure.error, f"answered {failure.error.code!r} to")
    request = f" (request {failure.request_id})" if failure.request_id else ""
    message = failure.message or f"{endpoint} {verb} {operation} of {subject}"
    ours = failure.error(
        message + request,
        next_step=failure.next_step or _allow(failure),
        retry_after=_seconds(failure.retry_after),
        request_id=failure.request_id,
        reason=failure.reason,
    )
    if isinstance(ours, ProviderUnavailable):
        ours.answered = failure.answered
    ours.__cause__ = VendorError(f"{name}: {failure.reason}" if failure.reason else name)
    return ours


def _classified(driver: RemoteSigner, error: Exception) -> Failure | str:
    """What the driver says of it, or what is wrong with the driver."""
    try:
        failure = driver.classify(error)
    except Exception as bug:  # told by its name, for it may quote the other one
        return f"and its classify() raised {_qualified(bug)}"
    if failure is None:
        return "which the backend does not know"
    sound = isinstance(failure, Failure) and isinstance(failure.error, type) and issubclass(failure.error, ProviderError)
    return failure if sound else "and its classify() returned no Failure of a ProviderError"


def _qualified(error: Exception) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _seconds(value: object) -> float | None:
    """Of a Retry-After, if it is one; a day at most."""
    return min(float(value), 86_400.0) if isinstance(value, (int, float)) and 0 <= value < math.inf else None


def _allow(failure: Failure) -> str | None:
    return f"allow {failure.permission}" if failure.permission else None
