"""The error table, walked: every row is ordered from the provider's emulator, on the wire, and met through the provider's own SDK."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from error_page import PAGE, PARTS, refreshed
from error_table import ATTEMPTS, DONE, SCHEMES, TABLE, Row, rows
from twins import Place, Twins, open_key, twins

import farsign
from farsign import errors
from farsign._base import events
from farsign._plugin import shared
from farsign.testing.conformance import verify

PATIENT = farsign.Policy(timeout=20.0, attempt_timeout=10.0, attempts=ATTEMPTS)
SHORT = farsign.Policy(timeout=20.0, attempt_timeout=0.2, attempts=ATTEMPTS)  # for what takes all the time that it gets
ROWS = list(rows())
EACH = list({(row.scheme, row.situation.what): row for row in reversed(ROWS)}.values())[::-1]  # one name of each situation
MESSAGE = b"message"
__all__ = ["twins"]


class Seen:
    """What happened inside."""

    def __init__(self) -> None:
        self.attempts: Counter[str] = Counter()  # by operation
        self.refreshes = 0

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.Attempt):
            self.attempts[event.operation] += 1
        self.refreshes += isinstance(event, events.CredentialsRefreshed)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    monkeypatch.setattr(shared, "ONCE_IN", 0.0)  # the emulators are the module's, and a row before this one may have refreshed
    watching = Seen()
    stop = farsign.observe(watching)
    yield watching
    stop()


def policy_for(row: Row) -> farsign.Policy:
    return SHORT if row.situation.wire == "stall" else PATIENT


def strike(place: Place, row: Row) -> None:
    """From now on every signature there meets that."""
    if row.situation.wire == "closed":
        place.emulator.close()
    else:
        place.emulator.faults.order(row.fault)


def signed_then_failed(key: farsign.SigningKey, place: Place, row: Row) -> errors.ProviderError:
    """Once without the fault, so that there is a kept connection, then with it."""
    key.sign(MESSAGE)
    place.emulator.log.clear()
    strike(place, row)
    with pytest.raises(errors.ProviderError) as caught:
        key.sign(MESSAGE)
    return caught.value


async def asigned_then_failed(key: farsign.SigningKey, place: Place, row: Row) -> errors.ProviderError:
    await key.asign(MESSAGE)
    place.emulator.log.clear()
    strike(place, row)
    with pytest.raises(errors.ProviderError) as caught:
        await key.asign(MESSAGE)
    return caught.value


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_class_and_what_is_done(row: Row, twins: Callable[[str], Twins], seen: Seen) -> None:
    """It does not pass: attempts, wire calls and refreshes are those of the table."""
    as_tabled(row, twins, seen, native=False)


@pytest.mark.parametrize("row", EACH, ids=str)
def test_the_same_under_asyncio(row: Row, twins: Callable[[str], Twins], seen: Seen) -> None:
    as_tabled(row, twins, seen, native=True)


def as_tabled(row: Row, twins: Callable[[str], Twins], seen: Seen, *, native: bool) -> None:
    place, _ = twins(row.scheme)
    with open_key(place, policy=policy_for(row)) as signer:
        key = signer.key()
        error = asyncio.run(asigned_then_failed(key, place, row)) if native else signed_then_failed(key, place, row)
    assert type(error) is row.situation.error
    assert error.next_step
    assert place.emulator.calls("sign") == row.calls
    assert seen.attempts["sign"] == 1 + row.done.attempts
    assert seen.refreshes == row.done.refreshes


@pytest.mark.parametrize("row", EACH, ids=str)
def test_what_a_failover_does(row: Row, twins: Callable[[str], Twins], seen: Seen) -> None:
    """Another place holds the same key: it signs at once, or, where the table says no, is not asked."""
    first, second = twins(row.scheme)
    with open_key(first, second, policy=policy_for(row)) as signer:
        key = signer.key()
        strike(first, row)
        if row.done.elsewhere:
            verify(key.public_key(), "ES256", key.sign(MESSAGE), MESSAGE)
        else:
            with pytest.raises(row.situation.error):
                key.sign(MESSAGE)
    assert second.emulator.calls("sign") == row.done.elsewhere
    assert first.emulator.calls("sign") == (row.first if row.done.elsewhere else row.calls)
    assert seen.attempts["sign"] == (2 if row.done.elsewhere else row.done.attempts)


@pytest.mark.parametrize("row", [row for row in EACH if row.done.attempts > 1 and row.situation.wire != "closed"], ids=str)
def test_what_passes_is_survived(row: Row, twins: Callable[[str], Twins], seen: Seen) -> None:
    """It strikes one attempt only: the next one signs."""
    place, _ = twins(row.scheme)
    with open_key(place, policy=policy_for(row)) as signer:
        key = signer.key()
        place.emulator.faults.order(f"{row.fault}:{row.first}")
        verify(key.public_key(), "ES256", key.sign(MESSAGE), MESSAGE)
    assert place.emulator.calls("sign") == row.first + 1
    assert seen.attempts["sign"] == 2
    assert seen.refreshes == row.done.refreshes


@pytest.mark.parametrize("scheme", SCHEMES)
def test_retry_after_counts_within_the_deadline(scheme: str, twins: Callable[[str], Twins]) -> None:
    """It is waited for if there is time; if not, the call fails at once and says how long to wait."""
    place, _ = twins(scheme)
    with open_key(place, policy=PATIENT) as signer:
        key = signer.key()
        clock = signer._calls.clock
        place.emulator.faults.throttle("sign", times=1, retry_after=7.0)
        before = clock.monotonic()
        verify(key.public_key(), "ES256", key.sign(MESSAGE), MESSAGE)
        assert 7.0 <= clock.monotonic() - before < 7.0 + 5.0
        place.emulator.faults.throttle("sign", retry_after=60.0)
        with pytest.raises(errors.Throttled) as caught:
            key.sign(MESSAGE)
    assert caught.value.retry_after == 60.0
    assert place.emulator.calls("sign") == 3


ADDRESS = {
    "azurekms": "check VAULT or endpoint=",
    "gcpkms": "check endpoint=",
    "hashivault": "check addr=, VAULT_ADDR or BAO_ADDR",
}


@pytest.mark.parametrize("scheme", ADDRESS)
def test_a_refused_connection_says_to_check_the_address(scheme: str, twins: Callable[[str], Twins]) -> None:
    place, _ = twins(scheme)
    place.emulator.close()
    with open_key(place, policy=farsign.Policy(attempts=1)) as signer, pytest.raises(errors.ProviderUnavailable) as caught:
        signer.key()
    assert not caught.value.answered
    assert ADDRESS[scheme] in str(caught.value.next_step)


# -- the table itself, and its page --------------------------------------------------------------------------------------------


def test_it_is_large_enough_and_says_each_thing_once() -> None:
    assert sum(row.scheme in ("awskms", "azurekms") for row in ROWS) >= 60
    assert len({(row.scheme, row.fault) for row in ROWS}) == len(ROWS)
    assert len({situation.what for situation in TABLE}) == len(TABLE)
    assert {scheme for situation in TABLE for scheme in situation.names} <= SCHEMES.keys()


def test_every_class_that_a_provider_can_cause_is_in_it() -> None:
    """Those left out are verdicts of farsign's own: deadlines, rotation, another issuer's key set."""
    ours = {errors.KeyChanged, errors.KeyNotPublished, errors.KeySetUnavailable, errors.DeadlineExceeded, errors.ProviderError}
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ProviderError)}
    assert {situation.error for situation in TABLE} == set(DONE) == kinds - ours


def test_the_page_shows_it() -> None:
    page = PAGE.read_text()
    assert all(mark in page for mark in PARTS)
    assert refreshed(page) == page, "python tests/support/error_page.py writes it anew"
