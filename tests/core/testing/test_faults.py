"""Orders of faults: what strikes which call, how often; the textual form of the command line; repeatable by seed."""

from __future__ import annotations

import time

import pytest

from farsign.errors import ConfigurationError
from farsign.testing.emulator import KINDS, LIES, Fault, Faults, parse

SIGN = ("sign", "asymmetricsign")


def test_a_fault_strikes_so_many_calls_of_its_operation() -> None:
    faults = Faults()
    faults.throttle("sign", times=2)
    assert faults.draw(("describe", "getpublickey")) == {}
    assert [bool(faults.draw(SIGN)) for _ in range(4)] == [True, True, False, False]


@pytest.mark.parametrize("name", ["sign", "AsymmetricSign", "ASYMMETRICSIGN", "*"])
def test_operations_are_portable_names_wire_names_in_any_case_or_all(name: str) -> None:
    faults = Faults()
    faults.reset(name)
    assert "reset" in faults.draw(SIGN)


def test_several_faults_strike_one_call_but_of_two_errors_the_older() -> None:
    faults = Faults()
    faults.latency("*", 0.2)
    faults.error("sign", "denied", times=1)
    faults.throttle("sign", times=1)
    struck = faults.draw(SIGN)
    assert (struck["latency"].argument, struck["error"].argument) == (0.2, "denied")
    assert faults.draw(SIGN)["error"].argument == "throttled"  # which was not used up by the first call


def test_scope_key_and_time_limit_a_fault() -> None:
    faults = Faults()
    faults.down(scope="eu-west-1")
    faults.error("sign", "denied", key="1234")
    faults.throttle("describe", seconds=0.05)
    assert faults.draw(SIGN, "key/1", "us-east-1") == {}
    assert "reset" in faults.draw(SIGN, "key/1", "eu-west-1")
    assert faults.draw(SIGN, "key/1234", "us-east-1")["error"].argument == "denied"
    assert "error" in faults.draw(("describe",))
    time.sleep(0.06)
    assert "error" not in faults.draw(("describe",))


def test_a_rate_throttles_what_exceeds_it() -> None:
    faults = Faults()
    faults.rate("sign", 50.0, retry_after=2.0)
    passed = started = 0
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        started += 1
        struck = faults.draw(SIGN)
        passed += not struck
        if struck:
            assert (struck["error"].argument, struck["error"].retry_after) == ("throttled", 2.0)
        time.sleep(0.001)
    assert 20 <= passed <= 35, "50 a second, and a tenth of that at once"
    assert started > 2 * passed
    assert faults.draw(("describe",)) == {}


def test_clear_takes_all_back() -> None:
    faults = Faults()
    faults.wrong_signature()
    faults.clear()
    assert faults.draw(SIGN) == {}


def test_the_same_seed_gives_the_same_run() -> None:
    def run(seed: int) -> list[tuple[str, ...]]:
        faults = Faults(seed)
        faults.mix("*", 0.2, {"error:KMSInternalException": 25, "throttle": 25, "reset": 15, "latency:1.5": 10})
        return [tuple(faults.draw(SIGN)) for _ in range(2000)]

    first = run(7)
    assert first == run(7) != run(8)
    kinds = [kind for struck in first for kind in struck]
    assert 300 < len(kinds) < 500, "a fifth of 2000, within five standard deviations"
    assert kinds.count("error") > kinds.count("reset") > 0, "weighted"
    assert kinds.count("latency") > 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("throttle:sign:3", Fault("error", "sign", "throttled", times=3)),
        ("throttle:sign:30s", Fault("error", "sign", "throttled", seconds=30)),
        ("error:sign:KMSInternalException:2", Fault("error", "sign", "KMSInternalException", times=2)),
        ("latency:*:0.2", Fault("latency", "*", 0.2)),
        ("rate:sign:100", Fault("rate", "sign", 100.0)),
        ("slow_drip:Sign:5s:1", Fault("slow_drip", "Sign", 5.0, times=1)),
        ("reset:sign:10%:60s", Fault("reset", "sign", seconds=60, probability=0.1)),
        ("wrong_signature:sign", Fault("wrong_signature", "sign")),
    ],
)
def test_text(text: str, expected: Fault) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "throttle", "throttle:", "nonsense:sign", "latency:sign", "latency:sign:soon", "error:sign", "reset:*:many"]
)
def test_text_that_is_no_fault_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    assert "KIND:OPERATION" in caught.value.next_step


def test_every_kind_can_be_ordered_as_text() -> None:
    for kind in KINDS:
        Faults().order(f"{kind}:sign:1")


def test_a_lie_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no lie"):
        Faults().lie("white")
    for lie in LIES:
        faults = Faults()
        faults.lie(lie, times=1)
        assert list(faults.draw(SIGN)) == [lie]
