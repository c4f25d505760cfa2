"""``farsign emulate`` as a user runs it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def emulating(scheme: str, *options: str) -> Iterator[dict[str, Any]]:
    """What it printed: "url", "keys" (URIs) and "environment" (variables for an SDK in any language)."""
    command = [sys.executable, "-m", "farsign", "emulate", scheme, *options, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}) as process:
        try:
            assert process.stdout
            said = ""
            while not said.endswith("\n}\n"):
                line = process.stdout.readline()
                assert line, f"`farsign emulate {scheme}` ended: {said}"
                said += line
            yield json.loads(said)
        finally:
            process.terminate()
