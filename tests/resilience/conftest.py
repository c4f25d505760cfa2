"""Each test here runs on every row of faulty_backends.TABLE."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faulty_backends import ALGORITHM, IDS, TABLE, Backend, running

import farsign
from farsign.testing.emulator import EmulatedKey, Emulator


@pytest.fixture(params=TABLE, ids=IDS)
def row(request: pytest.FixtureRequest) -> Backend:
    return request.param


@pytest.fixture
def cloud(row: Backend) -> Iterator[Emulator]:
    with running(row.scheme) as emulator:
        yield emulator


@pytest.fixture
def made(cloud: Emulator) -> EmulatedKey:
    return cloud.create_key(ALGORITHM)


@pytest.fixture
def signer(made: EmulatedKey) -> Iterator[farsign.Signer]:
    """Warm, with the default policy."""
    with farsign.open_signer(made.uri) as opened:
        opened.check(timeout=10.0)
        yield opened
