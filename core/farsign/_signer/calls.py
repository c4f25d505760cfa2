"""What drivers are asked: to describe, to list, to sign, and to show that another leg holds the same key. One object per Signer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from farsign._base import events
from farsign._base.clock import Clock
from farsign._base.policy import Policy
from farsign.driver import AsyncRemoteSigner, KeyDescription, RemoteSigner, SignReply, SignRequest, VersionLister
from farsign.errors import KeyMismatch, PermissionDenied

from .attempts import Attempts, Try, Work
from .funnel import Operation
from .legs import Leg
from .signing_key import Plan, SigningKey
from .versions import Listing

SEARCHED: Final = 5  # versions, newest first, among which a leg's equal of a key is looked for
T = TypeVar("T")
Make = Callable[[KeyDescription, Leg], SigningKey]


class Answer(NamedTuple):
    """A reply, the request that it has to fit, and where it came from."""

    reply: SignReply
    request: SignRequest
    leg: Leg


class Calls:
    """Runs work on the Signer's legs. All methods raise FarsignError only."""

    def __init__(self, legs: Sequence[Leg], policy: Policy, clock: Clock, make: Make) -> None:
        self.legs, self.policy, self.clock = tuple(legs), policy, clock
        self.name = legs[0].name
        self._make = make
        self._attempts = Attempts(legs, policy, clock)

    @property
    def endpoint(self) -> str:
        return self.legs[0].endpoint.name

    def operation(self, timeout: float | None) -> Operation:
        return Operation(self.policy, self.clock, timeout)

    def described(self, version: str | None, leg: Leg, operation: Operation, *, again: bool = True) -> SigningKey:
        """A version, or what the name means there now. ``again``: retry, as the funnel allows."""

        def work(driver: RemoteSigner, timeout: float) -> KeyDescription:
            return driver.describe(version, timeout=timeout)

        return self._make(self._attempts.call(operation, "describe", lambda _: work, (leg,), again=again), leg)

    def prove(self, key: SigningKey, leg: Leg, operation: Operation) -> None:
        """That leg holds that key. Raises KeyMismatch if not."""

        def prepare(leg: Leg) -> Work[None]:
            self.version_at(leg, key, operation)
            return lambda driver, timeout: None

        self._attempts.call(operation, "prove", prepare, (leg,))

    def listing(self, leg: Leg, operation: Operation, *, again: bool = True) -> Listing:
        """Versions, newest first; empty where the driver lists none or may not."""
        if not isinstance(leg.drivers.handle().driver, VersionLister):
            return ()
        try:
            return self._attempts.call(operation, "list", lambda _: _versions_of, (leg,), again=again)
        except PermissionDenied:
            events.logger.warning("%s: versions may not be listed; the newest is taken as it is", leg.name)
            events.emit(events.ListingDenied(leg.endpoint.name, leg.name))
            return ()

    def sign(self, operation: Operation, plan: Plan) -> Answer:
        def prepare(leg: Leg) -> Work[Answer]:
            request = plan.request_for(self.version_at(leg, plan.key, operation))
            return lambda driver, timeout: Answer(driver.sign(request, timeout=timeout), request, leg)

        return self._attempts.call(operation, "sign", prepare, (), plan.algorithm.name)

    async def asign(self, operation: Operation, plan: Plan) -> Answer:
        """As ``sign``. The rare proof that another leg holds the key runs on a thread."""

        async def attempted(attempt: Try) -> Answer:
            leg, key = attempt.leg, plan.key
            version = key.version if key.leg is leg else await self.aside(operation, lambda: self.version_at(leg, key, operation))
            request = plan.request_for(version)
            return Answer(await _signed(attempt, request), request, leg)

        return await self._attempts.acall(operation, "sign", attempted, plan.algorithm.name)

    async def aside(self, operation: Operation, work: Callable[[], T]) -> T:
        """Blocking work of the rare kind, from a coroutine."""
        return await self._attempts.aside(operation, work)

    def distrust(self, answer: Answer, operation: Operation) -> None:
        """That reply was wrong: another leg is asked next, if there is one."""
        if self._attempts.route.alternative(answer.leg):
            operation.failed_leg = answer.leg

    def drop(self, leg: Leg, key: SigningKey) -> None:
        """That leg has another key by now: pass it over until it has shown the right one again."""
        leg.versions.pop(key.spki, None)
        self._attempts.route.rest(leg)

    # -- other legs -------------------------------------------------------------------------------------------------------

    def version_at(self, leg: Leg, key: SigningKey, operation: Operation) -> str:
        """That leg's identifier of that key version. Raises KeyMismatch if it has another key (RULES 36)."""
        if key.leg is leg:
            return key.version
        known = leg.versions.get(key.spki)
        if known is None:
            with leg.proving:  # one proof at a time
                known = leg.versions[key.spki] = self._proved(leg, key, operation)
        return known

    def _proved(self, leg: Leg, key: SigningKey, operation: Operation) -> str:
        listed = [version for version, _ in self.listing(leg, operation, again=False)]
        candidates: Sequence[str | None] = listed[:SEARCHED] or [None]
        for version in candidates:
            described = self.described(version, leg, operation, again=False)
            if described.spki == key.spki:
                return described.version
        raise KeyMismatch(
            f"{leg.name} does not hold the public key of {key.name}, so verifiers would not know its signatures",
            next_step="fail over only between replicas of one key; for different keys use an issuer with several URIs",
        )


def _signed(attempt: Try, request: SignRequest) -> Awaitable[SignReply]:
    drivers = attempt.leg.drivers
    if drivers.native_async:
        return drivers.acall_native(lambda driver, seconds: _asign(driver, request, seconds), attempt.turn)
    return drivers.acall(lambda driver, seconds: driver.sign(request, timeout=seconds), attempt.turn)


def _asign(driver: AsyncRemoteSigner, request: SignRequest, timeout: float) -> Awaitable[SignReply]:
    return driver.asign(request, timeout=timeout)


def _versions_of(driver: RemoteSigner, timeout: float) -> Listing:
    return driver.versions(timeout=timeout) if isinstance(driver, VersionLister) else ()
