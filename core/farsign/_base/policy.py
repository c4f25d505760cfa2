"""How long, how often and how eagerly: ``Policy``, and ``deadline`` for the calls of one block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final, Literal

from farsign.errors import ConfigurationError

from .clock import SYSTEM, Clock


@dataclass(frozen=True, slots=True)
class Policy:
    """Immutable; all times in seconds.

    timeout: total for one call, all attempts and waits included. attempt_timeout: most for one wire call.
    attempts: wire calls that one operation may make.
    publish_lead: how long a newly seen key version is published before it signs; must cover your verifiers' JWKS caches.
    recheck: how often a moving name (alias, latest version, file) is looked up. stale: how long the last answer is used while the
    provider does not answer. retire_after: how long a replaced version stays published; must cover a token's life.
    follow: "wait", or "immediately": if the old version is gone, sign with a new one that verifiers may not know yet.
    verify: check each signature before it is returned. concurrency: calls under way at once, on worker threads and in each event loop;
    others wait for a place before their attempt begins.
    """

    timeout: float = 2.5
    attempt_timeout: float = 1.0
    attempts: int = 8
    publish_lead: float = 360.0
    recheck: float = 300.0
    stale: float = 86_400.0
    retire_after: float = 86_400.0
    follow: Literal["wait", "immediately"] = "wait"
    verify: bool = True
    concurrency: int = 64

    def __post_init__(self) -> None:
        for field in fields(self):
            fits, expected = _VALUES.get(field.name, _FROM_ZERO)
            if not fits(value := getattr(self, field.name)):
                raise ConfigurationError(
                    f"Policy({field.name}=...) is {expected}, not {value!r}", next_step=f"leave it out for {field.default!r}"
                )


def is_seconds(value: object) -> bool:
    """Whether it is a length of time, of any sign, that a clock can count."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LONGEST


_LONGEST = 100 * 365 * 86_400.0  # a century; waiting primitives overflow at three

_Row = tuple[Callable[[Any], bool], str]
_FROM_ZERO: Final[_Row] = (lambda value: is_seconds(value) and value >= 0, "seconds, 0 or more")
_SECONDS: Final[_Row] = (lambda value: is_seconds(value) and value > 0, "seconds, more than 0")
_COUNT: Final[_Row] = (lambda value: type(value) is int and value >= 1, "a whole number from 1")
_VALUES: Final[Mapping[str, _Row]] = MappingProxyType(
    {
        "timeout": _SECONDS,
        "attempt_timeout": _SECONDS,
        "attempts": _COUNT,
        "concurrency": _COUNT,
        "follow": (lambda value: value in ("wait", "immediately"), "'wait' or 'immediately'"),
        "verify": (lambda value: isinstance(value, bool), "True or False"),
    }
)

_deadline: ContextVar[float | None] = ContextVar("farsign_deadline", default=None)


@contextmanager
def deadline(seconds: float, *, clock: Clock = SYSTEM) -> Iterator[None]:
    """All calls inside end within ``seconds`` from now, unless they are given a timeout of their own. Nested: the earlier counts."""
    if not is_seconds(seconds):
        raise ConfigurationError(f"deadline() takes seconds, not {seconds!r}", next_step="write farsign.deadline(2.5)")
    until, outer = clock.monotonic() + seconds, _deadline.get()
    token = _deadline.set(until if outer is None else min(until, outer))
    try:
        yield
    finally:
        _deadline.reset(token)


def ends_at(timeout: float | None, policy: Policy, clock: Clock) -> float:
    """The monotonic time at which a call started now has to end: its argument, else the context, else the policy."""
    if timeout is not None:
        if not is_seconds(timeout) or timeout <= 0:
            raise ConfigurationError(
                f"timeout is seconds, more than 0, not {timeout!r}", next_step="leave it out for Policy.timeout"
            )
        return clock.monotonic() + timeout
    context = _deadline.get()
    return clock.monotonic() + policy.timeout if context is None else context


def time_left(seconds: float, clock: Clock = SYSTEM) -> float:
    """``seconds``, or what the context's deadline leaves of them."""
    context = _deadline.get()
    return seconds if context is None else max(0.0, min(seconds, context - clock.monotonic()))
