"""What happens inside, as typed events: ``farsign.observe(callback)``.

Events name the endpoint, the operation, the algorithm and the outcome; never a token, a digest or a credential. ``key`` is the
signer's name (its URI), for those who want it; leave it out of metric labels. The logger is "farsign"; nothing is logged at import.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from farsign.errors import ConfigurationError

logger = logging.getLogger("farsign")


@dataclass(frozen=True, slots=True)
class Event:
    endpoint: str
    key: str


@dataclass(frozen=True, slots=True)
class Attempt(Event):
    """One wire call. outcome: "ok" or an error code; seconds: how long it took."""

    operation: str
    algorithm: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Retrying(Event):
    """The last attempt failed with this code; the next comes after ``wait`` seconds."""

    operation: str
    code: str
    wait: float


@dataclass(frozen=True, slots=True)
class Throttling(Event):
    """The endpoint asked for less. retry_after: seconds, where it said so."""

    retry_after: float | None


@dataclass(frozen=True, slots=True)
class CredentialsRefreshed(Event):
    pass


@dataclass(frozen=True, slots=True)
class Breaker(Event):
    """state: "open" (the endpoint is left alone but for a probe now and then) or "closed"."""

    state: str


@dataclass(frozen=True, slots=True)
class FailedOver(Event):
    """Operations start at this endpoint now, not at the previous one; also when they return to it."""

    previous: str


@dataclass(frozen=True, slots=True)
class KeyPending(Event):
    """The name means a new version; it signs in ``lead`` seconds, and is published from now on."""

    kid: str
    lead: float


@dataclass(frozen=True, slots=True)
class KeySwitched(Event):
    """Another version signs from now on."""

    kid: str
    previous_kid: str


@dataclass(frozen=True, slots=True)
class StaleKey(Event):
    """The name could not be looked up (error code); the version known so far goes on signing."""

    code: str


@dataclass(frozen=True, slots=True)
class ListingDenied(Event):
    """Versions may not be listed, so the newest one was taken, old enough or not."""


Callback = Callable[[Event], object]
_callbacks: tuple[Callback, ...] = ()


def observe(callback: Callback) -> Callable[[], None]:
    """Call ``callback(event)`` for each event of this process, in the thread where it happens. Returns a function that ends it.

    A callback is part of the call that it hears of: let it be quick, and neither sign nor ask for a key in it; put the event into a
    queue for that. An exception is logged and goes no further. Raises ConfigurationError for what cannot be called.
    """
    global _callbacks
    if not callable(callback):
        raise ConfigurationError(
            f"observe() takes a function of one event, not {type(callback).__name__}", next_step="write farsign.observe(print)"
        )

    def told(event: Event) -> None:  # a function of this subscription's own: a callback may be there twice
        callback(event)

    _callbacks = (*_callbacks, told)

    def unsubscribe() -> None:
        global _callbacks
        _callbacks = tuple(known for known in _callbacks if known is not told)

    return unsubscribe


def observed() -> bool:
    """Whether building an event is worth it."""
    return bool(_callbacks)


def emit(event: Event) -> None:
    for callback in _callbacks:
        try:
            callback(event)
        except Exception:  # an observer must not cost a signature
            logger.exception("an observer failed on %s", type(event).__name__)
