"""How hard hypothesis tries (by default a little, in ``tox -e fuzz`` a lot), what one test must not leave to the next, and Ctrl-C for the
programs that tests start.
"""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from farsign._signer import endpoints

settings.register_profile("default", deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", deadline=None, max_examples=100_000, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("FARSIGN_HYPOTHESIS", "default"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job, whose programs would ignore it too
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_open_breakers() -> None:
    """Ports are used again, and an endpoint is known by its port."""
    endpoints.forget("")
