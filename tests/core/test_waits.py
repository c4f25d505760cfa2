"""How long a provider asks to be left alone (RFC 9110 10.2.3), whatever it writes: seconds, a date, nonsense."""

from __future__ import annotations

import math
import time
from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from farsign._plugin.waits import LONGEST, RETRY_AFTER, asked_wait, bounded, http_date

NOW = "Sun, 06 Nov 1994 08:49:37 GMT"
EPOCH = 784111777.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("007", 7.0),
        (" 12\t", 12.0),
        ("1.5", 1.5),
        ("2.", 2.0),
        (".25", 0.25),
        ("86401", LONGEST),
        ("99999999", LONGEST),
        ("9" * 400, LONGEST),
        ("9" * 5000, LONGEST),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        ("Sunday, 06-Nov-94 08:49:47 GMT", 10.0),
        ("Sun Nov  6 08:49:47 1994", 10.0),
        ("Sun, 06 Nov 1994 09:49:47 +0100", 10.0),
        (NOW, 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST),
        ("Sun, 06 Nov 1994 08:49:36 GMT", None),
        ("Wed, 21 Oct 99999999999 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 +9999", None),
        ("Sun, 31 Feb 1995 08:49:47 GMT", None),
        *((text, None) for text in ("", ".", "-1", "+1", "1e3", "1e999", "nan", "inf", "-inf", "0x10", "1_0", "1 2", "\u00b2", "\u0661", "soon")),
    ],
)  # fmt: skip
def test_what_it_may_say(text: str, seconds: float | None) -> None:
    assert asked_wait({"retry-after": text, "date": NOW}) == seconds


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_a_date_counts_from_here_where_its_server_does_not_say_what_time_it_has(date: str | None) -> None:
    headers = {"retry-after": formatdate(time.time() + 100, usegmt=True), **({} if date is None else {"date": date})}
    wait = asked_wait(headers)
    assert wait
    assert 95 < wait <= 100


def test_the_first_header_that_says_it_counts_in_its_unit() -> None:
    units = {"ms": 1e-3, **RETRY_AFTER}
    assert asked_wait({"ms": "250", "retry-after": "9"}, units) == 0.25
    assert asked_wait({"ms": "soon", "retry-after": "9"}, units) == 9.0
    assert asked_wait({"ms": "9" * 400}, units) == LONGEST
    assert asked_wait({}, units) is None


@given(st.text(max_size=60), st.text(max_size=60))
@example("Mon, 1 Jan 0001 00:00:00 +2359", NOW)
def test_nothing_breaks_it(text: str, date: str) -> None:
    wait = asked_wait({"retry-after": text, "date": date})
    assert wait is None or 0 <= wait <= LONGEST


@given(
    st.from_regex(
        r"[A-Za-z]{0,9},? ?[0-9]{1,12}[ -][A-Za-z]{3}[ -][0-9]{1,12} [0-9]{1,4}:[0-9]{1,4}(:[0-9]{1,4})? ([-+][0-9]{1,6}|GMT)",
        fullmatch=True,
    )
)
def test_no_date_breaks_it(date: str) -> None:
    wait = asked_wait({"retry-after": date, "date": date})
    assert wait in (None, 0.0)


@given(st.integers(0, 10**6), st.integers(0, 253402300799 - 10**6))
def test_a_date_is_as_good_as_its_distance(seconds: int, now: int) -> None:
    headers = {"retry-after": formatdate(now + seconds, usegmt=True), "date": formatdate(now, usegmt=True)}
    assert asked_wait(headers) == asked_wait({"retry-after": str(seconds)}) == min(seconds, LONGEST)


@given(st.floats())
def test_what_is_bounded(seconds: float) -> None:
    wait = bounded(seconds)
    assert wait == (min(seconds, LONGEST) if seconds >= 0 else None)
    assert wait is None or math.isfinite(wait)


def test_dates_of_other_headers() -> None:
    assert http_date(NOW) == EPOCH
    assert http_date("") is None
