"""Connections to Cloud KMS: one channel per process and configuration, with the SDK's messages and none of its retries.

Calls are made on the channel itself: the SDK's client logs requests, digests and tokens, as soon as the root logger is at DEBUG.
A channel of grpc.aio belongs to one loop, and hangs in the child of a process that forks while it is used; futures of the
synchronous channel serve every loop, without a thread per call.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from farsign._base.workers import Workers, wait_for
from farsign._plugin.kept import current
from farsign.driver import KeyURI, Shared, shared_client, split_endpoint
from farsign.errors import ConfigurationError, ProviderUnavailable

from . import _errors, _hosts
from ._credentials import Headers, Requests, Tokens, finder
from ._forks import GATE
from ._sdk import ClientInfo, KeyManagementServiceTransport, grpc, resources, service

Call = Any  # a stub: (request, timeout=seconds, metadata=headers) -> reply; those of gRPC have .future besides
_SERVICE: Final = "/google.cloud.kms.v1.KeyManagementService"
_STUBS: Final[dict[str, tuple[str, Any, Any]]] = {  # attribute of Kms and of the SDK's transports -> method, request, reply
    "asymmetric_sign": ("AsymmetricSign", service.AsymmetricSignRequest, service.AsymmetricSignResponse),
    "get_public_key": ("GetPublicKey", service.GetPublicKeyRequest, resources.PublicKey),
    "list_crypto_key_versions": (
        "ListCryptoKeyVersions",
        service.ListCryptoKeyVersionsRequest,
        service.ListCryptoKeyVersionsResponse,
    ),
}
_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # a forked child must not meet its parent's sockets
    ("grpc.enable_retries", 0),  # the Signer retries
    ("grpc.service_config_disable_resolution", 1),  # nor does a DNS record say otherwise
    ("grpc.client_idle_timeout_ms", 10_000),  # takes 10 to 20 s: a connection that is idle for longer is not trusted (RULES 23)
    ("grpc.initial_reconnect_backoff_ms", 100),  # by default 1 s, then up to 2 min in which every call fails unsent
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 30_000),  # turns TCP_USER_TIMEOUT on: what is not acknowledged for 5 s is a dead connection
    ("grpc.keepalive_timeout_ms", 5_000),
)
_JITTER: Final = 0.02  # seconds by which a call may end too early and still have run out of its time
_TOKENS_AT_ONCE: Final = 4  # threads that wait for a token on behalf of coroutines
_INFO: Any = ClientInfo
_AGENT: Final[tuple[str, str]] = ("x-goog-api-client", _INFO(user_agent="farsign").to_user_agent())
_ENVIRONMENT: Final = ("GOOGLE_", "CLOUDSDK_", "GCE_METADATA_")


@dataclass(frozen=True, slots=True)
class Settings:
    """What makes two connections the same: keys with equal settings share a channel."""

    target: str  # HOST:PORT, as gRPC writes it
    plaintext: bool = False
    emulator: bool = False
    quota_project: str = ""
    impersonate: str = ""
    allow_hosts: tuple[str, ...] = ()
    environment: int = 0  # of what google-auth reads, a hash
    credentials: Any = field(default=None, repr=False)
    transport: Any = field(default=None, repr=False)

    def __hash__(self) -> int:  # credentials and transports are any objects; equal ones are identical
        return hash((self.target, self.quota_project, self.impersonate, id(self.credentials), id(self.transport)))


def settings(uri: KeyURI, allow_hosts: Sequence[str], credentials: Any, transport: Any) -> Settings:
    """Of a canonical URI. Raises HostRefused if credentials would go where they must not, or another ConfigurationError."""
    emulator = uri.get("auth") == "emulator"
    _refuse_two_answers(uri, emulator, credentials, transport)
    if transport is not None:
        return Settings("", transport=transport)
    universe = os.environ.get("GOOGLE_CLOUD_UNIVERSE_DOMAIN") or "googleapis.com"
    url = uri.get("endpoint") or f"https://cloudkms.{universe}"
    _hosts.check(url, own_credentials=emulator or credentials is not None, allow=allow_hosts)
    scheme, host, port = split_endpoint(url)
    host = f"[{host}]" if ":" in host else host
    ambient = not emulator and credentials is None
    return Settings(
        target=f"{host}:{port or (443 if scheme == 'https' else 80)}",
        plaintext=scheme == "http",
        emulator=emulator,
        quota_project=uri.get("quota_project") or "",
        impersonate=uri.get("impersonate") or "",
        allow_hosts=tuple(allow_hosts),
        environment=_environment() if ambient else 0,
        credentials=credentials,
    )


def _refuse_two_answers(uri: KeyURI, emulator: bool, credentials: Any, transport: Any) -> None:
    if emulator and credentials is not None:
        raise ConfigurationError("auth=emulator and credentials were given", next_step="leave one of them out")
    taken = [name for name in ("endpoint", "quota_project", "impersonate", "auth") if uri.get(name)]
    if transport is not None and (taken or credentials is not None):
        what = f"{taken[0]}=" if taken else "credentials="
        raise ConfigurationError(f"a transport and {what} were given", next_step=f"leave {what} to the transport")


def _environment() -> int:
    return hash(frozenset((name, value) for name, value in os.environ.items() if name.startswith(_ENVIRONMENT)))


class Line:
    """A channel, its three calls, and how many are under way."""

    asymmetric_sign: Call
    get_public_key: Call
    list_crypto_key_versions: Call

    def __init__(self, settings: Settings) -> None:
        self.calls = 0
        self.answered = 0.0  # monotonic, when it last was
        self._channel = _channel(settings)
        for name, (method, request, reply) in _STUBS.items():
            stub = self._channel.unary_unary(
                f"{_SERVICE}/{method}", request_serializer=request.serialize, response_deserializer=reply.deserialize
            )
            setattr(self, name, stub)

    def close(self) -> None:
        _open.discard(self._channel)
        self._channel.close()


class Kms:
    """Credentials, and the line in use. One that broke, or on which a call and all beside it had no answer in time, is left to those
    that are on it: gRPC would make the next ones fail unsent for a while, or use it until the system gives it up.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, threading.Lock()
        find = finder(
            given=settings.credentials,
            emulator=settings.emulator,
            quota_project=settings.quota_project,
            impersonate=settings.impersonate,
        )
        own = settings.emulator or settings.credentials is not None
        self._tokens = Tokens(find, Requests(own_credentials=own, allow=settings.allow_hosts))
        self._waiting = Workers(_TOKENS_AT_ONCE, "farsign-token")
        self._line, self._closed = Line(settings), False

    @contextmanager
    def line(self, end: float) -> Iterator[Line]:
        """For one call, which ends by then (monotonic)."""
        with GATE.call():
            yield from self._used(end)

    def _used(self, end: float) -> Iterator[Line]:
        with self._lock:
            line, began = self._line, time.monotonic()
            line.calls += 1
        broke = False
        try:
            yield line
            line.answered = time.monotonic()
        except Exception as error:
            broke = _errors.broke(error)
            raise
        finally:
            dead = broke or (time.monotonic() >= end - _JITTER and line.answered < began)
            self._leave(line, dead)

    def _leave(self, line: Line, dead: bool) -> None:
        with self._lock:
            line.calls -= 1
            replaced = line is not self._line  # by a call beside this one, that saw it break
            current().kept = replaced or line.answered > 0.0
            if dead and line is self._line and not self._closed:
                self._line = Line(self._settings)
            over = line is not self._line and not line.calls
        if over:
            line.close()

    def headers(self, timeout: float) -> Headers:
        return (*self._tokens.get(timeout), _AGENT)

    async def aheaders(self, timeout: float) -> Headers:
        try:
            return self.headers(0.0)
        except ProviderUnavailable:  # the token is being fetched
            future = self._waiting.submit(lambda: self.headers(timeout))
            try:
                if await wait_for(future, timeout):
                    return future.result()
            finally:
                future.cancel()  # if it never started: nobody waits any more
            raise ProviderUnavailable(
                f"no token within {timeout:.3g} s", reason="timeout", answered=False, counts=False
            ) from None

    def refresh(self, timeout: float) -> bool:
        return self._tokens.refresh(timeout)

    def close(self) -> None:
        self._waiting.close()
        with self._lock:
            self._closed = True
        self._line.close()


class Given:
    """A transport that the caller made: it has the same three calls, and credentials of its own."""

    def __init__(self, transport: Any) -> None:
        self.transport = _instance(transport)
        self._ours = self.transport is not transport  # made by the caller's function, for us

    @contextmanager
    def line(self, end: float) -> Iterator[Any]:
        with GATE.call():
            yield self.transport

    def headers(self, timeout: float) -> Headers:
        return (_AGENT,)

    def refresh(self, timeout: float) -> bool:
        """It does that itself."""
        return False

    def close(self) -> None:
        if self._ours:
            self.transport.close()


def connect(settings: Settings) -> Shared[Kms]:
    """The credentials and the channel that all keys with these settings share in this process."""
    return shared_client(settings, lambda: Kms(settings), Kms.close)


def connect_given(settings: Settings) -> Shared[Given]:
    """Likewise, for a transport of the caller's."""
    return shared_client(settings, lambda: Given(settings.transport), Given.close)


# A forked child keeps its parent's channels and never touches them: destroying one may wait for a thread that is not there.
_open: Final[set[grpc.Channel]] = set()


def _channel(settings: Settings) -> grpc.Channel:
    if settings.plaintext:  # over which a proxy would see everything
        channel = grpc.insecure_channel(settings.target, (*_OPTIONS, ("grpc.enable_http_proxy", 0)))
    else:
        channel = grpc.secure_channel(settings.target, grpc.ssl_channel_credentials(), _OPTIONS)
    _open.add(channel)
    return channel


_born: Final[MutableMapping[Any, int]] = WeakKeyDictionary()  # a transport that was given -> the process that it was given in


def _instance(transport: Any) -> Any:
    made = transport() if callable(transport) else transport
    if not isinstance(made, KeyManagementServiceTransport) or made.kind not in ("grpc", "rest"):
        raise ConfigurationError(
            f"transport= is or makes {type(made).__name__}, no synchronous KeyManagementService transport",
            next_step="pass a KeyManagementServiceGrpcTransport or ...RestTransport of google-cloud-kms; either serves asyncio too",
        )
    if made is transport and made.kind == "grpc" and _born.setdefault(made, os.getpid()) != os.getpid():
        raise ConfigurationError(
            "the gRPC transport was made in another process, and its channel does not survive a fork",
            next_step="pass a function that makes one: open_signer(uri, transport=lambda: KeyManagementServiceGrpcTransport(...))",
        )
    return made


def left(end: float) -> float:
    """Seconds until ``end`` (monotonic). gRPC takes a timeout of nothing for an error of ours."""
    return max(0.001, end - time.monotonic())


def _renew_plugin_lock() -> None:
    """grpc takes a module's lock for each call, which a forked child may inherit locked (RULES 22)."""
    if observability := sys.modules.get("grpc._observability"):
        observability.__dict__["_plugin_lock"] = threading.RLock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork either
    os.register_at_fork(after_in_child=_renew_plugin_lock)
