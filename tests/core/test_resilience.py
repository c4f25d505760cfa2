"""RULES 18-20, 23 and 36: what retries cost, when an endpoint is left alone, and where else a signature may come from."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import deque
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fakekms import AsyncDriver, FakeClock, FakeDriver, FakeKMS, ListingDriver, WatchedDriver, flip

import farsign
from farsign import errors
from farsign._base import encodings, events
from farsign._base.policy import Policy
from farsign._signer import endpoints
from farsign._signer.funnel import Operation
from farsign._signer.signer import Signer
from farsign._signer.turns import Turn
from farsign.driver import KeyDescription, SignReply, SignRequest


def pair(driver: type[FakeDriver] = FakeDriver, *, same_key: bool = True, clock: FakeClock | None = None, **policy: object):
    """Two places with one key, named a and b, and a signer that prefers the first."""
    a, b = FakeKMS(), FakeKMS()
    if same_key:
        b.latest.private = a.latest.private
    b.latest.id = "replica-v1"
    signer = Signer(lambda: driver(a), failover=[lambda: driver(b)], clock=clock or FakeClock(), policy=Policy(**policy))
    return a, b, signer


class Broken(deque):
    """Errors without end."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code

    def popleft(self) -> str:
        return self.code

    def __bool__(self) -> bool:
        return True


def test_what_the_provider_said_is_not_hidden_by_a_last_attempt_that_never_started() -> None:
    operation = Operation(Policy(timeout=5.0), FakeClock())
    operation.begin()
    operation.failed(errors.Throttled("slow down"))
    operation.begin()
    with pytest.raises(errors.Throttled, match="slow down; 2 attempts"):
        operation.failed(Turn(1.0, 1.0).too_late())


def test_rules_19_a_budget_after_a_million_successes_is_still_a_hundred() -> None:
    endpoint = endpoints.Endpoint("e")
    for _ in range(1_000_000):
        endpoint.succeeded(0.0, 0.001)
    paid = 0
    while endpoint.pay():
        paid += 1
    assert paid == 100


def test_rules_19_a_full_outage_costs_few_extra_calls_and_then_none() -> None:
    kms, clock = FakeKMS(), FakeClock()
    key = Signer(lambda: FakeDriver(kms), clock=clock).key()
    kms.errors["sign"] = Broken("unavailable")
    for _ in range(5_000):
        with pytest.raises(errors.ProviderUnavailable):
            key.sign(b"x")
    assert kms.count("sign") < 250


def test_rules_19_a_forked_child_starts_with_ten() -> None:
    endpoint = endpoints.Endpoint("e")
    endpoint.after_fork()
    assert sum(endpoint.pay() for _ in range(50)) == 10


def test_rules_20_the_breaker_opens_at_half_of_twenty_and_probes_every_five_seconds() -> None:
    kms, clock, seen = FakeKMS(), FakeClock(), []
    key = Signer(lambda: FakeDriver(kms), clock=clock, policy=Policy(attempts=1)).key()
    for _ in range(10):
        key.sign(b"x")
    stop = farsign.observe(seen.append)
    kms.errors["sign"] = Broken("unavailable")
    tries = 0
    while not any(isinstance(event, events.Breaker) for event in seen):
        with pytest.raises(errors.ProviderUnavailable):
            key.sign(b"x")
        tries += 1
    assert 10 <= tries <= 12
    calls = kms.count("sign")
    started = time.monotonic()
    with pytest.raises(errors.ProviderUnavailable) as caught:
        key.sign(b"x")
    assert time.monotonic() - started < 0.25  # five-fold slack on 50 ms
    assert 0 < caught.value.retry_after <= 5
    assert kms.count("sign") == calls
    clock.advance(5.0)
    for _ in range(5):
        with pytest.raises(errors.ProviderUnavailable):
            key.sign(b"x")
    assert kms.count("sign") == calls + 1, "one probe"
    kms.errors["sign"] = deque()
    clock.advance(5.0)
    key.sign(b"x")
    key.sign(b"x")
    stop()
    assert [event.state for event in seen if isinstance(event, events.Breaker)] == ["open", "closed"]


@pytest.mark.parametrize("code", ["throttled", "denied", "disabled", "expired", "not-found"])
def test_rules_20_an_error_about_one_key_means_the_endpoint_answered(code: str) -> None:
    kms, clock = FakeKMS(pinned=True), FakeClock()
    key = Signer(lambda: FakeDriver(kms), clock=clock, policy=Policy(attempts=1)).key()
    kms.errors["sign"] = Broken(code)
    for _ in range(60):
        with pytest.raises(errors.ProviderError):
            key.sign(b"x")
        clock.advance(6.0)
    assert not endpoints.endpoint(kms.endpoint, clock).open


def test_one_disabled_key_beside_healthy_ones_costs_them_nothing() -> None:
    clock, sick = FakeClock(), FakeKMS()
    healthy = [FakeKMS(endpoint=sick.endpoint) for _ in range(99)]
    keys = [Signer(lambda kms=kms: FakeDriver(kms), clock=clock).key() for kms in (sick, *healthy)]
    sick.latest.enabled = False
    for _ in range(10):
        with pytest.raises(errors.KeyDisabled):
            keys[0].sign(b"x")
        for key in keys[1:]:
            key.sign(b"x")
    assert not endpoints.endpoint(sick.endpoint, clock).open


def test_rules_20_five_in_a_row_that_nobody_answered_open_it_too() -> None:
    kms = FakeKMS()
    key = Signer(lambda: WatchedDriver(kms), policy=Policy(attempt_timeout=0.06, timeout=1.0)).key()
    kms.delay = 0.4
    with pytest.raises(errors.ProviderError):
        key.sign(b"x")
    with pytest.raises(errors.ProviderUnavailable, match="asked again"):
        key.sign(b"x")


def test_rules_20_silence_from_before_the_last_answer_says_nothing() -> None:
    """Of many calls at once some hang: their ends come in a row, long after others were answered."""
    endpoint, silence = endpoints.Endpoint("e"), errors.ProviderUnavailable("silent", answered=False)
    endpoint.succeeded(10.0, 0.01)
    for _ in range(8):
        assert not endpoint.failed(10.5, silence, started=9.5)
    assert not endpoint.open
    for _ in range(4):
        assert not endpoint.failed(11.0, silence, started=10.2)
    assert endpoint.failed(11.0, silence, started=10.2)
    assert endpoint.open


def test_rules_20_a_caller_in_a_hurry_does_not_open_the_breaker_for_others() -> None:
    kms = FakeKMS(delay=0.15)
    key = Signer(lambda: WatchedDriver(kms)).check()
    kms.delay = 0.5
    for _ in range(6):
        with pytest.raises(errors.ProviderError):
            key.sign(b"x", timeout=0.4)
    key.sign(b"x", timeout=5.0)


def test_the_time_of_an_attempt_begins_when_a_thread_takes_it_up() -> None:
    """Twelve calls of 0.15 s on two threads: the last one waits 0.75 s, and has its attempt of 0.25 s all the same."""
    kms = FakeKMS()
    signer = Signer(lambda: WatchedDriver(kms), policy=Policy(concurrency=2, attempt_timeout=0.25, timeout=5.0))
    key = signer.check()
    kms.delay, failed = 0.15, []

    def work() -> None:
        try:
            key.sign(b"x")
        except errors.FarsignError as error:
            failed.append(error)

    before = kms.count("sign")
    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert kms.count("sign") == before + 12
    assert kms.opened == 1, "no client was given up"


@pytest.mark.parametrize("driver", [WatchedDriver, AsyncDriver])
def test_a_thousand_tasks_on_few_places_lose_nothing(driver: type[FakeDriver]) -> None:
    import asyncio

    kms = FakeKMS()
    signer = Signer(lambda: driver(kms), policy=Policy(concurrency=20, attempt_timeout=0.5, timeout=20.0))

    async def run() -> list[bytes]:
        key = await signer.akey()
        kms.delay = 0.0005
        return await asyncio.gather(*(key.asign(b"x") for _ in range(1_000)))

    assert len(asyncio.run(run())) == 1_000
    assert kms.count("sign") == 1_000
    assert kms.opened <= 2


def test_cancelled_tasks_give_their_places_back() -> None:
    import asyncio

    kms = FakeKMS()
    signer = Signer(lambda: AsyncDriver(kms), policy=Policy(concurrency=2, timeout=5.0))

    async def run() -> None:
        key = await signer.akey()
        kms.delay = 0.2
        for wait in (0.0, 0.01, 0.21):
            tasks = [asyncio.create_task(key.asign(b"x")) for _ in range(6)]
            await asyncio.sleep(wait)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        kms.delay = 0.0
        started = time.monotonic()
        await asyncio.gather(*(key.asign(b"x") for _ in range(2)))
        assert time.monotonic() - started < 0.5

    asyncio.run(run())


def test_who_has_no_place_in_time_is_told_so() -> None:
    kms = FakeKMS()
    signer = Signer(lambda: WatchedDriver(kms), policy=Policy(concurrency=1))
    key = signer.check()
    kms.delay = 0.7
    thread = threading.Thread(target=key.sign, args=(b"x",), kwargs={"timeout": 3.0})
    thread.start()
    time.sleep(0.1)
    started = time.monotonic()
    with pytest.raises(errors.ProviderUnavailable, match="too many calls") as caught:
        key.sign(b"x", timeout=0.3)
    assert time.monotonic() - started < 0.3 + 0.25
    assert "concurrency" in caught.value.next_step
    thread.join()
    assert not signer.legs[0].endpoint.open


def test_an_attempt_that_fits_is_made_rather_than_waited_past() -> None:
    """Backoff takes at most half of what is left, so that a last attempt is made."""
    kms, clock = FakeKMS(), FakeClock()
    key = Signer(lambda: FakeDriver(kms), clock=clock, policy=Policy(timeout=0.5)).key()
    for _ in range(30):
        before = kms.count("sign")
        kms.errors["sign"].extend(["throttled"] * 3)
        key.sign(b"x")
        assert kms.count("sign") == before + 4


def test_rules_32_throttling_is_logged_once_a_minute_and_told_to_observers_each_time(caplog: pytest.LogCaptureFixture) -> None:
    kms, clock, told = FakeKMS(), FakeClock(), []
    key = Signer(lambda: FakeDriver(kms), clock=clock).key()
    stop = farsign.observe(lambda event: told.append(event) if isinstance(event, events.Throttling) else None)
    for _ in range(3):
        kms.errors["sign"].extend(["throttled"] * 2)
        key.sign(b"x")
    assert [record.message for record in caplog.records] == [f"{kms.endpoint}: throttled"]
    assert len(told) == 6
    clock.advance(61)
    kms.errors["sign"].append("throttled")
    key.sign(b"x")
    stop()
    assert len(caplog.records) == 2


def test_rules_18_no_attempt_starts_with_less_than_twice_the_median_left() -> None:
    endpoint = endpoints.Endpoint("e")
    for _ in range(500):
        endpoint.succeeded(0.0, random.uniform(0.09, 0.11))
    assert 0.08 < endpoint.median < 0.12
    operation = Signer(lambda: FakeDriver(FakeKMS()), clock=FakeClock()).operation(0.15)
    operation.begin(endpoint.median)
    with pytest.raises(errors.DeadlineExceeded):
        operation.begin(endpoint.median)


def test_rules_18_an_endpoint_that_was_slow_can_show_that_it_no_longer_is() -> None:
    """Twice its median is more than the timeout. Were no attempt started, none could ever be answered."""
    key = Signer(lambda: FakeDriver(FakeKMS()), clock=FakeClock()).check()
    endpoint = key._signer._calls._attempts.route.legs[0].endpoint
    for _ in range(300):
        endpoint.succeeded(0.0, 2.0)
    assert 2 * endpoint.median > Policy().timeout
    for _ in range(100):
        key.sign(b"x")
    assert endpoint.median < 0.1


def test_rules_18_a_cold_start_stops_no_retry() -> None:
    """The first answer waited for imports, a connection and a token: that is not what an attempt usually takes."""
    endpoint = endpoints.Endpoint("e")
    endpoint.succeeded(0.0, 1.5)
    assert endpoint.median == 0.0
    for _ in range(5):
        endpoint.succeeded(0.0, 0.01)
    assert endpoint.median < 0.02


def test_retry_after_is_honoured_only_within_the_deadline() -> None:
    kms, clock = FakeKMS(), FakeClock()
    key = Signer(lambda: FakeDriver(kms), clock=clock).key()
    kms.errors["sign"].append(errors.Throttled("slow down", retry_after=1.0))
    key.sign(b"x")
    assert sum(clock.slept) >= 1.0
    kms.errors["sign"].append(errors.Throttled("slow down", retry_after=60.0))
    before = clock.now
    with pytest.raises(errors.Throttled) as caught:
        key.sign(b"x")
    assert caught.value.retry_after == 60.0
    assert clock.now == before, "it does not sleep first to fail later"


def test_rules_36_failover_signs_at_the_other_place_with_its_own_version() -> None:
    a, b, signer = pair()
    key = signer.check()
    assert (a.count("sign"), b.count("sign"), b.count("describe")) == (1, 1, 1)
    a.errors["sign"] = Broken("unavailable")
    for _ in range(100):
        key.checker("ES256", "message")(key.sign(b"x"), b"x")
    assert b.count("sign") == 1 + 100
    assert a.count("sign") < 30, "the breaker spares the dead one"


def test_one_place_dead_mid_run_loses_nothing_and_switches_twice() -> None:
    clock = FakeClock()
    a, _, signer = pair(clock=clock)
    seen: list[object] = []
    stop = farsign.observe(seen.append)
    key = signer.check()
    for phase in (deque(), Broken("unavailable"), deque()):
        a.errors["sign"] = phase
        for _ in range(200):
            key.sign(b"x")
            clock.advance(0.1)
    stop()
    switched = [event.endpoint for event in seen if isinstance(event, events.FailedOver)]
    assert 1 <= len(switched) <= 2
    assert a.calls[-1] == "sign", "it went back"


def test_rules_36_another_public_key_is_refused_by_check_and_never_signs() -> None:
    a, b, signer = pair(same_key=False)
    with pytest.raises(errors.KeyMismatch, match="does not hold the public key"):
        signer.check()
    key = signer.key()
    a.errors["sign"] = Broken("unavailable")
    with pytest.raises(errors.ProviderUnavailable):
        key.sign(b"x")
    assert b.count("sign") == 0


@pytest.mark.parametrize("code", ["throttled", "unavailable", "not-found", "disabled"])
def test_the_error_table_goes_elsewhere_without_waiting(code: str) -> None:
    a, b, signer = pair(clock=(clock := FakeClock()))
    key = signer.check()
    a.errors["sign"] = Broken(code)
    key.sign(b"x")
    assert b.count("sign") == 1 + 1
    assert clock.slept == []


@pytest.mark.parametrize("code", ["denied", "expired"])
def test_the_error_table_stays(code: str) -> None:
    a, b, signer = pair()
    key = signer.check()
    a.errors["sign"] = Broken(code)
    with pytest.raises(errors.ProviderError):
        key.sign(b"x")
    assert b.count("sign") == 1, "check()'s"


def test_a_definite_no_at_one_place_is_remembered_for_a_while() -> None:
    clock = FakeClock()
    a, b, signer = pair(clock=clock)
    key = signer.check()
    a.latest.enabled = False
    for _ in range(50):
        key.sign(b"x")
    assert a.count("sign") == 2
    a.latest.enabled = True
    clock.advance(31)
    key.sign(b"x")
    assert a.count("sign") == 3
    assert b.count("sign") == 1 + 50


def test_rules_36_a_cold_start_at_the_other_place_takes_a_thumbprint() -> None:
    """Nothing else says there which key it has to be."""
    a, b, signer = pair()
    expected = Signer(lambda: FakeDriver(a), clock=FakeClock()).key().thumbprint
    a.errors["describe"] = a.errors["sign"] = Broken("unavailable")
    with pytest.raises(errors.ProviderUnavailable):
        signer.key()
    assert b.calls == []
    pinned = Signer(lambda: FakeDriver(a), failover=[lambda: FakeDriver(b)], clock=FakeClock(), thumbprint=expected)
    key = pinned.key()
    key.checker("ES256", "message")(key.sign(b"x"), b"x")
    assert (key.version, key.thumbprint) == ("replica-v1", expected)
    other = Signer(lambda: FakeDriver(a), failover=[lambda: FakeDriver(FakeKMS())], clock=FakeClock(), thumbprint=expected)
    with pytest.raises(errors.ProviderUnavailable):
        other.key()


def test_rules_36_a_look_up_at_the_other_place_brings_no_other_key() -> None:
    clock = FakeClock()
    a, b, signer = pair(same_key=False, clock=clock, publish_lead=0.0)
    kid = signer.key().kid
    a.errors["describe"] = a.errors["sign"] = Broken("unavailable")
    for _ in range(20):
        clock.advance(60)
        signer.key()
        signer._resolver.fetch().future.exception(10)
    assert b.count("describe") > 0
    assert {key.kid for key in signer.published()} == {kid}
    assert b.count("sign") == 0


@pytest.mark.parametrize("code", ["throttled", "unavailable", "key-unavailable"])
def test_a_sick_first_place_loses_nothing_while_the_other_is_well(code: str) -> None:
    """What is asked elsewhere for the first time is no retry: no budget pays it. 300 a second, far past a budget of 100."""
    clock = FakeClock()
    a, b, signer = pair(clock=clock)
    key = signer.check()
    for number in range(3_000):
        a.errors["sign"] = Broken(code) if number >= 1_500 else deque()
        key.sign(b"x")
        clock.advance(1 / 300)
    assert b.count("sign") == 1 + 1_500
    assert clock.slept == []


def test_two_sick_places_are_waited_for() -> None:
    """One attempt at each, then backoff and budget as with one."""
    clock = FakeClock()
    a, b, signer = pair(clock=clock)
    key = signer.check()
    a.errors["sign"], b.errors["sign"] = Broken("throttled"), Broken("throttled")
    with pytest.raises(errors.Throttled):
        key.sign(b"x")
    assert len(clock.slept) >= 2
    assert abs(a.count("sign") - b.count("sign")) <= 1, "turn by turn"
    assert (a.count("sign") + b.count("sign") - 2) <= Policy().attempts


def test_in_a_full_outage_of_two_places_the_budgets_bound_what_is_asked() -> None:
    clock = FakeClock()
    a, b, signer = pair(clock=clock)
    key = signer.check()
    a.errors["sign"], b.errors["sign"] = Broken("throttled"), Broken("throttled")
    for _ in range(1_000):
        with pytest.raises(errors.Throttled):
            key.sign(b"x", timeout=0.2)
    assert a.count("sign") + b.count("sign") <= 2 + 2 * 1_000 + 2 * 100


def test_one_operation_asks_two_places_at_most_and_the_next_one_another_second() -> None:
    places, clock = [FakeKMS(), FakeKMS(), FakeKMS()], FakeClock()
    for kms in places[1:]:
        kms.latest.private = places[0].latest.private
    first, *others = [lambda kms=kms: FakeDriver(kms) for kms in places]
    signer = Signer(first, failover=others, clock=clock)
    key = signer.check()
    places[0].errors["sign"], places[1].errors["sign"] = Broken("throttled"), Broken("throttled")
    with pytest.raises(errors.Throttled):
        key.sign(b"x")
    assert places[2].count("sign") == 1, "check()'s"
    for _ in range(10):
        key.sign(b"x")
    assert places[2].count("sign") == 1 + 10


def test_a_place_that_keeps_failing_is_gone_back_to_ever_more_rarely() -> None:
    """60 % of 503s for ten minutes, 20 signatures a second: without memory that were a switch every seven seconds."""
    clock, dice = FakeClock(), random.Random(7)
    a, _, signer = pair(clock=clock)
    key = signer.check()

    class Flaky(Broken):
        def __bool__(self) -> bool:
            return dice.random() < 0.6

    a.errors["sign"] = Flaky("unavailable")
    seen: list[object] = []
    stop = farsign.observe(seen.append)
    for _ in range(600 * 20):
        key.sign(b"x")
        clock.advance(0.05)
    a.errors["sign"] = deque()
    for _ in range(400 * 20):
        key.sign(b"x")
        clock.advance(0.05)
    stop()
    assert 2 <= sum(isinstance(event, events.FailedOver) for event in seen) <= 16
    assert a.calls[-1] == "sign", "it is back where it prefers to be"


def test_a_failover_to_another_key_costs_the_first_place_no_retry() -> None:
    a, b, signer = pair(same_key=False)
    key = signer.key()
    for _ in range(3):
        a.errors["sign"].extend(["unavailable"] * 2)
        key.checker("ES256", "message")(key.sign(b"x"), b"x")
    assert (b.count("sign"), b.count("describe")) == (0, 1)


def test_check_says_nothing_good_of_a_place_that_it_does_not_ask() -> None:
    a, b, signer = pair()
    key = signer.check()
    a.errors["sign"] = a.errors["describe"] = Broken("unavailable")
    for _ in range(40):
        key.sign(b"x")
    asked = len(a.calls)
    assert signer.legs[0].endpoint.open
    seen: list[object] = []
    stop = farsign.observe(seen.append)
    for _ in range(10):
        signer.check()
    stop()
    assert signer.legs[0].endpoint.open
    assert len(a.calls) == asked
    assert {event.endpoint for event in seen if isinstance(event, events.Attempt)} == {b.endpoint}


def test_check_signs_at_each_place_once() -> None:
    a, b, signer = pair()
    b.errors["sign"].append("denied")
    with pytest.raises(errors.PermissionDenied) as caught:
        signer.check()
    assert caught.value.endpoint == b.endpoint
    for _ in range(3):
        signer.check()
    assert (a.count("sign"), b.count("sign")) == (1 + 3, 1 + 1)


def test_a_failover_that_lacks_a_new_key_does_not_make_a_running_signer_unfit() -> None:
    """It signed by the old one; a readiness probe that failed now would turn the loss of a spare into an outage."""
    clock = FakeClock()
    a, b, signer = pair(clock=clock, publish_lead=0.0)
    old = signer.check()
    a.rotate()
    clock.advance(400)
    signer.key()
    signer._resolver.fetch().future.exception(10)
    new = signer.check()
    assert new.kid != old.kid
    asked = len(b.calls)
    signer.check()
    assert len(b.calls) == asked, "it rests"
    clock.advance(31)
    b.latest.private = a.latest.private
    signer.check()
    assert b.count("sign") == 2


@pytest.mark.parametrize("native", [False, True])
def test_a_place_with_other_ways_signs_in_its_own(native: bool) -> None:
    """Another provider's copy of the key: it takes the message, not a digest, and says r||s where the first says DER."""
    import asyncio

    base = AsyncDriver if native else FakeDriver

    class Other(base):
        def describe(self, version: str | None = None, *, timeout: float) -> KeyDescription:
            return replace(super().describe(version, timeout=timeout), ecdsa="raw", inputs={"ES256": {"message": None}})

        def sign(self, request: SignRequest, *, timeout: float) -> SignReply:
            self.kms.enter("sign")
            assert request.form == "message"
            der = self.kms.latest.private.sign(request.data, ec.ECDSA(hashes.SHA256()))
            return SignReply(encodings.der_to_raw(der, "P-256"), request.version)

    a, b = FakeKMS(), FakeKMS()
    b.latest.private = a.latest.private
    signer = Signer(lambda: base(a), failover=[lambda: Other(b)], clock=FakeClock())
    key = asyncio.run(signer.acheck()) if native else signer.check()
    a.errors["sign"] = Broken("unavailable")
    signature = asyncio.run(key.asign(b"x")) if native else key.sign(b"x")
    key.checker("ES256", "message")(signature, b"x")
    assert b.count("sign") == 2


def test_who_waits_for_a_proof_has_a_deadline_of_his_own() -> None:
    gone = threading.Event()

    class Hangs(FakeDriver):
        def describe(self, version: str | None = None, *, timeout: float):
            gone.wait(3)
            return super().describe(version, timeout=timeout)

    a, b = FakeKMS(), FakeKMS()
    b.latest.private = a.latest.private
    signer = Signer(lambda: FakeDriver(a), failover=[lambda: Hangs(b)])
    key = signer.key()
    a.errors["sign"] = Broken("unavailable")

    def wait() -> None:
        with contextlib.suppress(errors.ProviderError):
            key.sign(b"x", timeout=5.0)

    patient = threading.Thread(target=wait)
    patient.start()
    time.sleep(0.1)
    started = time.monotonic()
    with pytest.raises(errors.ProviderError):
        key.sign(b"x", timeout=0.2)
    took = time.monotonic() - started
    gone.set()
    patient.join()
    assert took < 0.2 + 0.05 * 5


@pytest.mark.parametrize("code", ["not-found", "disabled", "denied"])
def test_a_definite_no_to_the_first_look_up_is_the_answer_for_a_second(code: str) -> None:
    kms, clock = FakeKMS(), FakeClock()
    signer = Signer(lambda: FakeDriver(kms), clock=clock)
    kms.errors["describe"] = Broken(code)
    for _ in range(50):
        with pytest.raises(errors.ProviderError) as caught:
            signer.key()
        assert caught.value.code == code
    asked = kms.count("describe")
    assert asked <= 2, "not-found is asked twice to be sure"
    kms.errors["describe"] = deque()
    signer.invalidate()
    signer.key()
    assert kms.count("describe") == asked + 1


def test_a_policy_that_believes_nothing_asks_each_time() -> None:
    kms, clock = FakeKMS(), FakeClock()
    signer = Signer(lambda: FakeDriver(kms), clock=clock, policy=Policy(stale=0.0))
    for _ in range(3):
        signer.key().sign(b"x")
    kms.errors["describe"] = Broken("unavailable")
    clock.advance(400)
    with pytest.raises(errors.ProviderUnavailable):
        signer.key()


def test_a_lying_place_is_left_for_the_other() -> None:
    a, b, signer = pair()
    key = signer.check()
    a.replies.extend([flip] * 10)
    key.checker("ES256", "message")(key.sign(b"x"), b"x")
    assert b.count("sign") == 1 + 1


def test_a_place_with_versions_is_searched_for_the_same_key() -> None:
    a, b, signer = pair(ListingDriver)
    b.rotate()
    signer.check()
    a.errors["sign"] = Broken("unavailable")
    signer.key().sign(b"x")
    assert b.count("sign") == 1 + 1


def test_failover_works_from_coroutines_and_natively() -> None:
    import asyncio

    for driver in (FakeDriver, AsyncDriver):
        a, b, signer = pair(driver)

        async def work(signer: Signer = signer, a: FakeKMS = a) -> None:
            key = await signer.acheck()
            a.errors["sign"] = Broken("unavailable")
            for _ in range(20):
                key.checker("ES256", "message")(await key.asign(b"x"), b"x")
            await signer.aclose()

        asyncio.run(work())
        assert b.count("sign") == 1 + 20


def test_a_brief_backoff_under_asyncio_passes_on_the_workers_thread() -> None:
    """A loop that is busy with a thousand tasks would take seconds to come back to it. A longer one holds no thread."""
    import asyncio

    class Watched(FakeClock):
        here = threading.current_thread()

        def sleep(self, seconds: float) -> None:
            assert threading.current_thread() is not self.here
            super().sleep(seconds)

        async def asleep(self, seconds: float) -> None:
            assert seconds > 0.05
            super().sleep(seconds)

    kms, clock = FakeKMS(), Watched()
    signer = Signer(lambda: FakeDriver(kms), clock=clock)

    async def work() -> None:
        key = await signer.akey()
        kms.errors["sign"].extend(["unavailable", errors.Throttled("slow down", retry_after=0.5)])
        key.checker("ES256", "message")(await key.asign(b"x", timeout=60.0), b"x")

    asyncio.run(work())
    brief, longer = clock.slept
    assert brief < 0.05 < longer


def test_twenty_percent_faults_lose_nothing() -> None:
    """Short form of the soak: seeded faults, 2,000 signatures on 8 threads, against the arithmetic of RELIABILITY 4."""
    kms, dice = FakeKMS(), random.Random(7)
    lost: list[Exception] = []

    class Dice(Broken):
        def __bool__(self) -> bool:
            return dice.random() < 0.2

        def popleft(self) -> object:
            return dice.choice(("unavailable", "unavailable", "unavailable", "throttled"))

    signer = Signer(lambda: FakeDriver(kms), policy=Policy(timeout=30.0))
    key = signer.key()
    kms.errors["sign"] = Dice("")

    def work() -> None:
        for _ in range(250):
            try:
                key.sign(b"x")
            except errors.FarsignError as error:
                lost.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost == []
    assert 2_000 < kms.count("sign") < 2_700
