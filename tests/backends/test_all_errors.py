"""The error table, walked: every row is ordered from the provider's emulator, on the wire, and met through the provider's own SDK."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest
from error_table import ATTEMPTS, MARK, PAGE, Row, markdown, rows
from twins import Place, emulators, open_twins

import farsign
from farsign import errors
from farsign.testing.conformance import verify

POLICY = farsign.Policy(timeout=20.0, attempt_timeout=0.3, attempts=ATTEMPTS)
ROWS = list(rows())
__all__ = ["emulators"]


@pytest.fixture(params=ROWS, ids=str)
def row(request: pytest.FixtureRequest) -> Row:
    return request.param


class Seen:
    """What happened inside, by event."""

    def __init__(self) -> None:
        self.attempts: Counter[str] = Counter()  # by operation
        self.refreshes = 0

    def __call__(self, event: farsign.events.Event) -> None:
        if isinstance(event, farsign.events.Attempt):
            self.attempts[event.operation] += 1
        self.refreshes += isinstance(event, farsign.events.CredentialsRefreshed)


@pytest.fixture
def seen() -> Iterator[Seen]:
    watching = Seen()
    stop = farsign.observe(watching)
    yield watching
    stop()
