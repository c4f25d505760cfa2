"""Two emulators of one provider that hold one key, for failing over from the first to the second; and a clock that never waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

import farsign
from farsign._plugin.discovery import backend, parse_uri
from farsign.errors import BackendNotInstalled, UnknownScheme
from farsign.testing.conformance import ShiftedClock
from farsign.testing.emulator import EmulatedKey, Emulator


class Place(NamedTuple):
    emulator: Emulator
    key: EmulatedKey


Twins = tuple[Place, Place]


class QuickClock(ShiftedClock):
    """Backoff takes no time, and counts as if it had."""

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        self.advance(seconds)


@pytest.fixture(scope="module")
def twins() -> Iterator[Callable[[str], Twins]]:
    """``twins("awskms")``: the same two for the whole module, without faults. Skips where the SDK is not installed."""
    running: dict[str, Twins] = {}
    started = ExitStack()

    def get(scheme: str) -> Twins:
        if scheme not in running or any(place.emulator._closing.is_set() for place in running[scheme]):
            first = _place(scheme)  # anew if a test has closed one: SDKs take their time to believe in its return
            running[scheme] = first, _twin(first, _place(scheme))
            for place in running[scheme]:
                started.callback(place.emulator.close)
                started.enter_context(open_key(place))  # the SDK's clients, which are slow to make and shared
        for place in running[scheme]:
            place.emulator.faults.clear()
            place.emulator.log.clear()
        return running[scheme]

    with started:
        yield get


def _place(scheme: str) -> Place:
    try:
        emulator = backend(scheme).emulator()
    except (BackendNotInstalled, UnknownScheme) as error:
        pytest.skip(str(error))
    assert emulator is not None
    return Place(emulator.start(), emulator.create_key("ES256"))


def _twin(first: Place, second: Place) -> Place:
    """The second place with the first one's private key."""
    mine, theirs = (place.emulator.keys.keys[place.key.name].versions[place.key.version_id] for place in (first, second))
    theirs.private = mine.private
    for derived in ("public_key", "spki"):
        theirs.__dict__.pop(derived, None)
    return second


def open_key(*places: Place, policy: farsign.Policy | None = None) -> farsign.Signer:
    """A Signer for a pinned version, which needs no list; every place after the first is for failover."""
    first, *others = [parse_uri(place.key.pinned) for place in places]
    plugin = backend(first.scheme)
    openers = [lambda uri=uri: plugin.open(uri, ()) for uri in (first, *others)]
    return farsign.Signer(openers[0], failover=openers[1:], policy=policy, alg="ES256", name=repr(str(first)), clock=QuickClock())
