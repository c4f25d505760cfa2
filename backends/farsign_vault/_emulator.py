"""Vault's and OpenBao's transit engine on loopback, as far as signing goes, with tokens, auth methods and the server's own moods.

It answers as OpenBao 2.6 does: the unsuitable defaults (SHA-256 for every key, PSS with the longest salt, DER), silence about members that
it ignores, HTTP 500 for many a caller's mistake, no Retry-After with 429. Any SDK or command line can use it: it mounts engines, makes
keys, rotates, configures, trims and deletes them. What OpenBao alone has (soft deletion) is here under both schemes.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

from farsign.driver import KeyURI
from farsign.errors import AlgorithmNotSupported
from farsign.testing.emulator import (
    DISABLED,
    ENABLED,
    PENDING_DELETION,
    EmulatedKey,
    EmulatorClock,
    HttpEmulator,
    InjectedError,
    Reply,
    Request,
    Version,
    kind_of,
)

from . import _emulator_errors as errors
from ._emulator_auth import Auth
from ._emulator_errors import ServerError, answered
from ._emulator_keys import KINDS, Transit
from ._emulator_routes import LOGIN, LOOKUP, MOUNTING, OPERATIONS, RENEW, Asked, body_of, token_of
from ._uri import EMULATOR_TOKEN, MOUNT, version_name


class VaultEmulator(HttpEmulator):
    """``auth`` has the tokens and logins; ``deny("transit/sign/k")`` takes a path from everybody, ``allow`` gives it back.

    sealed: everything is refused. standby: the address of the active node, to which requests are sent by a redirect; "" knows none.
    quota: requests a second to any path, the server's rate-limit quota; retry_after: whether 429 says when to come again.
    """

    scheme: ClassVar[str] = "hashivault"
    variables: ClassVar[str] = "VAULT"
    operations: ClassVar[Mapping[str, str]] = {"Sign": "sign", "ReadKey": "describe", "Login": "login", "RenewSelf": "renew"}
    other_operations: ClassVar[Collection[str]] = OPERATIONS

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, seed: int = 0, clock: EmulatorClock | None = None) -> None:
        super().__init__(host=host, port=port, seed=seed, clock=clock)
        self.transit = Transit(self.keys)
        self.auth = Auth(self.clock, self.certificate)
        self.mounts = {MOUNT}  # [NAMESPACE/]MOUNT
        self.namespaces = {""}
        self.sealed = False
        self.standby: str | None = None
        self.quota: int | None = None
        self.retry_after = False
        self._denied: set[str] = set()
        self._tokens, self._filled = 0.0, time.monotonic()

    # what tests use

    def create_key(
        self,
        algorithm: str,
        alias: str | None = None,
        *,
        bits: int = 2048,
        created: float | None = None,
        mount: str = MOUNT,
        namespace: str = "",
        **options: Any,
    ) -> EmulatedKey:
        """``alias`` is the key's name. options: derived. Raises AlgorithmNotSupported."""
        if unknown := options.keys() - {"derived"}:
            raise TypeError(f"transit keys have no option {' '.join(sorted(unknown))}")
        kind = kind_of(algorithm, bits)
        if kind not in KINDS:
            raise AlgorithmNotSupported(f"transit has no keys for {algorithm} ({bits} bits)")
        name = alias or f"key-{len(self.keys.keys) + 1}"
        where = "/".join(filter(None, (namespace, mount)))
        self.namespaces.add(namespace)
        self.mounts.add(where)
        version = self.transit.add(f"{where}/{name}", kind, created=created, type=KINDS[kind], **options)
        return self._emulated(f"{where}/{name}", version, algorithm, alias, mount, namespace)

    def rotate(self, key: EmulatedKey, *, created: float | None = None) -> EmulatedKey:
        version = self.transit.next_version(self.keys.keys[key.name], created)
        uri = KeyURI.split(key.uri)
        return self._emulated(key.name, version, key.algorithm, key.alias, uri.get("mount") or MOUNT, uri.get("namespace") or "")

    def recreate(self, key: EmulatedKey) -> EmulatedKey:
        """Deletes the key for ever and makes another of its name, which starts at version 1 again."""
        with self.keys.lock:
            kind = self.keys.keys.pop(key.name).newest.kind
            version = self.transit.add(key.name, kind, type=KINDS[kind])
        uri = KeyURI.split(key.uri)
        return self._emulated(key.name, version, key.algorithm, key.alias, uri.get("mount") or MOUNT, uri.get("namespace") or "")

    def _set_state(self, key: EmulatedKey, state: str) -> None:
        """Deleting is soft, and the whole key's. Disabling raises min_encryption_version, even above the newest version, to which a
        server sets no key: so that one version can be tried."""
        with self.keys.lock:
            attributes = self.keys.keys[key.name].attributes
            attributes["soft_deleted"] = state == PENDING_DELETION
            if state in (DISABLED, ENABLED):
                attributes["min_encryption_version"] = int(key.version_id) + 1 if state == DISABLED else 0

    def deny(self, path: str) -> None:
        """From now on no policy allows that path, such as "transit/sign/auth"."""
        self._denied.add(path)

    def allow(self, path: str) -> None:
        self._denied.discard(path)

    def environment(self) -> dict[str, str]:
        found = {f"{self.variables}_ADDR": self.url, f"{self.variables}_TOKEN": EMULATOR_TOKEN}
        if self.certificate:
            found[f"{self.variables}_CACERT"] = self.certificate.ca_file
        return found

    def _emulated(
        self, path: str, version: Version, algorithm: str, alias: str | None, mount: str, namespace: str
    ) -> EmulatedKey:
        where = {"mount": mount if mount != MOUNT else "", "namespace": namespace, "addr": self.url, "auth": "emulator"}
        where["ca_cert"] = self.certificate.ca_file if self.certificate else ""
        where["alg"] = algorithm if version.kind.startswith("RSA") else ""
        where = {name: value for name, value in where.items() if value}
        name = path.rpartition("/")[2]
        return EmulatedKey(
            uri=str(KeyURI(self.scheme, name, "", where)),
            pinned=str(KeyURI(self.scheme, name, "", {"version": version.id, **where})),
            algorithm=algorithm,
            version=version_name(path, int(version.id), version.spki),
            name=path,
            version_id=version.id,
            alias=alias,
            public_key=version.spki,
        )

    # the wire

    def answer(self, request: Request) -> Reply:
        asked = Asked.read(request, self.mounts)
        call = asked.ask.call = self.enter(asked.operation, key=asked.ask.path, scope=asked.namespace)
        try:
            reply = self._decide(request, asked, call.record.request_id)
        except ServerError as error:
            reply = error.reply()
            if error.status == 429 and self.retry_after:
                reply.headers |= {"Retry-After": "1", "X-Ratelimit-Limit": str(self.quota), "X-Ratelimit-Remaining": "0"}
        reply.faults = call.faults
        return reply

    def answer_error(self, error: InjectedError) -> Reply:
        mount, _, name = error.record.key.rpartition("/")
        verb = {"Sign": "sign", "ReadKey": "keys"}.get(error.record.operation, "")
        reply = errors.situation(error.name, f"{mount}/{verb}/{name}").reply()
        if error.retry_after is not None:
            reply.headers["Retry-After"] = f"{error.retry_after:g}"
        return reply

    def _decide(self, request: Request, asked: Asked, request_id: str) -> Reply:
        """In the server's order: its own state, the namespace, who asks, whether that is allowed, what is there."""
        if asked.path == "sys/health":
            return self._health()
        self._check_mood(asked.path)
        if self.standby:
            return Reply(307, b"", {"Location": self.standby + request.target})
        if asked.namespace not in self.namespaces:
            raise errors.NO_NAMESPACE
        asked.ask.body = body_of(request)
        if login := LOGIN.fullmatch(asked.path):
            auth = self.auth.login(login["mount"], login["user"] or "", asked.ask.body)
            return answered(None, request_id=request_id, auth=auth)
        token = token_of(request)
        self.auth.check(token)
        if asked.path in self._denied:
            raise errors.denied()
        return self._of_the_token(asked, token, request_id) or self._of_an_engine(asked, request_id)

    def _of_the_token(self, asked: Asked, token: str, request_id: str) -> Reply | None:
        if asked.path == LOOKUP:
            return answered(self.auth.lookup(token), request_id=request_id)
        if asked.path == RENEW:
            auth, warnings = self.auth.renew(token)
            return answered(None, request_id=request_id, auth=auth, warnings=warnings)
        return None

    def _of_an_engine(self, asked: Asked, request_id: str) -> Reply:
        if asked.method == "POST" and (mounting := MOUNTING.fullmatch(asked.path)):
            self.mounts.add("/".join(filter(None, (asked.namespace, mounting[1]))))
            return Reply(204)
        if not asked.mount:
            raise errors.not_mounted(asked.path)
        with self.keys.lock:
            if asked.method == "LIST" and asked.path.endswith("/keys"):
                return answered({"keys": self.transit.names(f"{asked.mount}/")}, request_id=request_id)
            if asked.route is None:
                raise errors.UNSUPPORTED_PATH
            self.transit.warnings = []
            data = asked.route.action(self.transit, asked.ask)
            return Reply(204) if data is None else answered(data, request_id=request_id, warnings=self.transit.warnings or None)

    def _check_mood(self, path: str) -> None:
        """Sealed beats all."""
        if self.sealed:
            raise errors.sealed()
        if self.standby == "":
            raise errors.no_leader()
        if self.quota is not None and not self._pay(self.quota):
            raise errors.over_quota(path)

    def _pay(self, rate: int) -> bool:
        with self.keys.lock:
            now = time.monotonic()
            self._tokens = min(float(rate), self._tokens + rate * (now - self._filled))
            self._filled = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def _health(self) -> Reply:
        status = 503 if self.sealed else 429 if self.standby is not None else 200
        told = {"initialized": True, "sealed": self.sealed, "standby": self.standby is not None, "version": "2.6.2"}
        return errors.json_reply(told, status)


class OpenBaoEmulator(VaultEmulator):
    scheme: ClassVar[str] = "openbao"
    variables: ClassVar[str] = "BAO"


EMULATORS: Final[Mapping[str, type[VaultEmulator]]] = MappingProxyType(
    {kind.scheme: kind for kind in (VaultEmulator, OpenBaoEmulator)}
)
