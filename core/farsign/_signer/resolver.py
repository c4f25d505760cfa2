"""What a Signer's name means now, and until when that may be believed. One look-up at a time, on a thread of its own."""

from __future__ import annotations

import copy
import math
import random
import threading
from concurrent.futures import Future
from typing import Final, NamedTuple

from farsign._base import events, fork
from farsign._base.workers import Workers, wait_for
from farsign.errors import (
    ConfigurationError,
    CredentialsNotFound,
    DeadlineExceeded,
    FarsignError,
    KeyMismatch,
    KeyMisuse,
    KeyNotPublished,
    PermissionDenied,
    ProviderError,
    SignerClosed,
)

from . import versions
from .calls import Calls
from .funnel import DEFINITE, ELSEWHERE, LEAST, Operation
from .legs import Leg
from .signing_key import SigningKey
from .versions import State

AGAIN: Final = 30.0  # seconds until a look-up that failed in the background is tried again
CERTAIN: Final = (*DEFINITE, PermissionDenied, CredentialsNotFound, KeyMisuse, ConfigurationError)
AGAIN_GONE: Final = 5.0  # the same, while the current version is gone
REFUSED: Final = 1.0  # seconds for which a definite "no" to the very first look-up answers others too


class Flight(NamedTuple):
    """A look-up under way, and when it gives up (the clock's monotonic seconds)."""

    future: Future[None]
    ends: float


class Resolver:
    """``state`` is replaced whole, so reading it takes no lock."""

    def __init__(self, calls: Calls, *, certain: bool) -> None:
        """certain: a description of another key than the one that is meant is refused, whoever gives it."""
        self._calls, self._certain = calls, certain
        self._policy, self._clock = calls.policy, calls.clock
        self.closed = False
        self.state: State | None = None
        self._asking: Operation | None = None  # the look-up under way
        self._refusal: FarsignError = SignerClosed("")
        self._refused_until = -math.inf
        self._start_afresh()
        fork.register(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._flight: Future[None] | None = None
        self._ends = 0.0  # when it gives up
        self._fetcher = Workers(1, "farsign-fetch")

    def after_fork(self) -> None:
        """In the child: what is known stays, what runs is replaced."""
        self._start_afresh()

    # -- asking -----------------------------------------------------------------------------------------------------------

    def look(self, operation: Operation) -> SigningKey:
        state = self.state
        if state is not None and self._clock.monotonic() < state.wake:
            return state.current
        asked = False
        while (found := self._served(asked=asked)) is None:
            asked = self._landed(self.fetch(operation.remaining()), operation)
        return found

    async def alook(self, operation: Operation) -> SigningKey:
        state = self.state
        if state is not None and self._clock.monotonic() < state.wake:
            return state.current
        asked = False
        while (found := self._served(asked=asked)) is None:
            flight = self.fetch(operation.remaining())
            await wait_for(flight.future, max(0.0, operation.remaining()))
            asked = self._landed(flight, operation)
        return found

    def _landed(self, flight: Flight, operation: Operation) -> bool:
        """True: it brought an answer. False: it was started by somebody with less time; ask again."""
        try:
            failure = flight.future.exception(max(0.0, operation.remaining()))
        except TimeoutError:
            raise self._too_late(operation) from None
        if isinstance(failure, DeadlineExceeded) and flight.ends + LEAST < operation.deadline:
            return False
        if failure is not None:
            raise copy.copy(failure)  # each waiter its own: tracebacks grow on the instance that is raised
        return True

    def _too_late(self, operation: Operation) -> DeadlineExceeded:
        """The look-up goes on for others; what it has met so far is the reason."""
        operation.last = operation.last or (self._asking.last if self._asking else None)
        return operation.expired()

    def _served(self, *, asked: bool) -> SigningKey | None:
        """What may sign now; looks ahead in the background when it is time. None: ask first. asked: that was just done."""
        if self.closed:
            raise SignerClosed(f"{self._calls.name} is closed")
        now = self._clock.monotonic()
        with self._lock:
            before = self.state
            if before is None and now < self._refused_until:
                raise copy.copy(self._refusal)
            if before is None or (now >= before.looked_up + self._policy.stale and not asked):
                return None
            state = self.state = versions.advance(before, now, self._policy)
        if state.current is not before.current:
            self._switched(before.current, state.current)
        if now >= state.next_look:
            self.fetch()
        if state.gone:
            raise self._not_published(state, now) if state.pending else copy.copy(state.gone)
        return state.current

    def invalidate(self) -> None:
        with self._lock:
            self._refused_until = -math.inf
            if self.state:
                self.state = versions.stale(self.state)

    def lost(self, key: SigningKey, error: ProviderError, operation: Operation) -> None:
        """That version is no more. Asks what the name means by now, within the operation's deadline."""
        with self._lock:
            if self.state is None or not self.state.current.same_version(key):
                return
            self.state = versions.lost(self.state, error, self._policy)
        try:
            self.fetch(operation.remaining()).future.exception(max(0.0, operation.remaining()))
        except TimeoutError:
            raise operation.expired() from None

    def close(self) -> None:
        self.closed, self.state = True, None
        self._fetcher.close()

    # -- the look-up ------------------------------------------------------------------------------------------------------

    def fetch(self, seconds: float = 0.0) -> Flight:
        """The look-up under way, or a new one that takes as long as the policy's timeout, or as its first caller waits if that is
        longer. No caller's end is its end."""
        with self._lock:
            if self._flight is None or self._flight.done():
                seconds = max(seconds, self._policy.timeout)
                if self.state:
                    again = self._clock.monotonic() + (AGAIN_GONE if self.state.gone else AGAIN)
                    self.state = versions.looking(self.state, again, self._policy)
                self._ends = self._clock.monotonic() + seconds
                self._flight = self._fetcher.submit(lambda: self._resolve(seconds))
            return Flight(self._flight, self._ends)

    def _resolve(self, seconds: float) -> None:
        try:
            self._ask(seconds)
        except FarsignError as error:
            self._unknown(error)
            raise

    def _unknown(self, error: FarsignError) -> None:
        with self._lock:
            known = self.state is not None
            if self.state and isinstance(error, DEFINITE):  # an answer: signing with that version stops at once
                self.state = versions.lost(self.state, error, self._policy)
            elif not known and isinstance(error, CERTAIN):
                self._refusal, self._refused_until = error, self._clock.monotonic() + REFUSED
        if known and not isinstance(error, DEFINITE):  # a wrong thumbprint or an unfit new key as well
            events.logger.warning("%s: no look-up (%s); the known version goes on signing", self._calls.name, error.code)
            events.emit(events.StaleKey(self._calls.endpoint, self._calls.name, error.code))

    def _ask(self, seconds: float) -> None:
        """The first place that answers decides; those whose breaker is open come last. If none does, it is as the most preferred says."""
        legs, failures = self._legs(), dict[Leg, FarsignError]()
        for leg in sorted(legs, key=lambda leg: leg.endpoint.open):
            try:
                return self._ask_at(leg, self._budget(seconds / len(legs)))
            except (*ELSEWHERE, DeadlineExceeded, KeyMismatch) as error:
                if leg.home and isinstance(error, KeyMismatch):
                    raise
                failures[leg] = error
                if len(legs) > 1:
                    events.logger.warning("%s: no look-up at %s (%s)", leg.name, leg.endpoint.name, error.code)
        if len(legs) < len(self._calls.legs):
            events.logger.warning("%s: with thumbprint= in the URI its failovers could be asked at the start", self._calls.name)
        raise failures[legs[0]]

    def _legs(self) -> list[Leg]:
        """Those that can say what the name means. A failover can only if it is known which key that has to be (RULES 36)."""
        if self.state or self._certain:
            return list(self._calls.legs)
        return [leg for leg in self._calls.legs if leg.home]

    def _budget(self, seconds: float) -> Operation:
        self._asking = self._calls.operation(seconds)
        return self._asking

    def _ask_at(self, leg: Leg, operation: Operation) -> None:
        listing = self._calls.listing(leg, operation)
        if self.state is not None or not listing:
            key = self._calls.described(listing[0][0] if listing else None, leg, operation)
            self._refuse_strange(key)
            self._record(key)
            return
        wall = self._clock.time()
        chosen = versions.choose(listing, wall, self._policy)
        self._record(self._calls.described(listing[chosen][0], leg, operation))
        if chosen:
            self._record(self._calls.described(listing[0][0], leg, operation))
        for version, age in versions.recently_retired(listing, chosen, wall, self._policy):
            old = self._calls.described(version, leg, operation)
            with self._lock:
                if self.state:
                    self.state = versions.with_retired(self.state, old, self._clock.monotonic() - age)

    def _refuse_strange(self, key: SigningKey) -> None:
        if key.leg.home or self.state is None or any(key.spki == known.spki for known in self.state.published()):
            return
        raise KeyMismatch(
            f"{key.leg.endpoint.name} shows another public key than {self._calls.name} is known by; it stays so",
            next_step="fail over only between replicas of one key; for different keys use an issuer with several URIs",
        )

    def _record(self, key: SigningKey) -> None:
        now, policy = self._clock.monotonic(), self._policy
        next_look = math.inf if key.pinned else now + policy.recheck * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
        with self._lock:
            before = self.state
            if before is None:
                self.state = versions.first(key, now, policy, next_look)
                return
            state = self.state = versions.saw(before, key, now, policy, next_look)
        if state.pending and (before.pending is None or before.pending.key is not state.pending.key):
            lead = max(0.0, versions.ripe_at(state, policy) - now)
            events.logger.warning("%s: a new version, kid %s, is pending; it signs in %.0f s", self._calls.name, key.kid, lead)
            events.emit(events.KeyPending(self._calls.endpoint, self._calls.name, key.kid, lead))

    def _switched(self, old: SigningKey, new: SigningKey) -> None:
        events.logger.info("%s: key changed, kid %s signs instead of %s", self._calls.name, new.kid, old.kid)
        events.emit(events.KeySwitched(self._calls.endpoint, self._calls.name, new.kid, old.kid))

    def _not_published(self, state: State, now: float) -> KeyNotPublished:
        why = state.gone.code if state.gone else ""
        return KeyNotPublished(
            f"{self._calls.name}: the version that verifiers know is gone ({why}), and they may not know the new one yet",
            retry_after=max(0.0, versions.ripe_at(state, self._policy) - now),
        )
