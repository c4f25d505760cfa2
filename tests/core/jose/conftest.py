from __future__ import annotations

from collections.abc import Iterator

import pytest
from jwks_origin import Origin


@pytest.fixture
def origin() -> Iterator[Origin]:
    server = Origin()
    yield server
    server.stop()
