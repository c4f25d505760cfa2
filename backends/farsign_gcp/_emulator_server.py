"""A gRPC server on loopback for one service, with the faults that gRPC can express. Its gRPC is in another process: see _emulator_front."""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from multiprocessing.connection import Connection, Pipe
from typing import Any, Final, NamedTuple

from google.rpc import status_pb2

from farsign._base.workers import Workers
from farsign.testing.emulator import Fault

from ._sdk import grpc

logger = logging.getLogger("farsign.testing")

GARBAGE: Final = b"\x00\xff<garbage \x80 that no parser takes>"
_THREADS: Final = 512  # calls at once; stalled ones keep theirs
_STALLED: Final = 300.0  # seconds after which a stalled call ends, if nobody has hung up
_STARTS: Final = 60.0  # seconds that a process may take


class GrpcError(Exception):
    """What a call ends with instead of a reply."""

    def __init__(self, code: grpc.StatusCode, message: str, *details: Any) -> None:
        super().__init__(message)
        self.code, self.details = code, details  # google.rpc messages

    def status(self) -> bytes:
        """google.rpc.Status, serialized; empty without details."""
        status = status_pb2.Status(code=self.code.value[0], message=str(self))
        for detail in self.details:
            status.details.add().Pack(detail)
        return status.SerializeToString() if self.details else b""


class Answer(NamedTuple):
    """A reply, serialized, and what is to happen to it."""

    message: bytes
    faults: Mapping[str, Fault]


Handler = Callable[[str, bytes, Mapping[str, str]], Answer]  # method, request, metadata; raises GrpcError


class GrpcServer:
    """Calls ``handler`` on a daemon thread. ``port`` is known after ``start``; a second ``start`` takes the same one."""

    def __init__(self, handler: Handler, *, host: str, port: int) -> None:
        self._handler, self.host, self.port = handler, host, port

    def start(self) -> None:
        """Raises RuntimeError if the port is taken."""
        self.closing = threading.Event()
        self._link = link()
        host = f"[{self.host}]" if ":" in self.host else self.host
        self._number, self.port = self._link.listen(self, f"{host}:{self.port}")

    def close(self) -> None:
        """Refuse new connections and cut those that exist."""
        self.closing.set()
        if self._link.pid == os.getpid():  # else a forked child lets go of its parent's
            self._link.close(self._number)

    def answer(self, method: str, request: bytes, metadata: Mapping[str, str], gone: threading.Event) -> bytes:
        """Raises GrpcError. ``gone``: set when the client has."""
        message, faults = self._handler(method, request, metadata)
        if "stall" in faults:
            self._wait(_STALLED, gone)
        if drip := faults.get("slow_drip"):  # gRPC hands a message on when it is complete
            self._wait(float(drip.argument or 0), gone)
        if "reset" in faults or self.closing.is_set():  # as it shows to a client of gRPC
            raise GrpcError(grpc.StatusCode.UNAVAILABLE, "recvmsg:Connection reset by peer")
        if "garbage" in faults:
            return GARBAGE
        return message[: -len(message) // 2] if "truncate" in faults else message

    def _wait(self, seconds: float, gone: threading.Event) -> None:
        """Until then, or until the client or the server has gone."""
        for _ in range(max(1, round(seconds / 0.05))):
            if gone.wait(0.05) or self.closing.is_set():
                return


class Link:
    """To the process that speaks gRPC, for all servers of this one."""

    def __init__(self) -> None:
        self.pid, self.ended = os.getpid(), False
        ours, theirs = Pipe()
        command = [sys.executable, "-m", f"{__package__}._emulator_front", str(theirs.fileno()), str(_THREADS)]
        # A session of its own: Ctrl-C is for this process, and the other ends when the pipe does.
        self._process = subprocess.Popen(  # noqa: S603 - our own module, by this very interpreter
            command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()
        self._pipe: Connection[Any, Any] = ours
        self._sending = threading.Lock()
        self._numbers = itertools.count()
        self._servers: dict[int, GrpcServer] = {}
        self._pending: dict[int, Future[Any]] = {}  # by server
        self._calls: dict[int, threading.Event] = {}
        self._workers = Workers(_THREADS, "farsign-emulator")
        threading.Thread(target=self._receive, name="farsign-emulator-link", daemon=True).start()
        atexit.register(self._end)

    def listen(self, server: GrpcServer, address: str) -> tuple[int, int]:
        """The number of the server, and its port."""
        number = next(self._numbers)
        self._servers[number] = server
        told = self._pending[number] = Future()
        self._send("listen", number, address)
        port, trouble = told.result(_STARTS)
        if not port:
            del self._servers[number]
            raise OSError(trouble)
        return number, port

    def close(self, number: int) -> None:
        del self._servers[number]
        if not self.ended:
            closed = self._pending[number] = Future()
            self._send("close", number)
            closed.result(_STARTS)

    def _receive(self) -> None:
        try:
            while True:
                what, number, *rest = self._pipe.recv()
                if what in ("listening", "closed"):
                    self._pending.pop(number).set_result(rest)
                elif what == "gone":
                    if gone := self._calls.get(rest[0]):
                        gone.set()
                elif server := self._servers.get(number):
                    self._calls[rest[0]] = threading.Event()
                    self._workers.submit(partial(self._answer, server, *rest))
                else:  # it was closed a moment ago
                    self._send("refuse", rest[0], "UNAVAILABLE", "Socket closed", b"")
        except (EOFError, OSError):  # this process, or that one, ends
            self.ended = True
            for told in list(self._pending.values()):
                told.set_exception(RuntimeError("the emulators' gRPC process has ended"))

    def _answer(self, server: GrpcServer, number: int, method: str, request: bytes, metadata: Mapping[str, str]) -> None:
        try:
            self._send("reply", number, server.answer(method, request, metadata, self._calls[number]))
        except GrpcError as error:
            self._send("refuse", number, error.code.name, str(error), error.status())
        except Exception as error:
            logger.exception("the emulator failed on %s", method)
            self._send("refuse", number, "UNKNOWN", f"the emulator failed: {type(error).__name__}", b"")
        finally:
            self._calls.pop(number, None)

    def _send(self, *message: Any) -> None:
        with self._sending:
            self._pipe.send(message)

    def _end(self) -> None:
        if self.pid == os.getpid():
            self._pipe.close()
            self._process.terminate()
            self._process.wait(10)


_starting = threading.Lock()
_links: Final[list[Link]] = []


def link() -> Link:
    """This process's. A forked child that wants emulators of its own gets another; so does who comes after one that has ended."""
    with _starting:
        if not _links or _links[-1].ended or _links[-1].pid != os.getpid():
            _links.append(Link())
        return _links[-1]
