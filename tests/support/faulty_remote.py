"""An emulator in another process: what `farsign emulate` starts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple


class Remote(NamedTuple):
    uri: str  # of its key
    url: str
    process: subprocess.Popen[str]


@contextmanager
def remote(scheme: str, algorithm: str, faults: Sequence[str] = ()) -> Iterator[Remote]:
    command = [sys.executable, "-m", "farsign", "emulate", scheme, "--key", f"{algorithm}:resilience", "--json"]
    command += [word for fault in faults for word in ("--fault", fault)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        text = ""
        try:
            while line := process.stdout.readline():
                text += line
                try:
                    told = json.loads(text)
                except ValueError:
                    continue  # not all of it yet
                yield Remote(told["keys"][0], told["url"], process)
                break
            else:
                raise RuntimeError(f"the emulator ended with {process.wait()}: {text}")
        finally:
            process.terminate()
            process.wait(10)
