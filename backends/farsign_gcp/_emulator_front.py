"""The gRPC side of the emulators, a process of its own: ``python -m farsign_gcp._emulator_front FD THREADS``.

A forked child inherits the sockets of a gRPC server in its parent, and gRPC's threads answer on them there, too. So the process that
tests run in has none; it gets each call over a pipe and sends what is to be answered.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Final

import grpc

_OPTIONS: Final = (("grpc.so_reuseport", 0),)  # two emulators on one port would share the calls


class Front:
    """Messages in: listen, close, reply, refuse; out: listening, closed, call, gone. Numbers say which server or call."""

    def __init__(self, pipe: Connection, threads: int) -> None:
        self._pipe, self._sending = pipe, threading.Lock()
        self._servers: dict[int, grpc.Server] = {}
        self._answers: dict[int, SimpleQueue[Any]] = {}
        self._numbers = itertools.count()
        self._pool = ThreadPoolExecutor(threads)

    def run(self) -> None:
        """Until the other end has gone."""
        while True:
            what, number, *rest = self._pipe.recv()
            if what == "listen":
                self._listen(number, *rest)
            elif what == "close":
                self._servers.pop(number).stop(None).wait(5)
                self._send("closed", number)
            elif answers := self._answers.get(number):
                answers.put((what, *rest))

    def _listen(self, number: int, address: str) -> None:
        server = grpc.server(self._pool, handlers=[_Service(lambda *call: self._call(number, *call))], options=_OPTIONS)
        try:
            port = server.add_insecure_port(address)
        except RuntimeError as error:  # the port is taken
            self._send("listening", number, 0, str(error))
            return
        server.start()
        self._servers[number] = server
        self._send("listening", number, port, "")

    def _call(self, server: int, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        number, answers = next(self._numbers), SimpleQueue[Any]()
        self._answers[number] = answers
        context.add_callback(lambda: self._gone(server, number))
        metadata = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
        self._send("call", server, number, method, request, metadata)
        what, *rest = answers.get()
        if what == "reply":
            reply: bytes = rest[0]
            return reply
        code, message, details = rest
        if details:
            context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(grpc.StatusCode[code], message)
        raise AssertionError("abort raises")

    def _gone(self, server: int, number: int) -> None:
        """The call has ended: it was answered, or its client or its server has gone."""
        if answers := self._answers.pop(number, None):
            answers.put(("refuse", "CANCELLED", "", b""))
            self._send("gone", server, number)

    def _send(self, *message: Any) -> None:
        with self._sending:
            self._pipe.send(message)


class _Service(grpc.GenericRpcHandler):  # type: ignore[misc]  # gRPC is Any to mypy
    def __init__(self, answer: Callable[[str, bytes, grpc.ServicerContext], bytes]) -> None:
        self._answer = answer

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = handler_call_details.method
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._answer(method, request, context))


if __name__ == "__main__":
    try:
        Front(Connection(int(sys.argv[1])), int(sys.argv[2])).run()
    except (EOFError, OSError):
        os._exit(0)  # calls that stall are not waited for
