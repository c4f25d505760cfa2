"""RULES 22, 23: processes that are forked, spawned, frozen. 0 hangs, 0 errors, 0 signatures that are another's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from faulty_backends import ALGORITHM, Backend, running
from faulty_children import START_METHODS, here, in_a_process_of_its_own
from faulty_proxy import ForgetfulProxy
from faulty_remote import remote
from faulty_time import LATE, slack

import farsign
from farsign.testing.conformance._harness import many
from farsign.testing.emulator import EmulatedKey, Emulator

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
CHILDREN, EACH = many(4, 100), many(10, 100)


@pytest.mark.parametrize("start", START_METHODS)
def test_the_fork_matrix(start: str, row: Backend) -> None:
    """The provider is another process, as it is in life."""
    with running(row.scheme):
        pass  # skips the test where there is none
    run = here if row.http else in_a_process_of_its_own
    with remote(row.scheme, ALGORITHM) as server:
        assert set(run(start, server.uri, CHILDREN, EACH)) == {0}


FROZEN = """
import sys, threading, farsign
signer = farsign.open_signer(sys.argv[1])
key = signer.key()
threads = [threading.Thread(target=key.sign, args=(b"x",), kwargs={"timeout": 10.0}) for _ in range(int(sys.argv[2]))]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("warm", flush=True)
sys.stdin.readline()
key.sign(b"first after the thaw")
print("signed", flush=True)
"""


@pytest.mark.parametrize("connections", [1, 6])
def test_the_first_signature_after_a_freeze(connections: int, row: Backend, cloud: Emulator, made: EmulatedKey) -> None:
    """SIGSTOP, and somebody between forgets the connections meanwhile. In the long form for a minute, so that they are not even tried."""
    frozen_for = many(2, 60)
    if frozen_for < 20 and connections > 1 and row.http:
        pytest.skip("each of several dead connections costs an attempt, but after 20 s; takes FARSIGN_SOAK=1")
    proxy = ForgetfulProxy(cloud.authority)
    uri = made.uri.replace(cloud.authority, proxy.address)
    cloud.faults.latency("sign", 0.2)
    child = subprocess.Popen(
        [sys.executable, "-c", FROZEN, uri, str(connections)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        try:
            assert child.stdin
            assert child.stdout
            assert child.stdout.readline() == "warm\n"
            child.send_signal(signal.SIGSTOP)
            assert proxy.forget() >= (connections if row.http else 1)
            time.sleep(frozen_for)
            child.send_signal(signal.SIGCONT)
            child.stdin.write("\n")
            child.stdin.flush()
            started = time.monotonic()
            assert child.stdout.readline() == "signed\n"
            assert time.monotonic() - started < farsign.Policy().timeout + slack(LATE)
        finally:
            child.kill()
            proxy.close()
