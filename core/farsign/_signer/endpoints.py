"""What a process knows of each endpoint: how much retrying it bears (RULES 19), whether it answers at all (20), how fast (18).

Kept per endpoint and process, because throttling and outages are the endpoint's, not a key's.
"""

from __future__ import annotations

import math
import random
import threading
from collections import deque
from statistics import median_high
from typing import Final
from weakref import WeakKeyDictionary

from farsign._base import fork
from farsign._base.clock import Clock
from farsign.errors import DeadlineExceeded, FarsignError, ProviderError, ProviderUnavailable

CAPACITY: Final = 100.0  # retries; a forked child starts with fewer, for its siblings retry too
CHILD: Final = 10.0
REFILL: Final = 0.3  # per success: sustains 23 % of faults and adds 1 % to a full outage
WINDOW: Final = 10.0  # seconds
LEAST: Final = 20  # attempts in the window before their ratio counts
RATIO: Final = 0.5
RUN: Final = 5  # attempts in a row that nobody answered, begun since the last answer
WARM: Final = 5  # answers before their median is relied on: the very first waits for imports and connections
PROBE: Final = 5.0  # seconds between single attempts while open
TOLD: Final = 60.0  # seconds between two lines in the log about throttling


class Endpoint:
    """Retry budget, circuit breaker and median latency of one endpoint. All methods may be called from any thread."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.budget = CAPACITY
        self._fresh()

    def _fresh(self) -> None:
        self._lock = threading.Lock()
        self._attempts: deque[tuple[float, bool]] = deque()  # (when, failed)
        self._failures = self._run = 0
        self._answered_at = self._told = -math.inf
        self._probe_at: float | None = None  # not None: open
        self._first: list[float] = []  # seconds, of the answers up to WARM
        self.estimate = 0.0  # seconds that a successful attempt takes at the median; moves 5 % a step

    def after_fork(self) -> None:
        self._fresh()
        self.budget = CHILD

    @property
    def open(self) -> bool:
        return self._probe_at is not None

    @property
    def median(self) -> float:
        """As the estimate, once it may be relied on; until then 0."""
        return self.estimate if len(self._first) == WARM else 0.0

    def allows(self, now: float) -> bool:
        """Whether an attempt may start. While the breaker is open: one every PROBE seconds, jittered."""
        if self._probe_at is None:
            return True
        with self._lock:
            if self._probe_at is None:
                return True
            if now < self._probe_at:
                return False
            self._probe_at = now + PROBE * random.uniform(0.8, 1.0)  # noqa: S311 - jitter
            return True

    def probe_in(self, now: float) -> float:
        return max(0.0, (self._probe_at or now) - now)

    def pay(self) -> bool:
        """Take one retry from the budget, if there is one."""
        with self._lock:
            if self.budget < 1.0:
                return False
            self.budget -= 1.0
            return True

    def succeeded(self, now: float, seconds: float) -> bool:
        """True: the breaker was open and has closed."""
        with self._lock:
            self.budget = min(CAPACITY, self.budget + REFILL)
            self._learn(seconds)
            return self._answered(now)

    def failed(self, now: float, error: FarsignError, *, started: float) -> bool:
        """True: the breaker opened or closed. Only what says "the endpoint is not well" counts against it.

        started: when the attempt began. Others may have been answered since: then its silence is no sign of an outage.
        """
        if isinstance(error, ProviderUnavailable):
            with self._lock:
                return error.counts and self._refused(now, error.answered, started)
        if isinstance(error, ProviderError) and not isinstance(error, DeadlineExceeded):
            with self._lock:
                return self._answered(now)
        return False

    def news_of_throttling(self, now: float) -> bool:
        """Whether the log should say so: it comes by the hundred."""
        with self._lock:
            news = now >= self._told + TOLD
            if news:
                self._told = now
            return news

    def _learn(self, seconds: float) -> None:
        if len(self._first) < WARM:
            self._first.append(seconds)
            self.estimate = median_high(self._first)
        else:
            self.estimate *= 1.05 if seconds > self.estimate else 0.95

    def _answered(self, now: float) -> bool:
        self._count(now, failed=False)
        self._run, self._answered_at = 0, now
        was_open, self._probe_at = self._probe_at is not None, None
        if was_open:
            self._attempts.clear()
            self._failures = 0
        return was_open

    def _refused(self, now: float, answered: bool, started: float) -> bool:
        self._count(now, failed=True)
        if answered:
            self._run = 0
        elif started >= self._answered_at:
            self._run += 1
        many = len(self._attempts) >= LEAST and self._failures >= RATIO * len(self._attempts)
        if self._probe_at is None and (many or self._run >= RUN):
            self._probe_at = now + PROBE * random.uniform(0.8, 1.0)  # noqa: S311 - jitter
            return True
        return False

    def _count(self, now: float, *, failed: bool) -> None:
        attempts = self._attempts
        attempts.append((now, failed))
        self._failures += failed
        while attempts and (attempts[0][0] < now - WINDOW or len(attempts) > 10_000):
            self._failures -= attempts.popleft()[1]


class _Registry:
    """Endpoints by name; by clock too, so that a test's fake time does not meet real time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: WeakKeyDictionary[Clock, dict[str, Endpoint]] = WeakKeyDictionary()
        fork.register(self)

    def get(self, name: str, clock: Clock) -> Endpoint:
        with self._lock:
            return self._known.setdefault(clock, {}).setdefault(name, Endpoint(name))

    def forget(self, part: str) -> None:
        """Endpoints with that in their names start afresh for signers that are opened from now on."""
        with self._lock:
            for endpoints in self._known.values():
                for name in [name for name in endpoints if part in name]:
                    del endpoints[name]

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        for endpoints in list(self._known.values()):
            for endpoint in endpoints.values():
                endpoint.after_fork()


_registry = _Registry()
endpoint, forget = _registry.get, _registry.forget
