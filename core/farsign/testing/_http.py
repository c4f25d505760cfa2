"""A small threaded HTTP/1.1 server on loopback, with hooks for faults that need the socket. Not for production.

The standard library's http.server parses headers with email.parser, which is most of the cost of a small request.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from ._orders import Fault

logger = logging.getLogger("farsign.testing")

MAX_HEAD: Final = 64 * 1024
MAX_BODY: Final = 32 * 1024 * 1024
IDLE: Final = 300.0  # seconds that a connection may wait for the next request
DRIP_STEP: Final = 0.05  # seconds between the pieces of a slow reply
GARBAGE: Final = b"\x00\xff<garbage \x80 that no parser takes>"
_REASON: Final = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True)
class Request:
    method: str
    target: str  # as on the wire: path and query, still percent-encoded
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def path(self) -> str:
        """Still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass(slots=True)
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    faults: Mapping[str, Fault] = field(default_factory=dict)  # those of BROKEN_REPLIES are done by the server

    def encode(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {_REASON.get(self.status, 'Unknown')}", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join((*lines, "", "")).encode("latin-1") + self.body


Handler = Callable[[Request], Reply]


class BadRequestError(Exception):
    """What came is not HTTP, or too large."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class HttpServer:
    """Calls ``handler`` in the connection's own thread. ``port`` is known after ``start``; a second ``start`` takes the same one."""

    def __init__(self, handler: Handler, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._tls = tls
        self.host, self.port = host, port
        self.closing = threading.Event()  # wait on it instead of sleeping: close() must not wait for a slow reply
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, self.port), family=family, backlog=1024, reuse_port=False)
        self.port = self._listener.getsockname()[1]
        self._wake, self._woken = socket.socketpair()
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self._accept, name=f"farsign-emulator-{self.port}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Refuse new connections and cut those that exist."""
        self.closing.set()
        self._wake.close()
        self._thread.join(5)
        self._listener.close()
        self._woken.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):  # its client may have gone
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, self._woken], [], [])
            if self._woken in ready:
                return
            with contextlib.suppress(OSError):  # the client left before it was accepted
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection, self.closing), daemon=True).start()

    def _serve(self, raw: socket.socket, closing: threading.Event) -> None:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.settimeout(IDLE)
        with self._lock:
            self._connections.add(raw)
        connection = raw
        try:
            if self._tls:
                connection = self._tls.wrap_socket(raw, server_side=True)
                with self._lock:  # wrapping moves the descriptor to the new object
                    self._connections.discard(raw)
                    self._connections.add(connection)
            _Connection(connection, self._handler, closing).serve()
        except OSError:
            pass  # the client went away, or close() cut the connection
        finally:
            with self._lock:
                self._connections -= {raw, connection}
            connection.close()


class _Connection:
    def __init__(self, sock: socket.socket, handler: Handler, closing: threading.Event) -> None:
        self._sock, self._handler, self._closing = sock, handler, closing
        self._buffer = b""

    def serve(self) -> None:
        keep = True
        while keep and not self._closing.is_set():
            try:
                request = self._read_request()
            except BadRequestError as error:
                self._sock.sendall(Reply(error.status, str(error).encode(), {"Connection": "close"}).encode())
                return
            if request is None:
                return
            reply = self._answer(request)
            keep = self._send(reply) and request.headers.get("connection", "").lower() != "close"

    def _answer(self, request: Request) -> Reply:
        try:
            return self._handler(request)
        except Exception as error:
            logger.exception("the emulator failed on %s %s", request.method, request.path)
            return Reply(500, f"the emulator failed: {type(error).__name__}".encode(), {"Content-Type": "text/plain"})

    def _send(self, reply: Reply) -> bool:
        """Whether the connection is still good."""
        faults = reply.faults
        if "stall" in faults:
            self._closing.wait(IDLE)
            return False
        if "reset" in faults:
            # linger 0: close() sends RST instead of FIN
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if "garbage" in faults:
            reply = Reply(200, GARBAGE, reply.headers)
        data = reply.encode()
        if "truncate" in faults:
            data = data[: len(data) - len(reply.body) // 2 - 1]
        if drip := faults.get("slow_drip"):
            self._drip(data, float(drip.argument or 0))
        else:
            self._sock.sendall(data)
        return "truncate" not in faults

    def _drip(self, data: bytes, seconds: float) -> None:
        steps = max(1, min(len(data), round(seconds / DRIP_STEP)))
        size = -(-len(data) // steps)
        for start in range(0, len(data), size):
            if self._closing.wait(seconds / steps):
                return
            self._sock.sendall(data[start : start + size])

    # reading

    def _read_request(self) -> Request | None:
        """None: the client has closed."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD:
                raise BadRequestError(431, "headers too large")
            if not self._receive():
                return None
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        first, *lines = head.decode("latin-1").split("\r\n")
        try:
            method, target, _ = first.split(" ")
            pairs = (line.split(":", 1) for line in lines)
            headers = {name.lower(): value.strip() for name, value in pairs}
        except ValueError:
            raise BadRequestError(400, "not an HTTP request") from None
        return Request(method, target, headers, self._read_body(headers))

    def _read_body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("expect", "").lower() == "100-continue":
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunks()
        length = headers.get("content-length", "0")
        if not length.isdigit():
            raise BadRequestError(400, "bad Content-Length")
        return self._take(int(length))

    def _read_chunks(self) -> bytes:
        body = b""
        while True:
            size = self._line().partition(b";")[0]
            try:
                chunk = self._take(int(size, 16))
            except ValueError:
                raise BadRequestError(400, "bad chunk") from None
            if not chunk:
                break
            body += chunk
            self._line()
        while self._line():
            pass  # trailers
        return body

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD or not self._receive():
                raise BadRequestError(400, "bad chunk")
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def _take(self, size: int) -> bytes:
        if size > MAX_BODY:
            raise BadRequestError(413, "http: request body too large")
        while len(self._buffer) < size:
            if not self._receive():
                raise BadRequestError(400, "body shorter than promised")
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return body

    def _receive(self) -> bool:
        data = self._sock.recv(256 * 1024)
        self._buffer += data
        return bool(data)
