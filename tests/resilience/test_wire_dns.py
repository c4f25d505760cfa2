"""Blackholed DNS, for real: the system's only name server says nothing, to whatever each SDK looks its provider's host up with.

In namespaces of a child's own; nothing leaves the machine. test_wire_time.py has a form that needs no namespace, but gRPC's resolver.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import blackholed
import pytest
from faulty_backends import Backend, running
from faulty_time import EXIT, LATE, slack

NAMESPACE = ("unshare", "--map-root-user", "--mount", "--net")
ETC = {"resolv.conf": "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n", "hosts": "", "nsswitch.conf": "hosts: dns\n"}


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Of what the child sees in /etc."""
    if not shutil.which("unshare") or subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets us make no namespace: run as root, or allow unprivileged user namespaces")
    for name, text in ETC.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_name_server_that_says_nothing(row: Backend, etc: Path) -> None:
    with running(row.scheme):
        pass  # skips the test where there is none
    command = [*NAMESPACE, sys.executable, blackholed.__file__, str(etc), row.scheme]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        *seconds, asked = (child.stdout.readline() for _ in range(5))
        told = time.monotonic()
        assert child.wait(30) == 0
        assert time.monotonic() - told < slack(EXIT)  # the interpreter exits with a look-up stuck
    assert max(map(float, seconds)) < blackholed.TIMEOUT + slack(LATE)
    assert int(asked) >= 1
