"""Key Vault and Managed HSM on loopback, as far as signing keys go, over TLS with a certificate of its own.

The REST protocol is Key Vault's: the 401 challenge before anything else, API versions checked, versions with their attributes, rotation,
paging, soft delete, error bodies. Signing takes digests, as the service does, and answers with r||s. Every host name is a vault here, and
all of them have the same keys, so that an SDK in any language can use the address itself as its vault URL (with the check of the
challenge's resource switched off) while farsign's own URIs say emulator.vault.azure.net.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, unquote

from farsign.driver import KeyURI
from farsign.errors import AlgorithmNotSupported
from farsign.testing.emulator import (
    PENDING_DELETION,
    EmulatedKey,
    EmulatorClock,
    HttpEmulator,
    InjectedError,
    Reply,
    Request,
    Version,
)

from . import _emulator_errors as errors
from ._emulator_errors import VaultError, json_reply
from ._emulator_keys import Ask, VaultKeys, VaultKeyStore, kind_for
from ._emulator_tokens import CLIENT_ID, CLIENT_SECRET, TENANT, Tokens, audience_of, is_for_tokens

HOST: Final = "emulator.vault.azure.net"
API_VERSIONS: Final = ("2025-07-01", "7.6", "7.5", "7.4", "7.3", "7.2", "7.1", "7.0", "2016-10-01")
Action = Callable[[VaultKeys, Ask], dict[str, Any] | None]  # None: 204 No Content
# method, collection, what follows name and version -> the service's name for it in audit logs, permission, action
ROUTES: Final[Mapping[tuple[str, str, str], tuple[str, str, Action]]] = {
    ("GET", "keys", ""): ("KeyGet", "keys/get", VaultKeys.get),
    ("GET", "keys", "versions"): ("KeyListVersions", "keys/list", VaultKeys.list_versions),
    ("POST", "keys", "sign"): ("KeySign", "keys/sign", VaultKeys.sign),
    ("POST", "keys", "verify"): ("KeyVerify", "keys/verify", VaultKeys.verify),
    ("POST", "keys", "create"): ("KeyCreate", "keys/create", VaultKeys.create),
    ("POST", "keys", "rotate"): ("KeyRotate", "keys/rotate", VaultKeys.rotate),
    ("PATCH", "keys", ""): ("KeyUpdate", "keys/update", VaultKeys.update),
    ("DELETE", "keys", ""): ("KeyDelete", "keys/delete", VaultKeys.delete),
    ("GET", "deletedkeys", ""): ("KeyGetDeleted", "keys/get", VaultKeys.get_deleted),
    ("POST", "deletedkeys", "recover"): ("KeyRecover", "keys/recover", VaultKeys.recover),
    ("DELETE", "deletedkeys", ""): ("KeyPurge", "keys/purge", VaultKeys.purge),
}
_ON_VERSIONS: Final = ("sign", "verify")  # their path has a version before them, which may be empty
_TYPES: Final = {"crv": str, "attributes": dict, "tags": dict, "key_ops": list, "enabled": bool, "nbf": int, "exp": int}
_LAST: Final = {last for _, _, last in ROUTES}


class AzureEmulator(HttpEmulator):
    """``tokens`` has who may call; ``deny("keys/get")`` takes a permission from everybody, ``allow`` gives it back."""

    scheme: ClassVar[str] = "azurekms"
    operations: ClassVar[Mapping[str, str]] = {"KeySign": "sign", "KeyGet": "describe", "KeyListVersions": "list"}
    other_operations: ClassVar[Collection[str]] = (*(name for name, _, _ in ROUTES.values()), "Token", "Challenge")
    tls_names = ("localhost", "127.0.0.1", "::1")
    keys: VaultKeyStore

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, seed: int = 0, clock: EmulatorClock | None = None) -> None:
        super().__init__(host=host, port=port, seed=seed, clock=clock)
        self.keys = VaultKeyStore(self.clock)
        self.vault = VaultKeys(self.keys)
        self.tokens = Tokens(self.clock)
        self._denied: set[str] = set()

    # what tests use

    def create_key(
        self,
        algorithm: str,
        alias: str | None = None,
        *,
        bits: int = 2048,
        created: float | None = None,
        vault: str = HOST,
        **options: Any,
    ) -> EmulatedKey:
        """``alias`` is the key's name. vault: the host that the URIs say; options: hsm, enabled, nbf, exp, ops.

        Raises AlgorithmNotSupported.
        """
        if unknown := options.keys() - {"hsm", "enabled", "nbf", "exp", "ops", "tags"}:
            raise TypeError(f"Key Vault keys have no option {' '.join(sorted(unknown))}")
        kind = kind_for(algorithm, bits)
        if kind is None:
            raise AlgorithmNotSupported(f"Key Vault has no keys for {algorithm}" + (f" of {bits} bits" if bits != 2048 else ""))
        name = alias or f"key-{len(self.keys.keys) + 1}"
        if name in self.keys.keys:
            raise ValueError(f"a key named {name!r} exists")
        return self._emulated(name, self.vault.add(name, kind, created=created, **options), algorithm, alias, vault)

    def rotate(self, key: EmulatedKey, *, created: float | None = None) -> EmulatedKey:
        made = self.vault.next_version(self.keys.keys[key.name], created)
        return self._emulated(key.name, made, key.algorithm, key.alias, KeyURI.split(key.uri).host)

    def _set_state(self, key: EmulatedKey, state: str) -> None:
        """Deleting is for the whole key; enabling one recovers it."""
        with self.keys.lock:
            stored = self.keys.keys[key.name]
            if state == PENDING_DELETION:
                stored.attributes["deleted"] = self.clock.time()
                return
            stored.attributes.pop("deleted", None)
            stored.versions[key.version_id].state = state

    def deny(self, permission: str) -> None:
        """From now on nobody has it, as if the role lacked it."""
        self._denied.add(permission)

    def allow(self, permission: str) -> None:
        self._denied.discard(permission)

    def environment(self) -> dict[str, str]:
        assert self.certificate is not None
        return {
            "VAULT_URL": self.url,
            "AZURE_AUTHORITY_HOST": self.url,
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": CLIENT_ID,
            "AZURE_CLIENT_SECRET": CLIENT_SECRET,
            "REQUESTS_CA_BUNDLE": self.certificate.ca_file,
            "NODE_EXTRA_CA_CERTS": self.certificate.ca_file,
        }

    def _emulated(self, name: str, version: Version, algorithm: str, alias: str | None, vault: str) -> EmulatedKey:
        assert self.certificate is not None
        where = {"endpoint": self.url, "ca_cert": self.certificate.ca_file, "auth": "emulator"}
        if version.kind.startswith("RSA"):
            where["alg"] = algorithm
        return EmulatedKey(
            uri=str(KeyURI("azurekms", vault, name, where)),
            pinned=str(KeyURI("azurekms", vault, f"{name}/{version.id}", where)),
            algorithm=algorithm,
            version=f"https://{vault}/keys/{name}/{version.id}",
            name=name,
            version_id=version.id,
            alias=alias,
            public_key=version.spki,
        )

    # the wire

    def answer(self, request: Request) -> Reply:
        if is_for_tokens(request):
            call = self.enter("Token")
            reply = self.tokens.answer(request, self.url)
        else:
            try:
                self.tokens.check(request)
            except VaultError as error:
                call = self.enter("Challenge", scope=_host(request))
                return self._finished(error.reply(), request, call.record.request_id, call.faults)
            return self._answer_authorized(request)
        return self._finished(reply, request, call.record.request_id, call.faults)

    def _answer_authorized(self, request: Request) -> Reply:
        collection, name, version, last = _parts(request)
        route = ROUTES.get((request.method, collection, last))
        call = self.enter(route[0] if route else request.path, key=f"{name}/{version}".rstrip("/"), scope=_host(request))
        try:
            if route is None:
                raise VaultError(404, "NotFound", f"the farsign emulator has no {request.method} {request.path}")
            query = dict(parse_qsl(request.query, keep_blank_values=True))
            _check_api_version(query.get("api-version", ""))
            if route[1] in self._denied:
                raise errors.denied(route[1])
            ask = Ask(f"{self._scheme(request)}://{_host(request)}", name, version, _body(request), query, call)
            with self.keys.lock:
                body = route[2](self.vault, ask)
            reply = Reply(204) if body is None else json_reply(body)
        except VaultError as error:
            reply = error.reply()
        return self._finished(reply, request, call.record.request_id, call.faults)

    def answer_error(self, error: InjectedError) -> Reply:
        found = errors.situation(error.name)
        if error.name == "denied":
            permissions = {operation: permission for operation, permission, _ in ROUTES.values()}
            found = errors.denied(permissions.get(error.record.operation, "keys/sign"))
        reply = found.reply()
        if error.retry_after is not None:
            reply.headers["Retry-After"] = f"{error.retry_after:g}"
        host = error.record.scope or HOST
        return self._finished(reply, Request("", "", {"host": host}, b""), error.record.request_id, {})

    def _finished(self, reply: Reply, request: Request, request_id: str, faults: Mapping[str, Any]) -> Reply:
        reply.headers |= {
            "x-ms-request-id": request_id,
            "x-ms-keyvault-service-version": "1.9.0.0",
            "x-ms-keyvault-region": "emulator",
        }
        if reply.status == 401 and not is_for_tokens(request):
            reply.headers["WWW-Authenticate"] = (
                f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="{audience_of(_host(request))}"'
            )
        reply.faults = faults
        return reply

    def _scheme(self, request: Request) -> str:
        return "https" if self.certificate else request.headers.get("x-forwarded-proto", "http")


def _host(request: Request) -> str:
    return request.headers.get("host", HOST)


def _parts(request: Request) -> tuple[str, str, str, str]:
    """Collection, name, version and what is asked of it: ``/keys/NAME[/VERSION[/sign]]``, ``/keys/NAME/versions``, ..."""
    collection, *rest = [unquote(part) for part in request.path.strip("/").split("/")]
    name = rest.pop(0) if rest else ""
    last = rest.pop() if rest and rest[-1] in _LAST and (rest[-1] not in _ON_VERSIONS or len(rest) == 2) else ""
    version = rest.pop(0) if rest else ""
    return (collection if not rest else ""), name, version, last


def _check_api_version(version: str) -> None:
    if not version:
        raise errors.bad_parameter("api-version must be specified")
    if version not in API_VERSIONS:
        raise errors.bad_parameter(
            f"The specified version ({version}) is not recognized. Consider using the latest supported version ({API_VERSIONS[0]})."
        )


def _body(request: Request) -> Mapping[str, Any]:
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise errors.bad_parameter("The request body is not JSON.")
    return _checked(body)


def _checked(body: dict[str, Any]) -> dict[str, Any]:
    """null is as good as absent, and a member of another type than the service's is refused."""
    told = {name: value for name, value in body.items() if value is not None}
    for name, value in told.items():
        if not isinstance(value, _TYPES.get(name, object)):
            raise errors.bad_parameter(f"Property {name} has invalid value")
    return {name: _checked(value) if isinstance(value, dict) else value for name, value in told.items()}
