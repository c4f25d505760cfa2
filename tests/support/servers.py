"""Servers that this project did not write, started once per test run by a script that prints READY when they answer."""

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

SCRIPTS = Path(__file__).parents[3] / "shared" / "servers"
FIRST_START = 180.0  # seconds: they install themselves


@cache
def started(name: str, **environment: str) -> str | None:
    """The address of a server of our own; None if it cannot be started."""
    script = SCRIPTS / name
    if not script.exists():
        return None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PORT": str(port), **environment},
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
