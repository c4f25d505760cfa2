"""The places that hold one key: the URI's own, and those to fail over to. Each has its drivers and its endpoint's state.

A leg other than the one that described a key may sign for it only after it has shown the same public key (RULES 36).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from farsign._base import events, fork
from farsign._base.clock import Clock
from farsign.errors import FarsignError, ProviderUnavailable

from . import endpoints
from .drivers import Drivers
from .funnel import Operation

REST: Final = 30.0  # seconds for which a leg that gave a definite "no" is passed over


class Leg:
    """One place. ``name`` is its URI."""

    def __init__(self, drivers: Drivers, name: str, clock: Clock) -> None:
        self.drivers, self.name = drivers, name
        self.endpoint = endpoints.endpoint(drivers.handle().driver.endpoint, clock)
        self.rests_until = 0.0
        self.versions: dict[bytes, str] = {}  # public key -> this leg's version of it, proved
        self.after_fork()
        fork.register(self)

    def after_fork(self) -> None:
        self.proving = threading.Lock()


class Route:
    """Chooses a leg for each attempt: by preference, passing over those that do not answer or have just failed."""

    def __init__(self, legs: Sequence[Leg], clock: Clock) -> None:
        self.legs, self._clock = tuple(legs), clock
        self._preferred = self.legs[0]

    def pick(self, operation: Operation) -> Leg:
        """Raises ProviderUnavailable if no breaker lets an attempt through."""
        now = self._clock.monotonic()
        usable = [leg for leg in self.legs if leg.rests_until <= now] or list(self.legs)
        fresh = [leg for leg in usable if leg is not operation.failed_leg] or usable
        for leg in (*fresh, *usable):
            if leg.endpoint.allows(now):
                self._tell(leg, operation)
                return leg
        wait = min(leg.endpoint.probe_in(now) for leg in usable)
        name = usable[0].endpoint.name
        message = f"{name} does not answer; it is asked again in {wait:.1f} s"
        raise ProviderUnavailable(message, reason="breaker", retry_after=wait, counts=False) from operation.last

    def alternative(self, failed: Leg) -> bool:
        """Whether another leg could be tried at once."""
        now = self._clock.monotonic()
        return any(leg is not failed and leg.rests_until <= now and not leg.endpoint.open for leg in self.legs)

    def rest(self, leg: Leg) -> None:
        leg.rests_until = self._clock.monotonic() + REST

    def _tell(self, leg: Leg, operation: Operation) -> None:
        if operation.attempts or leg is self._preferred or leg.endpoint.open:
            return  # a later attempt, nothing new, or a mere probe
        previous, self._preferred = self._preferred, leg
        events.logger.warning("%s: failed over from %s to %s", leg.name, previous.endpoint.name, leg.endpoint.name)
        events.emit(events.FailedOver(leg.endpoint.name, leg.name, previous.endpoint.name))


def tell_breaker(leg: Leg, changed: bool, error: FarsignError | None) -> None:
    """After an attempt: say so if the breaker opened or closed."""
    if changed:
        state = "open" if leg.endpoint.open else "closed"
        events.logger.warning("%s: breaker %s (%s)", leg.endpoint.name, state, error.code if error else "answered")
        events.emit(events.Breaker(leg.endpoint.name, leg.name, state))
