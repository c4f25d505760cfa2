"""RULES 22, 23: processes that are forked, spawned, frozen. 0 hangs, 0 errors, 0 signatures that are another's."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import faulty_children
import pytest
from faulty_backends import ALGORITHM, Backend, running
from faulty_children import START_METHODS, here, in_a_process_of_its_own
from faulty_proxy import ForgetfulProxy
from faulty_remote import remote
from faulty_time import LATE, slack

import farsign
from farsign.testing.conformance import verify
from farsign.testing.conformance._harness import many
from farsign.testing.emulator import EmulatedKey, Emulator

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
CHILDREN, EACH = many(4, 100), many(10, 100)
REQUESTS, MOST = 200, 30  # to gunicorn; after MOST a worker is replaced


@pytest.mark.parametrize("start", START_METHODS)
def test_the_fork_matrix(start: str, row: Backend) -> None:
    """The provider is another process, as it is in life."""
    with running(row.scheme):
        pass  # skips the test where there is none
    run = here if row.http else in_a_process_of_its_own
    with remote(row.scheme, ALGORITHM) as server:
        assert set(run(start, server.uri, CHILDREN, EACH)) == {0}


def test_gunicorn_preload(row: Backend) -> None:
    """The real one. Its workers are replaced by and by, forked from an arbiter that has signed."""
    pytest.importorskip("gunicorn", reason="needs gunicorn")
    if not many(0, 1):
        pytest.skip("the fork matrix has the short form; takes FARSIGN_SOAK=1")
    with running(row.scheme):
        pass  # as above
    with remote(row.scheme, ALGORITHM) as server, gunicorn(server.uri) as port, ThreadPoolExecutor(6) as clients:
        told = list(clients.map(lambda _: asked(port), range(REQUESTS)))
        with farsign.open_signer(server.uri) as signer:
            key = signer.key()
        for each in told:
            verify(key.public_key(), key.algorithm, bytes.fromhex(each["signature"]), bytes.fromhex(each["data"]))
    assert len({each["worker"] for each in told}) >= REQUESTS // MOST


@contextmanager
def gunicorn(uri: str) -> Iterator[int]:
    words = ("--preload", "--workers", "2", "--threads", "3", "--max-requests", str(MOST), "--log-level", "warning")
    words += ("--graceful-timeout", "5")  # a worker that is just being forked may not hear that all is over
    environment = {**os.environ, "FARSIGN_URI": uri, "PYTHONWARNINGS": "ignore::DeprecationWarning"}  # of fork, as in fork()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        descriptor = listener.fileno()
        command = [sys.executable, "-m", "gunicorn", *words, "--bind", f"fd://{descriptor}", "faulty_gunicorn:app"]
        process = subprocess.Popen(command, cwd=Path(faulty_children.__file__).parent, env=environment, pass_fds=[descriptor])
        try:
            yield listener.getsockname()[1]
        finally:
            process.terminate()
            process.wait(60)


def asked(port: int) -> dict[str, Any]:
    """A worker that is being replaced may drop a connection of which it has read nothing."""
    for _ in range(3):
        client = HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.suppress(ConnectionError), contextlib.closing(client):
            client.request("GET", "/")
            reply = client.getresponse()
            assert reply.status == 200
            told: dict[str, Any] = json.loads(reply.read())
            return told
    raise AssertionError("three connections in a row were dropped")


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
