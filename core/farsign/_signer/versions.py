"""Which version of a moving name signs: pure functions over an immutable state (RULES 1, 2, 6).

A version newly seen behind a name is pending: it is published at once and signs only after ``publish_lead``, so that verifiers
learn a key before they meet its signatures. Times are monotonic seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from farsign._base.policy import Policy
from farsign.errors import ProviderError

from .signing_key import SigningKey


@dataclass(frozen=True, slots=True)
class Pending:
    key: SigningKey
    first_seen: float


@dataclass(frozen=True, slots=True)
class Retired:
    key: SigningKey
    since: float


@dataclass(frozen=True, slots=True)
class State:
    """current signs; pending and retired are published. wake: when somebody has to look again; looked_up: the name's last answer."""

    current: SigningKey
    wake: float
    looked_up: float
    pending: Pending | None = None
    retired: tuple[Retired, ...] = ()
    switched: float = -math.inf
    next_look: float = math.inf
    gone: ProviderError | None = None  # the provider says that the name, or the current version, is no more

    def published(self) -> tuple[SigningKey, ...]:
        """Current first, then pending, then retired."""
        pending = (self.pending.key,) if self.pending else ()
        return (self.current, *pending, *(old.key for old in self.retired))


def ripe_at(state: State, policy: Policy) -> float:
    """When the pending version signs; never if there is none."""
    if state.pending is None:
        return math.inf
    known = any(old.key.same_version(state.pending.key) for old in state.retired)  # verifiers still have it: no lead
    lead = 0.0 if known else policy.publish_lead
    return max(state.pending.first_seen + lead, state.switched + policy.publish_lead)


def first(key: SigningKey, now: float, policy: Policy, next_look: float) -> State:
    """``next_look`` is infinite where the URI pins the version: that answer never ages."""
    return _timed(State(key, 0.0, _answered(now, next_look), next_look=next_look), policy)


def saw(state: State, key: SigningKey, now: float, policy: Policy, next_look: float) -> State:
    """The name means ``key`` now."""
    if state.current.same_version(key):
        pending = None
    elif state.pending and state.pending.key.same_version(key):
        pending = state.pending
    else:
        pending = Pending(key, now)
    gone = None if pending is None else state.gone
    return _timed(replace(state, pending=pending, looked_up=_answered(now, next_look), next_look=next_look, gone=gone), policy)


def _answered(now: float, next_look: float) -> float:
    return next_look if next_look == math.inf else now


def stale(state: State) -> State:
    """Nothing may be signed before the provider was asked again."""
    return replace(state, looked_up=-math.inf, wake=-math.inf)


def looking(state: State, next_look: float, policy: Policy) -> State:
    """Somebody is asking; nobody else has to before ``next_look``."""
    return _timed(replace(state, next_look=next_look), policy)


def lost(state: State, error: ProviderError, policy: Policy) -> State:
    """The provider says that the current version, or the name, is no more."""
    return _timed(replace(state, gone=error), policy)


def with_retired(state: State, key: SigningKey, since: float) -> State:
    return replace(state, retired=(*state.retired, Retired(key, since)))


def advance(state: State, now: float, policy: Policy) -> State:
    """Switch to the pending version if it is ripe, or at once if the current one is gone and the policy follows; forget old ones."""
    retired = tuple(old for old in state.retired if now < old.since + policy.retire_after)
    state = replace(state, retired=retired)
    follow = state.gone is not None and policy.follow == "immediately"
    if state.pending and (follow or now >= ripe_at(state, policy)):
        key = state.pending.key
        kept = tuple(old for old in retired if not old.key.same_version(key))
        state = replace(state, current=key, pending=None, switched=now, gone=None, retired=(Retired(state.current, now), *kept))
    return _timed(state, policy)


def _timed(state: State, policy: Policy) -> State:
    """A state whose version is gone, or that was made stale, has to be looked at every time."""
    wake = -math.inf if state.gone or state.looked_up == -math.inf else min(state.next_look, ripe_at(state, policy))
    return replace(state, wake=wake)


Listing = Sequence[tuple[str, float | None]]


def choose(listing: Listing, wall: float, policy: Policy) -> int:
    """Where in a newest-first listing the version stands that a first resolution takes: old enough for verifiers to know, else newest."""
    lead = policy.publish_lead + policy.recheck if policy.publish_lead else 0.0
    for position, (_, created) in enumerate(listing):
        if created is not None and created + lead <= wall:
            return position
    return 0


def recently_retired(listing: Listing, chosen: int, wall: float, policy: Policy) -> list[tuple[str, float]]:
    """Versions older than the chosen one that still have to be published, each with the seconds since it stopped signing."""
    recent = []
    for (_, successor), (version, _) in zip(listing[chosen:], listing[chosen + 1 :], strict=False):
        if successor is None:
            break
        age = max(0.0, wall - (successor + policy.publish_lead + policy.recheck))
        if age >= policy.retire_after:
            break
        recent.append((version, age))
    return recent
