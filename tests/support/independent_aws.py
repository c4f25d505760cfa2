"""An AWS KMS endpoint that this project did not write: FARSIGN_TEST_AWS_ENDPOINT, or MiniStack started once per test run."""

from __future__ import annotations

import os

import pytest
from servers import started


def endpoint() -> str:
    """Skips the test if there is none, saying how to have one."""
    address = os.environ.get("FARSIGN_TEST_AWS_ENDPOINT") or started("ministack", SERVICES="kms,sts")
    if not address:
        pytest.skip("set FARSIGN_TEST_AWS_ENDPOINT to an AWS KMS endpoint, such as MiniStack (pip install ministack; ministack)")
    return address
