"""The places that hold one key: the URI's own, and those to fail over to. Each has its drivers and its endpoint's state.

A leg other than the one that described a key may sign for it only after it has shown the same public key (RULES 36).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from farsign._base import events, fork
from farsign._base.clock import Clock
from farsign.errors import FarsignError, ProviderUnavailable

from . import endpoints
from .drivers import Drivers
from .funnel import Operation

if TYPE_CHECKING:
    from .signing_key import SigningKey

REST: Final = 30.0  # seconds for which a leg that gave a definite "no" is passed over
PLACES: Final = 2  # that one operation may ask
LATELY: Final = 5.0  # seconds for which a leg that failed is not the first to fail over to
HOLD, LONGEST_HOLD = 10.0, 300.0  # seconds before a place that has failed again is gone back to; doubled each time
STEADY: Final = 600.0  # seconds without a switch after which that is forgotten


class Leg:
    """One place. ``name`` is the Signer's URI; home: that URI means it, so that what it describes is the key."""

    def __init__(self, drivers: Drivers, name: str, clock: Clock) -> None:
        self.drivers, self.name, self.home = drivers, name, False
        self.endpoint = endpoints.endpoint(drivers.handle().driver.endpoint, clock)
        self.rests_until = 0.0
        self.failed_at = -math.inf
        self.keys: dict[bytes, SigningKey] = {}  # public key -> this leg's version of it, proved
        self.signed: set[bytes] = set()  # public keys by which it was seen to sign
        self.after_fork()
        fork.register(self)

    def after_fork(self) -> None:
        self.proving = threading.Lock()


class Route:
    """Chooses a leg for each attempt: by preference, passing over those that do not answer or have just failed.

    One operation asks two at most. A place that keeps failing is gone back to less and less often: each change of place costs latency.
    """

    def __init__(self, legs: Sequence[Leg], clock: Clock) -> None:
        self.legs, self._clock = tuple(legs), clock
        self._preferred = self.legs[0]
        self._switched, self._hold, self._back_from = -math.inf, 0.0, -math.inf

    def pick(self, operation: Operation) -> Leg:
        """Raises ProviderUnavailable if no breaker lets an attempt through."""
        now, usual = self._clock.monotonic(), self.legs[0]
        if not operation.tried and usual is self._preferred and usual.rests_until <= now and usual.endpoint.allows(now):
            return usual
        choices = self._choices(operation, now)
        for leg in choices:
            if leg.endpoint.allows(now):
                self._tell(leg, operation, now)
                return leg
        wait = min(leg.endpoint.probe_in(now) for leg in choices)
        name = choices[0].endpoint.name
        message = f"{name} does not answer; it is asked again in {wait:.1f} s"
        raise ProviderUnavailable(message, reason="breaker", retry_after=wait, counts=False) from operation.last

    def _choices(self, operation: Operation, now: float) -> list[Leg]:
        """Those that may be asked now, best first; never none."""
        usable = [leg for leg in self.legs if leg.rests_until <= now] or list(self.legs)
        tried = [leg for leg in operation.tried if leg in usable]
        if len(operation.tried) >= PLACES and tried:
            return tried
        if operation.tried:  # what it goes on with; sorted() keeps the preference among equals
            fresh = sorted((leg for leg in usable if leg not in tried), key=lambda leg: now < leg.failed_at + LATELY)
            return [*fresh, *tried]
        first = self._preferred if now < self._back_from and self._preferred in usable else usable[0]
        return [first, *(leg for leg in usable if leg is not first)]

    def failed(self, leg: Leg, operation: Operation) -> bool:
        """Noted. True: another leg can be tried at once, at no cost to a retry budget: for it, it is the first attempt."""
        now = self._clock.monotonic()
        leg.failed_at = now
        operation.tried = (*(other for other in operation.tried if other is not leg), leg)
        return len(operation.tried) < PLACES and any(
            other not in operation.tried and other.rests_until <= now and not other.endpoint.open for other in self.legs
        )

    def pay(self, leg: Leg, operation: Operation) -> bool:
        """For one more attempt at a place that was asked before, and it goes there. False: no retry budget bears that."""
        payer = next((each for each in operation.tried or (leg,) if each.endpoint.pay()), None)
        operation.tried = tuple(sorted(operation.tried, key=lambda each: each is not payer))
        return payer is not None

    def rest(self, leg: Leg) -> bool:
        """It is passed over for a while. False: there is no other."""
        now = self._clock.monotonic()
        leg.rests_until = now + REST
        return any(other.rests_until <= now for other in self.legs)

    def _tell(self, leg: Leg, operation: Operation, now: float) -> None:
        if operation.attempts or leg is self._preferred or leg.endpoint.open:
            return  # a later attempt, nothing new, or a mere probe
        previous, self._preferred = self._preferred, leg
        self._hold = min(max(HOLD, 2 * self._hold), LONGEST_HOLD) if now < self._switched + STEADY else 0.0
        self._switched, self._back_from = now, now + self._hold
        events.logger.warning("%s: failed over from %s to %s", leg.name, previous.endpoint.name, leg.endpoint.name)
        events.emit(events.FailedOver(leg.endpoint.name, leg.name, previous.endpoint.name))


def tell_breaker(leg: Leg, changed: bool, error: FarsignError | None) -> None:
    """After an attempt: say so if the breaker opened or closed."""
    if changed:
        state = "open" if leg.endpoint.open else "closed"
        events.logger.warning("%s: breaker %s (%s)", leg.endpoint.name, state, error.code if error else "answered")
        events.emit(events.Breaker(leg.endpoint.name, leg.name, state))
