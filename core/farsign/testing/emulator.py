"""Emulators: a cloud's wire protocol on loopback, for the real SDKs, with real keys and faults on order.

What tests use (every emulator)::

    aws = emulator("awskms")                            # the pytest fixture; or: with AwsEmulator() as aws
    key = aws.create_key("ES256", alias="auth")         # -> EmulatedKey: .uri .pinned .algorithm .version .name .alias .public_key
    rotated = aws.rotate(key)                           # the same name, a new version (AWS: a new key behind the alias)
    aws.move_alias("auth", other)                       # where names can move; else NotImplementedError
    aws.disable(key); aws.enable(key); aws.delete(key)  # this version
    aws.faults.throttle("sign", times=3)                # see farsign.testing._orders: error, latency, reset, truncate, garbage,
                                                        # slow_drip, stall, down, wrong_signature, ..., mix; order("throttle:sign:3")
    aws.calls("sign")                                   # how many; operations are "sign" and "describe" everywhere, wire names too
    aws.log                                             # the calls: .operation .portable .key .scope .time .request_id
    aws.keys.leading_zero = "r"                         # every ECDSA signature has a leading zero byte in r ("s", "any")
    aws.clock.advance(3600); aws.clock.max_skew = 300   # its wall clock; any skew is forgiven unless told otherwise
    aws.environment()                                   # variables that point an SDK in any language here
    aws.url                                             # http://127.0.0.1:PORT, or HOST:PORT where there is no scheme
    aws.close(); aws.start()                            # connections are refused; then again on the same port, with the same keys

What an emulator's author writes: a subclass of ``HttpEmulator`` (or of ``Emulator``, with ``_listen``, ``_hang_up`` of its own: gRPC)::

    class AcmeEmulator(HttpEmulator):
        scheme = "acmekms"
        operations = {"SignDigest": "sign", "GetKey": "describe"}    # wire name -> portable name
        other_operations = ("CreateKey",)                            # wire names without one; ValueError for what is in neither
        tls_names = ()                                               # names for a generated certificate: then it speaks TLS

        def create_key(self, algorithm, alias=None, *, bits=2048, created=None, **options) -> EmulatedKey: ...
        def rotate(self, key, *, created=None) -> EmulatedKey: ...
        def environment(self) -> dict[str, str]: ...

        def answer(self, request: Request) -> Reply:
            call = self.enter("SignDigest", key="keys/k1", scope="eu")     # counts, logs, waits out latency, draws faults
            version = self.keys.get("k1").newest
            signature = call.sign(self.keys, version, data, **parameters("ES256", "digest"))   # lies if a lie was ordered
            return Reply(200, body, headers, call.faults)                  # with call.faults the transport does reset, garbage, ...

        def answer_error(self, error: InjectedError) -> Reply: ...         # error.name: a code of farsign.errors, or a wire name

The codes throttled, unavailable, denied, not-found, disabled and credentials-expired have to be answered in the provider's words, with
error.retry_after in its header; others as far as the provider has such a situation. ``alias`` is AWS's alias, and elsewhere the key's own
name. ``call.has("wrong_key_id")``: the reply has to name another version (``call.named``). A lie or a fault that HTTP has and another
transport has not (BROKEN_REPLIES) becomes what comes nearest. With that, a backend's conformance test is data (EmulatorConformance).

``self.keys`` is a ``KeyStore`` (``create``, ``add_version``, ``get``, ``sign``; ``Version`` has .state, .attributes, .spki), whose lock
guards it; ``verify`` is the counterpart of its ``sign``. ``self._set_state(key, state)`` is what disable, enable and delete call: override
it where a state is more than that. ``seed=`` makes faults repeatable; ``host=``, ``port=`` say where to listen.
"""

from __future__ import annotations

import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, ClassVar, Self

from ._calls import Call, CallLog, InjectedError, Record
from ._faults import Faults
from ._http import HttpServer, Reply, Request
from ._keystore import DELETED, DISABLED, ENABLED, PENDING, PENDING_DELETION, EmulatorClock, Key, KeyStore, Version, kind_of
from ._operations import Operations
from ._orders import BROKEN_REPLIES, KINDS, LIES, Fault, parse
from ._signatures import parameters, verify
from ._tls import ServerCertificate, server_certificate

__all__ = [
    "BROKEN_REPLIES",
    "DELETED",
    "DISABLED",
    "ENABLED",
    "KINDS",
    "LIES",
    "PENDING",
    "PENDING_DELETION",
    "Call",
    "CallLog",
    "EmulatedKey",
    "Emulator",
    "EmulatorClock",
    "Fault",
    "Faults",
    "HttpEmulator",
    "InjectedError",
    "Key",
    "KeyStore",
    "Reply",
    "Request",
    "ServerCertificate",
    "Version",
    "kind_of",
    "parameters",
    "parse",
    "verify",
]


@dataclass(frozen=True, slots=True)
class EmulatedKey:
    """A key version at an emulator, as ``create_key`` and ``rotate`` return it."""

    uri: str  # by alias if there is one, else by name: may move
    pinned: str  # a URI that can never mean another version
    algorithm: str  # JOSE name, as asked for
    version: str  # the provider's identifier of this version, as a driver reports it
    name: str  # in ``Emulator.keys``
    version_id: str  # in ``Emulator.keys.keys[name].versions``
    alias: str | None
    public_key: bytes  # SubjectPublicKeyInfo, DER


class Emulator(ABC):
    """The protocol and what all emulators share. ``seed`` makes faults repeatable; ``port`` 0: any free one."""

    scheme: ClassVar[str]
    operations: ClassVar[Mapping[str, str]]
    other_operations: ClassVar[Collection[str]] = ()

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, seed: int = 0, clock: EmulatorClock | None = None) -> None:
        self.host, self.port = host, port
        self.keys = KeyStore(clock)
        self.clock = self.keys.clock
        known = Operations((*self.operations.values(), *self.operations, *self.other_operations))
        self.faults = Faults(seed, known)
        self.log = CallLog(known)
        self._closing = threading.Event()
        self._started = False

    def start(self) -> Self:
        if not self._started:
            self._closing.clear()
            self._listen()
            self._started = True
        return self

    def close(self) -> None:
        """Connections are cut and refused until ``start``. Keys stay."""
        if self._started:
            self._started = False
            self._closing.set()
            self._hang_up()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def _listen(self) -> None:
        """Bind ``host`` and ``port``, set ``port``, and serve from daemon threads."""

    @abstractmethod
    def _hang_up(self) -> None:
        """Stop listening and cut connections, promptly."""

    @property
    def url(self) -> str:
        return f"http://{self.authority}"

    @property
    def authority(self) -> str:
        if not self.port:
            raise RuntimeError("the emulator listens nowhere yet: start() it, or give it a port")
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @abstractmethod
    def create_key(
        self, algorithm: str, alias: str | None = None, *, bits: int = 2048, created: float | None = None, **options: Any
    ) -> EmulatedKey:
        """A new key that signs that JOSE algorithm. bits: of RSA; created: seconds since the epoch; options: the provider's own.

        Raises AlgorithmNotSupported if the provider has no such keys. The emulator has to be started: URIs name its port.
        """

    @abstractmethod
    def rotate(self, key: EmulatedKey, *, created: float | None = None) -> EmulatedKey:
        """A new version behind the same URI."""

    def move_alias(self, alias: str, key: EmulatedKey) -> None:
        raise NotImplementedError(f"names do not move at {self.scheme}: rotate() makes a new version")

    def disable(self, key: EmulatedKey) -> None:
        self._set_state(key, DISABLED)

    def enable(self, key: EmulatedKey) -> None:
        self._set_state(key, ENABLED)

    def delete(self, key: EmulatedKey) -> None:
        """As far as the provider's own API goes at once: often into a state from which it can be restored."""
        self._set_state(key, PENDING_DELETION)

    def _set_state(self, key: EmulatedKey, state: str) -> None:
        with self.keys.lock:
            self.keys.keys[key.name].versions[key.version_id].state = state

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Variables that make the provider's SDKs and command line talk to this emulator."""

    def client(self) -> str:
        """How an SDK that reads no variable is pointed here; "" where ``environment`` says it all."""
        return ""

    def calls(self, operation: str) -> int:
        """How many there were. Raises ValueError for an operation that this emulator has not."""
        return self.log.count(operation)

    def enter(self, operation: str, *, key: str = "", scope: str = "", request_id: str | None = None) -> Call:
        """To be called as soon as a request's operation is known. Raises InjectedError if an error was ordered."""
        portable = self.operations.get(operation, operation.lower())
        record = Record(operation, portable, key, scope, self.clock.time(), request_id or str(uuid.uuid4()))
        self.log.add(record)
        call = Call(record, self.faults.draw((portable, operation.lower()), key, scope))
        if latency := call.faults.get("latency"):
            self._closing.wait(float(latency.argument or 0))
        if error := call.faults.get("error"):
            raise InjectedError(error, record)
        return call


class HttpEmulator(Emulator):
    """An emulator over HTTP/1.1; over TLS, with a generated certificate, if ``tls_names`` has names for it."""

    tls_names: ClassVar[Sequence[str]] = ()

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, seed: int = 0, clock: EmulatorClock | None = None) -> None:
        super().__init__(host=host, port=port, seed=seed, clock=clock)
        self.certificate = server_certificate((host, *self.tls_names)) if self.tls_names else None
        tls = self.certificate.context if self.certificate else None
        self._server = HttpServer(self._handle, host=host, port=port, tls=tls)

    def _listen(self) -> None:
        self._server.start()
        self.port = self._server.port

    def _hang_up(self) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://{self.authority}"

    def _handle(self, request: Request) -> Reply:
        try:
            reply = self.answer(request)
        except InjectedError as error:
            reply = self.answer_error(error)
        reply.headers.setdefault("Date", formatdate(self.clock.time(), usegmt=True))
        return reply

    @abstractmethod
    def answer(self, request: Request) -> Reply: ...

    @abstractmethod
    def answer_error(self, error: InjectedError) -> Reply: ...
