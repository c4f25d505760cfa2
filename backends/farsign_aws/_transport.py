"""Ends KMS calls in time: urllib3 behind botocore's ``before-send`` event.

botocore's read timeout counts for each recv, so a reply that drips byte by byte never times out. Here a call has one deadline: each
connection that it uses is registered with a reaper thread, which shuts the socket down when the time is over. A name is looked up
on a thread of its own, for getaddrinfo knows no timeout. Redirects are not followed.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import urllib3
from botocore.awsrequest import AWSResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Timeout, parse_url

from farsign import _fork
from farsign._workers import Workers
from farsign.errors import IntegrityFailure, ProviderUnavailable

IDLE: Final = 20.0  # seconds after which a kept connection is not trusted: middleboxes drop them silently (RULES 23)
LARGEST: Final = 1 << 20  # bytes of a reply; KMS's are a few KiB


class Watch:
    """One call: when it has to end, and the connection that it uses now."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.connection: Any = None
        self.over = self.expired = self.fresh = self.reused = False

    def remaining(self) -> float:
        return max(0.001, self.until - time.monotonic())

    def expire(self) -> None:
        self.expired = True
        sock = getattr(self.connection, "sock", None)
        if isinstance(sock, socket.socket) and not self.over:
            try:
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not SSLSocket's own, which is for one thread
            except OSError:
                return  # closed meanwhile


class _Reaper:
    """A thread, started with the first call, that ends overdue ones."""

    def __init__(self) -> None:
        self.after_fork()
        _fork.register(self)

    def after_fork(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._heap: list[tuple[float, int, Watch]] = []
        self._numbers = itertools.count()
        self._running = False
        self.lookups = Workers(8, "farsign-dns")

    def add(self, watch: Watch) -> None:
        with self._changed:
            earliest = self._heap[0][0] if self._heap else float("inf")
            heapq.heappush(self._heap, (watch.until, next(self._numbers), watch))
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="farsign-reaper", daemon=True).start()
            elif watch.until < earliest:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._heap and self._heap[0][2].over:
                    heapq.heappop(self._heap)
                wait = self._heap[0][0] - time.monotonic() if self._heap else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                watch = heapq.heappop(self._heap)[2]
            watch.expire()


_reaper = _Reaper()
_current = threading.local()


@contextmanager
def deadline(seconds: float) -> Iterator[Watch]:
    """The calls of this thread in the block end ``seconds`` from now."""
    watch = _current.watch = Watch(time.monotonic() + seconds)
    _reaper.add(watch)
    try:
        yield watch
    finally:
        watch.over = True
        watch.connection = None
        _current.watch = None


class _Watched:
    """Mixed into urllib3's connections: registers with the call, and distrusts what was idle for long."""

    _used = 0.0

    def connect(self: Any) -> None:
        watch: Watch | None = getattr(_current, "watch", None)
        if watch is not None:
            watch.reused = False
            _look_up(self.host, self.port, watch.remaining())
        super().connect()  # type: ignore[misc]  # urllib3's, which follows in the method resolution order

    def request(self: Any, *arguments: Any, **options: Any) -> None:
        watch: Watch | None = getattr(_current, "watch", None)
        if watch is not None:
            watch.connection, watch.reused = self, self.sock is not None
            if self.sock is not None and (watch.fresh or time.monotonic() > self._used + IDLE):
                self.close()
        self._used = time.monotonic()
        super().request(*arguments, **options)  # type: ignore[misc]  # urllib3's


class _Http(_Watched, HTTPConnection):
    pass


class _Https(_Watched, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls: Any = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls: Any = _Https


def _look_up(host: str, port: Any, seconds: float) -> None:
    try:
        socket.inet_aton(host)
    except OSError:
        found = _reaper.lookups.submit(lambda: socket.getaddrinfo(host, port))
        error = found.exception(seconds)
        if error is not None:
            raise error from None


class _Discreet(logging.Filter):
    """Drops what botocore says at DEBUG of the driver's own calls: messages, signatures, session tokens."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.DEBUG or getattr(_current, "watch", None) is None


_discreet = _Discreet()
for _name in ("auth", "credentials", "endpoint", "httpsession", "parsers"):
    logging.getLogger(f"botocore.{_name}").addFilter(_discreet)


class Transport:
    """Connections to one endpoint. ``send`` is the handler of botocore's event ``before-send.kms``."""

    def __init__(self, url: str, ca: str, connections: int) -> None:
        parts = parse_url(url)
        options: dict[str, Any] = {"maxsize": connections, "block": False, "retries": False}
        host = parts.host or ""
        if parts.scheme == "https":
            self._pool: HTTPConnectionPool = _HttpsPool(host, parts.port, ca_certs=ca, cert_reqs="REQUIRED", **options)
        else:
            self._pool = _HttpPool(host, parts.port, **options)

    def close(self) -> None:
        self._pool.close()

    def send(self, request: Any, **_: Any) -> AWSResponse | None:
        watch: Watch | None = getattr(_current, "watch", None)
        if watch is None:
            return None  # not one of the driver's own calls
        try:
            status, headers, body = self._once(request, watch)
        except ProviderUnavailable as error:
            if error.reason != "reset" or not watch.reused or watch.expired:
                raise
            watch.fresh = True  # a kept connection was dead: once more on a new one, outside budget and breaker (RULES 23)
            status, headers, body = self._once(request, watch)
        return AWSResponse(request.url, status, headers, _Body(body))

    def _once(self, request: Any, watch: Watch) -> tuple[int, Any, bytes]:
        left = watch.remaining()
        try:
            reply = self._pool.urlopen(
                request.method,
                parse_url(request.url).request_uri,
                body=request.body,
                headers={name: _text(value) for name, value in request.headers.items()},
                timeout=Timeout(connect=left, read=left),
                redirect=False,
                preload_content=False,
            )
            try:
                body = reply.read(LARGEST + 1)
            finally:
                reply.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            failure = _failure(error, watch)
        else:
            if watch.expired:
                raise _timed_out()
            if len(body) > LARGEST:
                raise IntegrityFailure("AWS KMS sent a reply of more than 1 MiB", reason="oversized")
            return reply.status, reply.headers, body
        raise failure


class _Body:
    """What botocore reads a reply from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._data


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _timed_out() -> ProviderUnavailable:
    return ProviderUnavailable("AWS KMS did not answer in time", reason="timeout", answered=False)


def _failure(error: Exception, watch: Watch) -> ProviderUnavailable:
    if watch.expired or (
        isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError)) and time.monotonic() >= watch.until - 0.01
    ):
        return _timed_out()
    reason = next(name for kind, name in _REASONS if isinstance(error, kind))
    return ProviderUnavailable(f"AWS KMS could not be reached ({reason})", reason=reason, answered=False)


_REASONS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (urllib3.exceptions.SSLError, "tls"),
    (urllib3.exceptions.NameResolutionError, "dns"),
    (socket.gaierror, "dns"),
    (urllib3.exceptions.NewConnectionError, "connect"),
    (urllib3.exceptions.ConnectTimeoutError, "connect"),
    (urllib3.exceptions.TimeoutError, "timeout"),
    (TimeoutError, "timeout"),
    (Exception, "reset"),
)
