"""Faults that a test can order: what happens, to which operation, how often. Seeded, so that a run can be repeated."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

from farsign.errors import ConfigurationError

from ._operations import Operations
from ._orders import LIES, Fault, check_choices, choice, parse

BURST: Final = 0.1  # seconds of a rate that may come at once


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
        """From text, as ``farsign emulate --help`` explains it. Raises ConfigurationError if it cannot be read."""
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
        check_choices(choices, operation)
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
        if order.kind == "rate" and not _is_over(order, now):
            return None
        if order.times is not None:
            order.times -= 1
        if order.kind == "rate":
            return Fault("error", order.operation, "throttled", retry_after=order.retry_after)
        if order.kind == "mix":
            return choice(self._random.choices(list(order.choices), weights=list(order.choices.values()))[0], order.operation)
        return order


def _is_over(order: Fault, now: float) -> bool:
    """Whether the rate is exceeded."""
    rate = float(order.argument or 0.0)
    most = max(1.0, rate * BURST)
    order.tokens, order.filled = min(most, order.tokens + rate * (now - order.filled)), now
    if order.tokens >= 1.0:
        order.tokens -= 1.0
        return False
    return True
