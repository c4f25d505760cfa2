"""An AWS KMS endpoint that this project did not write: FARSIGN_TEST_AWS_ENDPOINT, or MiniStack started once per test run."""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import subprocess
import time
from functools import cache
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "shared" / "servers" / "ministack"
FIRST_START = 180.0  # seconds: it installs itself


@cache
def _start() -> str | None:
    """The address of a MiniStack of our own; None if it cannot be started."""
    if not SCRIPT.exists():
        return None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [str(SCRIPT)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PORT": str(port), "SERVICES": "kms,sts"},
        start_new_session=True,
    )
    atexit.register(_stop, process)
    assert process.stdout
    deadline = time.monotonic() + FIRST_START
    while time.monotonic() < deadline and process.poll() is None:
        if select.select([process.stdout], [], [], 1)[0] and process.stdout.readline().startswith(b"READY"):
            return f"http://127.0.0.1:{port}"
    return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def endpoint() -> str:
    """Skips the test if there is none, saying how to have one."""
    address = os.environ.get("FARSIGN_TEST_AWS_ENDPOINT") or _start()
    if not address:
        pytest.skip("set FARSIGN_TEST_AWS_ENDPOINT to an AWS KMS endpoint, such as MiniStack (pip install ministack; ministack)")
    return address
