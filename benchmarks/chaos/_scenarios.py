"""What is done to the provider, and who signs meanwhile."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import farsign
from farsign._base import events
from farsign.testing.emulator import LIES

from . import _load
from ._bare import SDKS, asynchronous
from ._cloud import Cloud
from ._load import Outcome

# What strikes, weighted: 500, 503, throttle, reset, slow (the provider's own names for the first two)
_STRIKES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "awskms": ("error:KMSInternalException", "error:DependencyTimeoutException"),
        "azurekms": ("error:unavailable", "error:unavailable"),
        "gcpkms": ("error:INTERNAL", "error:UNAVAILABLE"),
        "hashivault": ("error:unavailable", "error:unavailable"),
    }
)
WEIGHTS: Final = (25, 25, 25, 15, 10)
SLOW: Final = "latency:1.5"
PACED: Final = "paced tasks"  # as many as "tasks", at a rate that leaves the cores idle between
# A thousand tasks at once wait for what a core or two can sign, so their deadline is longer; the bare SDKs have none
POLICIES: Final = MappingProxyType({"threads": farsign.Policy(), "tasks": farsign.Policy(timeout=10.0), PACED: farsign.Policy()})

Act = Callable[[Cloud], object]


def _cleared(cloud: Cloud) -> None:
    cloud.ask("faults.clear")


# What befalls the first of two places, and how it ends
FATES: Final[Mapping[str, tuple[Act, Act]]] = MappingProxyType(
    {
        "one place dead": (lambda cloud: cloud.ask("close"), lambda cloud: cloud.ask("start")),
        "one place sick, 503": (lambda cloud: cloud.ask("faults.error", "sign", "unavailable"), _cleared),
        "one place throttling": (lambda cloud: cloud.ask("faults.throttle", "sign"), _cleared),
        "one place flaky, 60 % 503": (lambda cloud: cloud.ask("faults.mix", "sign", 0.6, {"error:unavailable": 1}), _cleared),
    }
)


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    signatures: int = 10_000
    threads: int = 32
    tasks: int = 1_000
    rate: int = 250  # signatures a second of paced tasks
    outage: int = 300  # of the bare SDKs, which may take minutes over it
    seconds: float = 10.0  # of offered load; that one of two places is not well, at least
    outages: int = 3  # to recover from


def strikes(scheme: str) -> dict[str, float]:
    internal, unavailable = _STRIKES.get(scheme, ("error:unavailable", "error:unavailable"))
    mix: dict[str, float] = {}
    for name, weight in zip((internal, unavailable, "throttle", "reset", SLOW), WEIGHTS, strict=True):
        mix[name] = mix.get(name, 0.0) + weight
    return mix


@contextmanager
def ours(cloud: Cloud, *failover: Cloud, policy: farsign.Policy | None = None) -> Iterator[farsign.SigningKey]:
    """A key of a signer of its own, resolved and warm; breakers and budgets start afresh."""
    from farsign._signer import endpoints

    endpoints._registry = endpoints._Registry()
    endpoints.endpoint = endpoints._registry.get
    with farsign.open_signer(cloud.key.uri, failover=[other.key.uri for other in failover], policy=policy) as signer:
        yield signer.check(timeout=10.0)


def faulty(cloud: Cloud, mode: str, who: str, percent: int, size: Size) -> Outcome:
    """``percent`` of the wire calls go wrong."""
    if who == "farsign":
        with ours(cloud, policy=POLICIES[mode]) as key:
            return _run(cloud, mode, key.sign, key.asign, percent, size)
    bare = SDKS[cloud.key.uri.partition(":")[0]][1](cloud)
    bare.sign(b"warm")
    return _run(cloud, mode, bare.sign, asynchronous(bare), percent, size)


def _run(cloud: Cloud, mode: str, sign: _load.Sign, asign: _load.AsyncSign, percent: int, size: Size) -> Outcome:
    before = cloud.wire_calls()
    if percent:
        cloud.ask("faults.mix", "sign", percent / 100, strikes(cloud.key.uri.partition(":")[0]))
    try:
        if mode == "threads":
            outcome = _load.threads(sign, size.signatures, size.threads)
        else:
            rate = size.rate if mode == PACED else math.inf
            outcome = asyncio.run(_load.tasks(asign, size.signatures, size.tasks, rate))
    finally:
        cloud.ask("faults.clear")
    outcome.wire_calls = cloud.wire_calls() - before
    outcome.check(cloud.key.public_key)
    return outcome


def lying(cloud: Cloud, who: str, size: Size) -> Outcome:
    """A fifth of the replies are well-formed, and wrong."""
    with ours(cloud) as key:
        sign = key.sign if who == "farsign" else SDKS[cloud.key.uri.partition(":")[0]][1](cloud).sign
        before = cloud.wire_calls()
        cloud.ask("faults.mix", "sign", 0.2, dict.fromkeys(LIES, 1.0))
        outcome = _load.threads(sign, size.signatures, size.threads)
        cloud.ask("faults.clear")
    outcome.wire_calls = cloud.wire_calls() - before
    outcome.check(cloud.key.public_key)
    return outcome


@dataclass
class Outage:
    outcome: Outcome
    while_open: float = 0.0  # seconds that the slowest of 1,000 calls of one thread took, the breaker being open
    recoveries: tuple[float, ...] = ()  # seconds from the provider's return to the first signature


def outage(cloud: Cloud, who: str, size: Size) -> Outage:
    """Every call is answered 503."""
    if who != "farsign":
        bare = SDKS[cloud.key.uri.partition(":")[0]][1](cloud)
        bare.sign(b"warm")
        before = cloud.wire_calls()
        cloud.ask("faults.error", "sign", "unavailable")
        outcome = _load.threads(bare.sign, size.outage, size.threads)
        outcome.wire_calls = cloud.wire_calls() - before
        cloud.ask("faults.clear")
        return Outage(outcome)
    with ours(cloud) as key:
        before = cloud.wire_calls()
        cloud.ask("faults.error", "sign", "unavailable")
        outcome = _load.threads(key.sign, size.signatures, size.threads)
        alone = _load.threads(key.sign, 1_000, 1)  # many threads that fail at once wait for the interpreter, not for us
        outcome.wire_calls = cloud.wire_calls() - before
        cloud.ask("faults.clear")
        recoveries = tuple(_recovery(cloud, key) for _ in range(size.outages))
    return Outage(outcome, max(alone.seconds), recoveries)


def _recovery(cloud: Cloud, key: farsign.SigningKey) -> float:
    """The provider is cut off for 3 s under load, then back."""
    stop, signed = threading.Event(), threading.Event()
    back = [float("inf")]
    first = [0.0]

    def work() -> None:
        while not stop.is_set():
            try:
                key.sign(b"again")
            except farsign.ProviderError:
                time.sleep(0.01)
            else:
                if time.perf_counter() > back[0] and not signed.is_set():
                    first[0] = time.perf_counter()
                    signed.set()

    running = [threading.Thread(target=work) for _ in range(8)]
    for thread in running:
        thread.start()
    cloud.ask("close")
    time.sleep(3.0)
    cloud.ask("start")
    back[0] = time.perf_counter()
    signed.wait(30)
    stop.set()
    for thread in running:
        thread.join()
    return first[0] - back[0] if first[0] else float("inf")


@dataclass
class Region:
    outcome: Outcome
    switches: int


def region(cloud: Cloud, fate: str, size: Size) -> Region:
    """The first of two places meets its fate in the middle third of the run, which takes some seconds at least; the second is well."""
    switches: list[events.Event] = []
    with cloud.twin() as other, ours(cloud, other) as key:
        before = cloud.wire_calls() + other.wire_calls()
        stop = farsign.observe(lambda event: switches.append(event) if isinstance(event, events.FailedOver) else None)
        outcome = _load.threads(key.sign, size.signatures // 3, size.threads)
        strike, cure = FATES[fate]
        strike(cloud)
        outcome.extend(_load.threads(key.sign, size.signatures // 3, size.threads, size.seconds))
        cure(cloud)
        outcome.extend(_load.threads(key.sign, size.signatures // 3, size.threads))
        outcome.wire_calls = cloud.wire_calls() + other.wire_calls() - before
        stop()
    outcome.check(cloud.key.public_key)
    return Region(outcome, len(switches))


def throttled(cloud: Cloud, size: Size, *, quota: float = 100.0, offering: float = 300.0) -> Outcome:
    """A quota of 100 a second, offered 300."""
    with ours(cloud) as key:
        before = cloud.wire_calls()
        cloud.ask("faults.rate", "sign", quota)
        outcome = asyncio.run(_load.offered(key.asign, offering, size.seconds))
        cloud.ask("faults.clear")
    outcome.wire_calls = cloud.wire_calls() - before
    outcome.check(cloud.key.public_key)
    return outcome
