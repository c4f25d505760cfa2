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
    """A reply, and the plan that it has to fit: that of the place where it came from."""

    reply: SignReply
    plan: Plan

    def signature(self, *, verify: bool) -> bytes | str:
        """In JOSE encoding, or what is wrong with the reply."""
        return self.plan.accept(self.reply, verify=verify)


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

    def another(self, operation: Operation) -> Operation:
        """With the same deadline, and counters of its own."""
        left = operation.remaining()
        if left <= 0:
            raise operation.expired()
        return self.operation(left)

    def described(self, version: str | None, leg: Leg, operation: Operation, *, again: bool = True) -> SigningKey:
        """A version, or what the name means there now. ``again``: retry, as the funnel allows."""

        def work(driver: RemoteSigner, timeout: float) -> KeyDescription:
            return driver.describe(version, timeout=timeout)

        return self._make(self._attempts.call(operation, "describe", lambda _: work, (leg,), again=again), leg)

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

    def sign(self, operation: Operation, plan: Plan, only: Sequence[Leg] = ()) -> Answer:
        """only: at that leg."""

        def prepare(leg: Leg) -> Work[Answer]:
            there = plan.at(self.key_at(leg, plan.key, operation))
            request = there.request()
            return lambda driver, timeout: Answer(driver.sign(request, timeout=timeout), there)

        return self._attempts.call(operation, "sign", prepare, only, plan.algorithm.name)

    async def asign(self, operation: Operation, plan: Plan) -> Answer:
        """As ``sign``. The rare proof that another leg holds the key runs on a thread."""

        async def attempted(attempt: Try) -> Answer:
            leg, key = attempt.leg, plan.key
            local = key if key.leg is leg else await self.aside(operation, lambda: self.key_at(leg, key, operation))
            there = plan.at(local)
            return Answer(await _signed(attempt, there.request()), there)

        return await self._attempts.acall(operation, "sign", attempted, plan.algorithm.name)

    async def aside(self, operation: Operation, work: Callable[[], T]) -> T:
        """Blocking work of the rare kind, from a coroutine."""
        return await self._attempts.aside(operation, work)

    def distrust(self, key: SigningKey, operation: Operation) -> None:
        """A reply from its leg was wrong: another one is asked next, if there is one."""
        self._attempts.route.failed(key.leg, operation)

    def drop(self, key: SigningKey) -> None:
        """Its leg has another one by now: pass it over until it has shown the right one again."""
        key.leg.keys.pop(key.spki, None)
        self.rest(key.leg)

    def rest(self, leg: Leg) -> None:
        """Pass it over for a while."""
        self._attempts.route.rest(leg)

    # -- other legs -------------------------------------------------------------------------------------------------------

    def key_at(self, leg: Leg, key: SigningKey, operation: Operation) -> SigningKey:
        """That key version as that leg describes it. Raises KeyMismatch if it has another key (RULES 36)."""
        if key.leg is leg:
            return key
        known = leg.keys.get(key.spki)
        if known is None:  # one proof at a time; who waits for it has a deadline of his own
            if not leg.proving.acquire(timeout=max(0.0, operation.remaining())):
                raise operation.expired()
            try:
                known = leg.keys.get(key.spki) or self._proved(leg, key, operation)
                leg.keys[key.spki] = known
            finally:
                leg.proving.release()
        return known

    def _proved(self, leg: Leg, key: SigningKey, operation: Operation) -> SigningKey:
        listed = [version for version, _ in self.listing(leg, operation, again=False)]
        candidates: Sequence[str | None] = listed[:SEARCHED] or [None]
        for version in candidates:
            described = self.described(version, leg, operation, again=False)
            if described.spki == key.spki:
                return described
        raise KeyMismatch(
            f"{leg.endpoint.name} does not hold the public key of {key.name}, so verifiers would not know its signatures",
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
