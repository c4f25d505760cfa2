"""Load, and what came of it."""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

import farsign

Sign = Callable[[bytes], bytes]  # message -> ECDSA P-256 signature over its SHA-256, r||s or DER
AsyncSign = Callable[[bytes], Awaitable[bytes]]


@dataclass
class Outcome:
    """Of one run. seconds: how long each call took, failed ones too. untyped: of the lost, those whose error is none of farsign's."""

    seconds: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)  # when each signature was there
    signed: list[tuple[bytes, bytes]] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    untyped: Counter[str] = field(default_factory=Counter)
    good: float = 0.0  # signatures a second while load was offered
    took: float = 0.0  # the whole run
    cpu: float = 0.0  # of this process
    wire_calls: int = 0
    wrong: int = 0

    @property
    def count(self) -> int:
        return len(self.seconds)

    def quantile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def note(self, data: bytes, started: float, signature: bytes | None, error: Exception | None) -> None:
        now = time.perf_counter()
        self.seconds.append(now - started)
        if signature is not None:
            self.signed.append((data, signature))
            self.ends.append(now)
        if error is not None:
            self.lost[type(error).__name__] += 1
            if not isinstance(error, farsign.FarsignError):
                self.untyped[type(error).__name__] += 1

    def extend(self, more: Outcome) -> None:
        """By a run that came after this one."""
        self.seconds += more.seconds
        self.ends += more.ends
        self.signed += more.signed
        self.lost.update(more.lost)
        self.untyped.update(more.untyped)
        self.took += more.took
        self.cpu += more.cpu

    def check(self, public_key: bytes) -> None:
        """Counts the wrong ones, from the public key alone."""
        key: Any = load_der_public_key(public_key)
        for data, signature in self.signed:
            raw = len(signature) == 64
            der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:])) if raw else signature
            try:
                key.verify(der, data, ec.ECDSA(hashes.SHA256()))
            except InvalidSignature:
                self.wrong += 1


def threads(sign: Sign, count: int, threads: int, seconds: float = 0.0) -> Outcome:
    """``count`` signatures, each thread one after the other; more, until so many seconds are over."""
    outcome, numbers, end = Outcome(), itertools.count(), time.perf_counter() + seconds

    def work() -> None:
        while (number := next(numbers)) < count or time.perf_counter() < end:
            _once(sign, outcome, b"message %d" % number)

    running = [threading.Thread(target=work) for _ in range(threads)]
    with _measured(outcome):
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    return outcome


def _once(sign: Sign, outcome: Outcome, data: bytes) -> None:
    started, signature, error = time.perf_counter(), None, None
    try:
        signature = sign(data)
    except Exception as failure:  # any is a loss; it is counted by its name
        error = failure
    outcome.note(data, started, signature, error)


async def tasks(asign: AsyncSign, count: int, tasks: int, per_second: float = math.inf) -> Outcome:
    """The same with tasks of one event loop, which start no more than so many a second together."""
    outcome, numbers = Outcome(), itertools.count()

    async def work() -> None:
        while (number := next(numbers)) < count:
            if (early := start + number / per_second - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            await _aonce(asign, outcome, b"message %d" % number)

    with _measured(outcome):
        start = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(tasks)))
    return outcome


async def _aonce(asign: AsyncSign, outcome: Outcome, data: bytes) -> None:
    started, signature, error = time.perf_counter(), None, None
    try:
        signature = await asign(data)
    except Exception as failure:  # as above
        error = failure
    outcome.note(data, started, signature, error)


async def offered(asign: AsyncSign, per_second: float, seconds: float) -> Outcome:
    """So many calls a second, whether they are answered or not."""
    outcome = Outcome()
    with _measured(outcome):
        start, running = time.perf_counter(), []
        for number in range(int(per_second * seconds)):
            await asyncio.sleep(max(0.0, start + number / per_second - time.perf_counter()))
            running.append(asyncio.create_task(_aonce(asign, outcome, b"message %d" % number)))
        await asyncio.gather(*running)
    outcome.good = sum(end <= start + seconds for end in outcome.ends) / seconds
    return outcome


class _measured:  # noqa: N801 - used as a function
    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def __enter__(self) -> None:
        self._started, self._cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self._outcome.took = time.perf_counter() - self._started
        self._outcome.cpu = time.process_time() - self._cpu
