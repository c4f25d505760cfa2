"""Faults that a test can order: what happens, to which operation, how often. Seeded, so that a run can be repeated.

KIND:OPERATION[:ARGUMENT][:TIMES][:SECONDSs][:PERCENT%] is the same as text, for ``farsign emulate --fault``::

    throttle:sign:3                      the next three signatures are throttled
    error:sign:denied                    from now on; the name is a code of farsign.errors, or the provider's own
    latency:*:0.2    slow_drip:sign:5    seconds
    reset:sign:10%   throttle:sign:30s   one in ten; for half a minute
    rate:sign:100                        what exceeds 100 calls a second is throttled
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from farsign.errors import ConfigurationError

from ._operations import Operations

# What an emulator answers wrongly inside a well-formed reply: each must be caught by whoever checks signatures.
LIES: Final = (
    "wrong_signature",  # one bit is not right
    "other_keys_signature",  # valid, by another key of the same kind
    "other_digest",  # valid, by this key, over something else
    "short_signature",  # the last byte is missing
    "oversized",  # followed by 4096 bytes more
    "wrong_key_id",  # the reply names another key or version
)
# What happens to the reply as bytes. Where there is no HTTP, an emulator does what comes nearest.
BROKEN_REPLIES: Final = (
    "reset",  # the connection is reset instead of a reply
    "truncate",  # the reply ends in the middle, then the connection
    "garbage",  # 200 OK, and bytes that mean nothing
    "slow_drip",  # the reply comes byte by byte, over so many seconds
    "stall",  # no reply, and the connection stays open
)
TAKE_SECONDS: Final = ("latency", "slow_drip")
KINDS: Final = ("throttle", "rate", "error", "latency", *BROKEN_REPLIES, *LIES)
BURST: Final = 0.1  # seconds of a rate that may come at once


@dataclass(slots=True)
class Fault:
    """One order; it is over after ``times`` calls or ``seconds``, whichever comes first. None: until cleared."""

    kind: str
    operation: str  # "sign", "describe", a wire name in any case, or "*"
    argument: str | float | None = None  # an error's name, seconds, or calls a second
    times: int | None = None
    seconds: float | None = None
    probability: float = 1.0  # for each call
    key: str = ""  # only keys whose wire name contains this
    scope: str = ""  # only this region or location
    retry_after: float | None = None  # seconds, told to the client
    choices: Mapping[str, float] = field(default_factory=dict)  # of a mix: a fault's text without operation -> weight
    until: float = math.inf  # monotonic; set when ordered
    tokens: float = 0.0  # of a rate: calls that may pass now
    filled: float = -math.inf  # monotonic; when that was so

    def fits(self, names: Sequence[str], key: str, scope: str) -> bool:
        wanted = self.operation == "*" or self.operation.lower() in names
        return wanted and self.key in key and self.scope in ("", scope)


class Faults:
    """Orders faults. The methods' parameters are those of ``Fault``; ``add`` takes the general form, ``order`` text.

    Several faults may strike one call; of two errors the older order counts. With ``operations``, all orders raise ValueError for one
    that is not among them.
    """

    def __init__(self, seed: int = 0, operations: Operations | None = None) -> None:
        self.operations = operations
        self._random = random.Random(seed)  # noqa: S311  # repeatable, not secret
        self._lock = threading.Lock()
        self._orders: list[Fault] = []

    def add(self, fault: Fault) -> None:
        if self.operations is not None:
            self.operations.check(fault.operation)
        if fault.seconds is not None:
            fault.until = time.monotonic() + fault.seconds
        with self._lock:
            self._orders.append(fault)

    def order(self, text: str) -> None:
        """From text, as in the module's docstring. Raises ConfigurationError if it cannot be read."""
        self.add(parse(text))

    def clear(self) -> None:
        with self._lock:
            self._orders.clear()

    def throttle(
        self,
        operation: str,
        times: int | None = None,
        *,
        seconds: float | None = None,
        retry_after: float | None = None,
        scope: str = "",
    ) -> None:
        self.add(Fault("error", operation, "throttled", times, seconds, retry_after=retry_after, scope=scope))

    def rate(self, operation: str, per_second: float, *, retry_after: float | None = None, scope: str = "") -> None:
        """What exceeds that many calls a second is throttled, as a quota does it (a token bucket)."""
        self.add(Fault("rate", operation, per_second, retry_after=retry_after, scope=scope))

    def error(self, operation: str, name: str, times: int | None = None, *, key: str = "", scope: str = "") -> None:
        """``name``: the provider's own, or a code of farsign.errors, such as "denied", that the emulator says in its words."""
        self.add(Fault("error", operation, name, times, key=key, scope=scope))

    def latency(self, operation: str, seconds: float, times: int | None = None) -> None:
        self.add(Fault("latency", operation, seconds, times))

    def reset(self, operation: str, times: int | None = None) -> None:
        self.add(Fault("reset", operation, times=times))

    def truncate(self, operation: str, times: int | None = None) -> None:
        self.add(Fault("truncate", operation, times=times))

    def garbage(self, operation: str, times: int | None = None) -> None:
        self.add(Fault("garbage", operation, times=times))

    def slow_drip(self, operation: str, seconds: float, times: int | None = None) -> None:
        """The reply comes byte by byte and takes that long."""
        self.add(Fault("slow_drip", operation, seconds, times))

    def stall(self, operation: str, times: int | None = None) -> None:
        self.add(Fault("stall", operation, times=times))

    def down(self, scope: str = "") -> None:
        """Every connection to that region, or to all, is reset. For refused connections close the emulator; ``start`` resumes."""
        self.add(Fault("reset", "*", scope=scope))

    def lie(self, kind: str, operation: str = "sign", times: int | None = None) -> None:
        """One of ``LIES``, by name."""
        if kind not in LIES:
            raise ConfigurationError(f"no lie {kind!r}", next_step=f"one of {' '.join(LIES)}")
        self.add(Fault(kind, operation, times=times))

    def wrong_signature(self, operation: str = "sign", times: int | None = None) -> None:
        self.lie("wrong_signature", operation, times)

    def other_keys_signature(self, operation: str = "sign", times: int | None = None) -> None:
        self.lie("other_keys_signature", operation, times)

    def other_digest(self, operation: str = "sign", times: int | None = None) -> None:
        self.lie("other_digest", operation, times)

    def short_signature(self, operation: str = "sign", times: int | None = None) -> None:
        self.lie("short_signature", operation, times)

    def oversized(self, operation: str = "sign", times: int | None = None) -> None:
        self.lie("oversized", operation, times)

    def wrong_key_id(self, operation: str = "sign", times: int | None = None) -> None:
        self.lie("wrong_key_id", operation, times)

    def mix(self, operation: str, probability: float, choices: Mapping[str, float]) -> None:
        """With that probability one of ``choices`` strikes a call: ``{"throttle": 25, "reset": 15, "latency:1.5": 10}``, weighted."""
        for text in choices:
            parse(_with_operation(text, operation))
        self.add(Fault("mix", operation, probability=probability, choices=choices))

    def draw(self, names: Sequence[str], key: str = "", scope: str = "") -> dict[str, Fault]:
        """The faults that strike this call, by kind. For emulators; names are lower case."""
        if not self._orders:
            return {}
        with self._lock:
            now = time.monotonic()
            self._orders = [order for order in self._orders if order.times != 0 and order.until > now]
            struck: dict[str, Fault] = {}
            for order in self._orders:
                if order.fits(names, key, scope) and order.kind not in struck and self._random.random() < order.probability:
                    fault = self._strike(order, now)
                    if fault is not None:
                        struck.setdefault(fault.kind, fault)
            return struck

    def _strike(self, order: Fault, now: float) -> Fault | None:
        if order.kind == "rate":
            return _over(order, now)
        if order.times is not None:
            order.times -= 1
        if order.kind != "mix":
            return order
        text = self._random.choices(list(order.choices), weights=list(order.choices.values()))[0]
        return parse(_with_operation(text, order.operation))


def _over(order: Fault, now: float) -> Fault | None:
    """A throttle if the rate is exceeded."""
    rate = float(order.argument or 0.0)
    most = max(1.0, rate * BURST)
    order.tokens, order.filled = min(most, order.tokens + rate * (now - order.filled)), now
    if order.tokens >= 1.0:
        order.tokens -= 1.0
        return None
    return Fault("error", order.operation, "throttled", retry_after=order.retry_after)


def _with_operation(text: str, operation: str) -> str:
    kind, _, rest = text.partition(":")
    return f"{kind}:{operation}" + (f":{rest}" if rest else "")


def parse(text: str) -> Fault:
    """The fault that a text means. Raises ConfigurationError, saying what is expected."""
    kind, _, rest = text.partition(":")
    operation, *words = rest.split(":")
    if kind not in KINDS or not operation:
        raise ConfigurationError(
            f"{text!r} is no fault", next_step=f"write KIND:OPERATION, such as throttle:sign:3; kinds: {' '.join(KINDS)}"
        )
    fault = Fault(kind, operation)
    try:
        _read_words(fault, words)
    except (ValueError, IndexError):
        raise ConfigurationError(
            f"cannot read the amounts of the fault {text!r}",
            next_step="after KIND:OPERATION come the seconds of latency and slow_drip, the calls a second of rate, or the name of an error; then 3 (times), 30s, 10%",
        ) from None
    return fault


def _read_words(fault: Fault, words: list[str]) -> None:
    if fault.kind == "throttle":
        fault.kind, fault.argument = "error", "throttled"
    elif fault.kind == "error":
        fault.argument = words.pop(0)
    elif fault.kind == "rate":
        fault.argument = float(words.pop(0))
    elif fault.kind in TAKE_SECONDS:
        fault.argument = float(words.pop(0).removesuffix("s"))
    for word in words:
        if word.endswith("%"):
            fault.probability = float(word[:-1]) / 100
        elif word.endswith("s"):
            fault.seconds = float(word[:-1])
        else:
            fault.times = int(word)
