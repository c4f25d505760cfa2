"""``Signer``: what a URI means. It resolves the name, keeps the answer, and runs every signature through one funnel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from farsign._base import events
from farsign._base.clock import SYSTEM, Clock
from farsign._base.policy import Policy
from farsign._base.uri import KeyURI
from farsign.driver import KeyDescription, RemoteSigner
from farsign.errors import ConfigurationError, FarsignError, KeyChanged, NotPicklable, ProviderError

from .calls import Answer, Calls
from .drivers import Drivers, Opener
from .funnel import DEFINITE, Operation
from .legs import Leg
from .resolver import Resolver
from .signing_key import Options, Plan, SigningKey

OpenURI = Callable[[KeyURI, tuple[str, ...]], RemoteSigner]  # a place, hosts that are allowed


class Signer:
    """Open one per process and URI (``farsign.open_signer``), share it between threads, tasks and forked children, close it at the end.

    Nothing that looks like a property does I/O. ``opener`` makes a driver; it is called again in a forked child and per event loop.
    """

    def __init__(
        self,
        opener: Opener,
        *,
        failover: Sequence[Opener] = (),
        policy: Policy | None = None,
        alg: str | None = None,
        kid: str | None = None,
        thumbprint: str | None = None,
        name: str = "this key",
        clock: Clock = SYSTEM,
    ) -> None:
        self.policy = Policy() if policy is None else policy
        if not isinstance(self.policy, Policy):
            raise ConfigurationError(
                f"policy= is a farsign.Policy, not {type(policy).__name__}", next_step="policy=farsign.Policy(timeout=1.0), say"
            )
        self._options = Options(name, alg, kid, thumbprint)
        self._now = clock.monotonic
        self.legs = tuple(self._leg(each, name, clock) for each in _callable(opener, failover))
        self.legs[0].home = True
        self._calls = Calls(self.legs, self.policy, clock, self._make)
        self._resolver = Resolver(self._calls, certain=thumbprint is not None)
        self._reopen: tuple[Any, ...] | None = None

    def _leg(self, opener: Opener, name: str, clock: Clock) -> Leg:
        return Leg(Drivers(opener, self.policy.concurrency), name, clock)

    def _make(self, described: KeyDescription, leg: Leg) -> SigningKey:
        return SigningKey(self, described, self._options, self.legs.index(leg))

    @property
    def name(self) -> str:
        """The URI, or what the signer was called."""
        return self._options.name

    @property
    def endpoint(self) -> str:
        """What throttles and fails together, e.g. "awskms eu-west-1"."""
        return self._calls.endpoint

    # -- the key ----------------------------------------------------------------------------------------------------------

    def key(self, *, timeout: float | None = None) -> SigningKey:
        """The version that signs now. Cached: usually neither a lock nor I/O. ``timeout`` is seconds.

        Raises ProviderError if the provider does not say what the URI means, ConfigurationError if that cannot be used.
        """
        state = self._resolver.state
        if state is not None and self._now() < state.wake:
            return state.current
        return self._resolver.look(self.operation(timeout))

    def key_within(self, operation: Operation) -> SigningKey:
        """As ``key``, on the budget of a call under way."""
        return self._resolver.look(operation)

    async def akey_within(self, operation: Operation) -> SigningKey:
        """As ``akey``, on the budget of a call under way."""
        return await self._resolver.alook(operation)

    async def akey(self, *, timeout: float | None = None) -> SigningKey:
        """As ``key``, without holding the event loop."""
        state = self._resolver.state
        if state is not None and self._now() < state.wake:
            return state.current
        return await self._resolver.alook(self.operation(timeout))

    def published(self, *, timeout: float | None = None) -> tuple[SigningKey, ...]:
        """What verifiers have to know: the current version first, then the pending one, then those retired lately.

        Once resolved, it answers even while the provider does not.
        """
        try:
            current = self.key(timeout=timeout)
        except ProviderError:
            if self._resolver.state is None:
                raise
            return self._resolver.state.published()
        state = self._resolver.state
        return state.published() if state else (current,)

    async def apublished(self, *, timeout: float | None = None) -> tuple[SigningKey, ...]:
        """As ``published``, without holding the event loop."""
        operation = self.operation(timeout)
        return await self._calls.aside(operation, lambda: self.published(timeout=max(0.05, operation.remaining())))

    def invalidate(self) -> None:
        """Forget the cached answer now: the next ``key()`` asks the provider. A version seen anew still waits (RULES 2)."""
        self._resolver.invalidate()

    # -- signing ----------------------------------------------------------------------------------------------------------

    def operation(self, timeout: float | None) -> Operation:
        """The budget of one call: its deadline and its attempts. ``timeout`` is seconds; None: the context's or the policy's."""
        return self._calls.operation(timeout)

    def run(self, plan: Plan, operation: Operation, only: Sequence[Leg] = ()) -> bytes:
        """A signature by exactly the planned version, checked. Raises KeyChanged if another version has to sign. only: there."""
        while True:
            try:
                answer = self._calls.sign(operation, plan, only)
            except DEFINITE as error:
                self._lost(plan.key, error, operation)
                raise
            signature = answer.signature(verify=self.policy.verify)
            if isinstance(signature, bytes):
                return signature
            operation.mismatch(signature)
            self._confirm(plan.key, answer, operation)

    async def arun(self, plan: Plan, operation: Operation) -> bytes:
        """As ``run``. Signing is asynchronous; what follows a failure, rarely, runs on a thread."""
        while True:
            try:
                answer = await self._calls.asign(operation, plan)
            except DEFINITE as error:
                await self._calls.aside(operation, partial(self._lost, plan.key, error, operation))
                raise
            signature = answer.signature(verify=self.policy.verify)
            if isinstance(signature, bytes):
                return signature
            operation.mismatch(signature)
            await self._calls.aside(operation, partial(self._confirm, plan.key, answer, operation))

    def _confirm(self, key: SigningKey, answer: Answer, operation: Operation) -> None:
        """After a wrong signature: is that version still that key?"""
        signed = answer.plan.key
        self._calls.distrust(signed, operation)
        if self._calls.described(signed.version, signed.leg, operation).spki == key.spki:
            return
        if signed is not key:
            self._calls.drop(signed)
            return
        error = KeyChanged(f"{self.name}: version {key.version} is another key now")
        error.endpoint = key.leg.endpoint.name
        self._lost(key, error, operation)
        raise error

    def _lost(self, key: SigningKey, error: ProviderError, operation: Operation) -> None:
        """Nothing signs with that version any more. Raises KeyChanged or KeyNotPublished if the name means another by now."""
        if error.endpoint != key.leg.endpoint.name:
            return  # another place said so, of its own copy
        self._resolver.lost(key, error, operation)
        if not self.key_within(operation).same_version(key):
            raise KeyChanged(f"{self.name}: version {key.version} is gone ({error.code}); another signs now")

    # -- living with it ---------------------------------------------------------------------------------------------------

    def check(self, *, timeout: float | None = None) -> SigningKey:
        """Resolve, sign once, verify; once also at each failover, so that it is known to hold the same key and to sign with it. For
        start-up hooks and readiness probes. Raises what stands in the way; not of a failover that did sign by an earlier key.
        """
        operation = self.operation(timeout)
        plan = _check(self.key_within(operation))
        self.run(plan, operation)
        self._prove(plan, operation)
        return plan.key

    async def acheck(self, *, timeout: float | None = None) -> SigningKey:
        """As ``check``."""
        operation = self.operation(timeout)
        plan = _check(await self.akey_within(operation))
        await self.arun(plan, operation)
        if len(self.legs) > 1:
            await self._calls.aside(operation, lambda: self._prove(plan, operation))
        return plan.key

    def _prove(self, plan: Plan, operation: Operation) -> None:
        """A failover that was seen to sign is no reason to call this signer unfit later, when a new key may not be there yet."""
        for leg in self.legs:
            if leg is plan.key.leg or plan.key.spki in leg.signed or (leg.signed and leg.rests_until > self._now()):
                continue
            try:
                self.run(plan, self._calls.another(operation), (leg,))
                leg.signed.add(plan.key.spki)
            except FarsignError as error:
                if not leg.signed:
                    raise
                self._calls.rest(leg)
                events.logger.warning("%s: no failover to %s for the new key (%s)", self.name, leg.endpoint.name, error.code)

    def close(self, *, timeout: float = 5.0) -> bool:
        """Take no new calls and wait for those under way. False: some still ran after ``timeout`` seconds. Idempotent."""
        self._resolver.close()
        closed = [leg.drivers.close(timeout) for leg in self.legs]
        return all(closed)

    async def aclose(self, *, timeout: float = 5.0) -> bool:
        """As ``close``."""
        self._resolver.close()
        closed = [await leg.drivers.aclose(timeout) for leg in self.legs]
        return all(closed)

    def __enter__(self) -> Signer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Signer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __reduce__(self) -> tuple[Any, ...]:
        if self._reopen is None:
            raise NotPicklable(f"{self.name} cannot be pickled: it was made with objects, or its key lives in this process")
        return self._reopen

    def __repr__(self) -> str:
        return f"<Signer {self.name}{' closed' if self._resolver.closed else ''}>"


def _check(key: SigningKey) -> Plan:
    return key.plan(key.algorithm, b"farsign check")


def _callable(opener: Opener, failover: Sequence[Opener]) -> tuple[Opener, ...]:
    if isinstance(failover, (list, tuple)) and all(map(callable, (opener, *failover))):
        return (opener, *failover)
    raise ConfigurationError(
        "a Signer takes a function that makes a driver, and failover= a list of such functions",
        next_step="farsign.open_signer(uri, failover=[uri, ...]) takes URIs",
    )


def open_signer(
    uri: str | KeyURI,
    *,
    failover: Sequence[str | KeyURI] = (),
    policy: Policy | None = None,
    allow_hosts: Sequence[str] = (),
    opener: OpenURI | None = None,
) -> Signer:
    """A Signer for the key that a URI names. Imports the backend's SDK; no network yet.

    failover: URIs of replicas of the same key (the same public key; ``check()`` proves it), used while the first does not answer.
    allow_hosts: hosts, "host" or "host:port", that credentials may go to beside the provider's own.
    opener: makes the driver instead of the backend's ``farsign_open``, for what no URI can carry. Such a signer is not picklable.
    Raises InvalidKeyURI, BackendNotInstalled, HostRefused or another ConfigurationError.
    """
    from farsign._plugin.discovery import parse_uri

    for name, several in (("failover", failover), ("allow_hosts", allow_hosts)):
        if isinstance(several, (str, bytes, KeyURI)) or not isinstance(several, Iterable):
            raise ConfigurationError(f"{name}= is a list, not one {type(several).__name__}", next_step=f"write {name}=[...]")
    parsed, *others = places = [parse_uri(each) for each in (uri, *failover)]
    if len(set(map(str, places))) < len(places):
        raise ConfigurationError(
            "failover= names one place twice", next_step="name each once, the preferred one as the URI itself"
        )
    allowed = tuple(allow_hosts)
    first, *replicas = _openers(parsed, allowed, opener)
    signer = Signer(
        first,
        failover=[*replicas, *(place for each in others for place in _openers(each, allowed, opener))],
        policy=policy,
        alg=parsed.alg,
        kid=parsed.kid,
        thumbprint=parsed.thumbprint,
        name=repr(str(parsed)),
    )
    for leg in signer.legs[: 1 + len(replicas)]:
        leg.home = True
    if opener is None and all(each.scheme != "memory" for each in (parsed, *others)):
        signer._reopen = (_open_again, (str(parsed), tuple(map(str, others)), policy, allowed))
    return signer


def _openers(uri: KeyURI, allowed: tuple[str, ...], instead: OpenURI | None) -> list[Opener]:
    """One for each place that the URI stands for."""
    from farsign._plugin.discovery import backend

    plugin = backend(uri.scheme)
    return [partial(instead or plugin.open, place, allowed) for place in plugin.replicas(uri)]


def _open_again(uri: str, failover: Sequence[str], policy: Policy | None, allow_hosts: Sequence[str]) -> Signer:
    return open_signer(uri, failover=failover, policy=policy, allow_hosts=allow_hosts)
