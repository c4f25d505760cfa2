"""How long a provider asks to be left alone: Retry-After (RFC 9110 10.2.3), and what providers send in its place."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Final

LONGEST: Final = 86_400.0  # seconds; what is longer is absurd, and counts as a day
RETRY_AFTER: Final = MappingProxyType({"retry-after": 1.0})
_DECIMAL: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")


def asked_wait(headers: Mapping[str, str], units: Mapping[str, float] = RETRY_AFTER) -> float | None:
    """Seconds. ``units``: the headers that may say it, the first that does counts -> its unit in seconds. None: it is not said."""
    found = (_read(headers.get(name, "").strip(), unit, headers) for name, unit in units.items())
    return next((wait for wait in found if wait is not None), None)


def decimal(text: str, unit: float = 1.0) -> float | None:
    """Of digits, perhaps with a fraction: no sign, no exponent, no name of a number."""
    return bounded(float(text) * unit) if _DECIMAL.fullmatch(text) else None


def bounded(seconds: float) -> float | None:
    return min(seconds, LONGEST) if seconds >= 0 else None  # neither is NaN


def http_date(text: str) -> float | None:
    """Seconds since the epoch, of any of the three forms (RFC 9110 5.6.7); one without a zone is UTC."""
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _read(text: str, unit: float, headers: Mapping[str, str]) -> float | None:
    wait = decimal(text, unit)
    return _until(text, headers.get("date", "")) if wait is None else wait


def _until(date: str, now: str) -> float | None:
    """By the clock of whoever said it, where that is known."""
    then, since = http_date(date), http_date(now)
    return None if then is None else bounded(then - (time.time() if since is None else since))
