"""Orders of faults: what strikes which call, how often; the textual form of the command line; repeatable by seed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("throttle:sign:2:30s:10%", Fault("error", "sign", "throttled", times=2, seconds=30, probability=0.1)),
        ("latency:sign:1:key=auth:5", Fault("latency", "sign", 1.0, times=5, key="auth")),
        ("error:sign:denied:key=arn%3Aaws%3Akms:1", Fault("error", "sign", "denied", times=1, key="arn:aws:kms")),
        ("error:sign:bad%3A word", Fault("error", "sign", "bad: word")),
        ("down:30s", Fault("reset", "*", seconds=30)),
        ("down:eu-west-1:30s", Fault("reset", "*", seconds=30, scope="eu-west-1")),
        ("down:scope=eu-west-1", Fault("reset", "*", scope="eu-west-1")),
        ("mix:sign:50%:60s:scope=eu:of=stall", Fault("mix", "sign", None, None, 60, 0.5, scope="eu", choices={"stall": 1})),
    ],
)
def test_text(text: str, expected: Fault) -> None:
    assert parse(text) == expected


MIX = {"error:KMSInternalException": 25.0, "throttle:retry_after=2": 25.0, "reset": 0.5, "latency:1.5": 1.0}
# What Python can order, and the text that says the same.
SAME: list[tuple[Callable[[Faults], None], str]] = [
    (lambda faults: faults.throttle("sign"), "throttle:sign"),
    (lambda faults: faults.throttle("sign", 3, retry_after=2.5), "throttle:sign:3:retry_after=2.5"),
    (lambda faults: faults.throttle("*", seconds=30, scope="eu-west-1"), "throttle:*:30s:scope=eu-west-1"),
    (lambda faults: faults.rate("sign", 100, retry_after=1, scope="eu"), "rate:sign:100:scope=eu:retry_after=1"),
    (lambda faults: faults.error("sign", "denied", 2, key="auth", scope="eu"), "error:sign:denied:2:key=auth:scope=eu"),
    (lambda faults: faults.latency("*", 0.2, 5), "latency:*:0.2:5"),
    (lambda faults: faults.slow_drip("sign", 5), "slow_drip:sign:5"),
    (lambda faults: faults.reset("describe", 1), "reset:describe:1"),
    (lambda faults: faults.truncate("sign"), "truncate:sign"),
    (lambda faults: faults.garbage("sign"), "garbage:sign"),
    (lambda faults: faults.stall("sign"), "stall:sign"),
    (lambda faults: faults.down(), "down"),
    (lambda faults: faults.down(), "down:*"),
    (lambda faults: faults.down("eu-west-1"), "down:eu-west-1"),
    (lambda faults: faults.lie("other_digest"), "other_digest:sign"),
    (
        lambda faults: faults.mix("*", 0.2, MIX),
        "mix:*:20%:of=error:KMSInternalException*25,throttle:retry_after=2*25,reset*0.5,latency:1.5",
    ),
]


@pytest.mark.parametrize(("ordered", "text"), SAME, ids=[text for _, text in SAME])
def test_text_says_what_python_can(ordered: Callable[[Faults], None], text: str) -> None:
    def drawn(order: Callable[[Faults], None]) -> list[object]:
        faults = Faults(seed=7)
        order(faults)
        struck = [faults.draw(SIGN, key, scope) for key in ("auth", "other") for scope in ("eu", "eu-west-1") for _ in range(20)]
        return [[replace(fault, until=0.0, filled=0.0, tokens=0.0) for fault in each.values()] for each in struck]

    assert drawn(ordered) == drawn(lambda faults: faults.order(text))


@pytest.mark.parametrize(
    ("text", "wrong", "expected"),
    [
        ("", "there is no kind ''", "KIND:OPERATION"),
        ("nonsense:sign", "there is no kind 'nonsense'", " rate "),
        ("throttle", "it names no operation", "throttle:OPERATION"),
        ("throttle:", "it names no operation", "throttle:OPERATION"),
        ("latency:sign", "SECONDS is missing", "latency:OPERATION:SECONDS"),
        ("latency:sign:soon", "'soon' is no SECONDS", "latency:OPERATION:SECONDS"),
        ("latency:sign:nan", "'nan' is no SECONDS", "latency:OPERATION:SECONDS"),
        ("rate:sign:-1", "'-1' is no CALLS-A-SECOND", "rate:OPERATION:CALLS-A-SECOND"),
        ("error:sign", "NAME is missing", "error:OPERATION:NAME"),
        ("reset:*:many", "'many' is nothing that reset takes", "TIMES SECONDSs PERCENT%"),
        ("reset:*:0", "'0' is nothing that reset takes", "TIMES"),
        ("reset:*:-1", "'-1' is nothing that reset takes", "TIMES"),
        ("reset:*:101%", "'101%' is nothing that reset takes", "PERCENT%"),
        ("reset:*:retry_after=3", "'retry_after=3' is nothing that reset takes", "scope=REGION"),
        ("throttle:sign:regoin=eu", "'regoin=eu' is nothing that throttle takes", "retry_after=SECONDS scope=REGION"),
        ("throttle:sign:3:4", "'4' is said twice", "TIMES"),
        ("down:eu:scope=us", "'scope=us' is said twice", "down[:REGION]"),
        ("throttle:sign:of=reset", "only a mix has of=", "throttle:OPERATION"),
        ("mix:sign:20%", "a mix says of what", "of=KIND*WEIGHT"),
        ("mix:sign:of=", "a mix says of what", "of=KIND*WEIGHT"),
        ("mix:of=reset", "it names no operation", "mix:OPERATION"),
        ("mix:sign:of=reset,,stall", "'' is no choice", "of=KIND*WEIGHT"),
        ("mix:sign:of=reset*many", "'reset*many' is no choice", "of=KIND*WEIGHT"),
        ("mix:sign:of=reset*0", "the weight 0", "above 0"),
        ("mix:sign:of=nonsense", "there is no kind 'nonsense'", "KIND:OPERATION"),
        ("mix:sign:of=latency", "SECONDS is missing", "latency:OPERATION:SECONDS"),
        *((f"mix:sign:of={choice}", "cannot be one of a mix", "these are the mix's")
          for choice in ("rate:3", "down", "throttle:3", "reset:5s", "stall:10%", "garbage:scope=eu", "garbage:key=auth", "mix:of=reset")),
    ],
)  # fmt: skip
def test_text_that_is_no_fault_is_refused_with_what_is_expected(text: str, wrong: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    assert wrong in str(caught.value)
    assert expected in caught.value.next_step


@pytest.mark.parametrize("choices", [{}, {"rate:3": 1}, {"reset": 0}, {"reset": -1}, {"reset": math.nan}, {"down": 1}])
def test_a_mix_that_cannot_be_drawn_from_is_refused_when_it_is_ordered(choices: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        Faults().mix("sign", 0.5, choices)


@given(st.text("adeiklmnorst:=%*,.s0123456789", max_size=40) | st.lists(st.sampled_from(
    ["mix", "down", "throttle", "latency", "sign", "*", "3", "30s", "10%", "scope=eu", "key=a", "retry_after=1", "of=reset*2,stall"]
), max_size=6).map(":".join))  # fmt: skip
def test_any_text_is_a_fault_or_refused(text: str) -> None:
    faults = Faults()
    try:
        faults.order(text)
    except ConfigurationError:
        return
    for _ in range(5):
        faults.draw(SIGN, "auth", "eu")


def test_a_rate_ends_after_so_many_that_it_struck() -> None:
    faults = Faults()
    faults.order("rate:sign:0:2")
    assert [bool(faults.draw(SIGN)) for _ in range(6)].count(True) == 2


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
