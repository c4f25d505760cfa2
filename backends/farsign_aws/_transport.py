"""KMS calls that end in time: urllib3 behind botocore's ``before-send`` event.

A call ends at its deadline whatever the wire does. A name is looked up on a thread of its own, for getaddrinfo knows no timeout; the
addresses found share what time is left. Redirects are not followed.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any, Final

import urllib3
from botocore.awsrequest import AWSResponse
from botocore.httpsession import create_urllib3_context
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Timeout, parse_url

from farsign._base import fork
from farsign._base.workers import Workers
from farsign._plugin import kept
from farsign.errors import IntegrityFailure, ProviderUnavailable

from ._deadline import Watch, current

LARGEST: Final = 1 << 20  # bytes of a reply; KMS's are a few KiB
LOOKUPS: Final = 8  # names looked up at once; each hanging look-up holds a thread


class _Resolver:
    """getaddrinfo with an end."""

    def __init__(self) -> None:
        self.after_fork()
        fork.register(self)

    def after_fork(self) -> None:
        self._workers = Workers(LOOKUPS, "farsign-dns")

    def addresses(self, host: str, port: int, seconds: float) -> list[Any]:
        """As getaddrinfo returns them. Raises OSError, which TimeoutError is too."""
        found = self._workers.submit(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        try:
            return found.result(seconds)
        finally:
            found.cancel()  # if it never started


_resolver = _Resolver()


class _Watched:
    """Mixed into urllib3's connections: they register with the call, and look names up in its time."""

    def _new_conn(self: Any) -> socket.socket:
        watch = current()
        assert watch is not None  # Transport.send runs nothing else
        try:
            addresses = _resolver.addresses(self.host, self.port, watch.remaining())
        except TimeoutError:
            raise _unavailable(self.host, "timeout", "its name is looked up") from None
        except OSError:
            raise _unavailable(self.host, "dns") from None
        reason = "dns"
        for position, (family, kind, protocol, _, address) in enumerate(addresses):
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError:  # this machine has no such addresses: IPv6 is off
                reason = "connect"
                continue
            try:
                sock.settimeout(watch.remaining() / (len(addresses) - position))
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.connect(address)
            except OSError as error:
                sock.close()
                reason = "timeout" if isinstance(error, TimeoutError) else "connect"
            else:
                sock.settimeout(watch.remaining())  # which a TLS handshake has in all
                return sock
        raise _unavailable(self.host, reason) from None

    def connect(self: Any) -> None:
        watch = current()
        assert watch is not None  # as above
        watch.connection = self
        super().connect()  # type: ignore[misc]  # urllib3's, which follows in the method resolution order
        if watch.expired:  # while there was no socket to shut down
            raise TimeoutError

    def request(self: Any, *arguments: Any, **options: Any) -> None:
        watch = current()
        assert watch is not None  # as above
        watch.connection = self
        super().request(*arguments, **options)  # type: ignore[misc]  # urllib3's


class _Http(_Watched, HTTPConnection):
    pass


class _Https(_Watched, HTTPSConnection):
    pass


class _HttpPool(kept.DistrustfulPool, HTTPConnectionPool):
    ConnectionCls: Any = _Http


class _HttpsPool(kept.DistrustfulPool, HTTPSConnectionPool):
    ConnectionCls: Any = _Https


class Transport:
    """Connections to one endpoint. ``send`` is the handler of botocore's event ``before-send.kms``."""

    def __init__(self, url: str, ca: str, connections: int) -> None:
        parts = parse_url(url)
        self._host = parts.host or ""
        options: dict[str, Any] = {"maxsize": connections, "block": False, "retries": False}
        if parts.scheme == "https":
            context = create_urllib3_context()
            context.load_verify_locations(ca)  # once: it costs more than a signature
            self._pool: HTTPConnectionPool = _HttpsPool(self._host, parts.port, ssl_context=context, **options)
        else:
            self._pool = _HttpPool(self._host, parts.port, **options)

    def close(self) -> None:
        self._pool.close()

    def send(self, request: Any, **_: Any) -> AWSResponse | None:
        watch = current()
        if watch is None:
            return None  # not one of the driver's own calls
        status, headers, body = kept.once_more(
            lambda: self._once(request, watch), lambda error: getattr(error, "reason", "") == "reset" and not watch.expired
        )
        return AWSResponse(request.url, status, headers, _Body(body))

    def _once(self, request: Any, watch: Watch) -> tuple[int, Any, bytes]:
        left = watch.remaining()
        try:
            reply = self._pool.urlopen(
                request.method,
                "/",  # AWS JSON knows no other
                body=request.body,
                headers={name: _text(value) for name, value in request.headers.items()},
                timeout=Timeout(connect=left, read=left),
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            body = reply.read(LARGEST + 1)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            failure = self._failure(error, watch)
        else:
            if len(body) > LARGEST:
                reply.close()  # with its connection, which holds the rest
                raise IntegrityFailure("AWS KMS sent a reply of more than 1 MiB", reason="oversized")
            watch.connection = None  # it is others' from here on: the end of this call must not be the end of theirs
            reply.release_conn()
            if not (watch.expired or reply.length_remaining):
                return reply.status, reply.headers, body
            failure = _unavailable(self._host, "timeout" if watch.expired else "reset")
        raise failure  # here, so that no SDK error becomes its context

    def _failure(self, error: Exception, watch: Watch) -> ProviderUnavailable:
        if watch.expired or isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError)):
            return _unavailable(self._host, "timeout")
        if isinstance(error, urllib3.exceptions.SSLError) and not kept.current().kept:
            cause = error.args[0] if error.args else None
            return _unavailable(self._host, "tls", getattr(cause, "verify_message", ""))  # of ssl.SSLCertVerificationError
        return _unavailable(self._host, "reset")


class _Body:
    """What botocore reads a reply from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._data


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


_SAID: Final = {
    "timeout": "did not answer in time",
    "dns": "has no address (DNS)",
    "connect": "refused the connection",
    "tls": "failed the TLS handshake",
    "reset": "closed the connection",
}


_STEPS: Final = {
    "dns": "check the region's name, and that this machine resolves names; a VPC without internet needs a KMS endpoint",
    "connect": "check that something listens there, and the firewalls between",
    "tls": "check the clock of this machine and its certificate authorities; a proxy that opens TLS needs its own there",
}


def _unavailable(host: str, reason: str, detail: str = "") -> ProviderUnavailable:
    said = f"{_SAID[reason]}: {detail}" if detail else _SAID[reason]
    return ProviderUnavailable(f"AWS KMS at {host} {said}", reason=reason, answered=False, next_step=_STEPS.get(reason))
