"""What a request at the emulated server is about: which mount, which key, which action."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, unquote

from farsign.testing.emulator import Request

from ._emulator_errors import invalid
from ._emulator_keys import Ask, Transit
from ._uri import NAME


class Route(NamedTuple):
    operation: str  # for the log
    action: Callable[[Transit, Ask], dict[str, Any] | None]


# method, what follows the mount ("*" is a key's name)
ROUTES: Final[Mapping[tuple[str, str], Route]] = MappingProxyType(
    {
        ("POST", "sign/*"): Route("Sign", Transit.sign),
        ("POST", "sign/*/"): Route("Sign", Transit.sign),
        ("POST", "verify/*"): Route("Verify", Transit.verify),
        ("POST", "verify/*/"): Route("Verify", Transit.verify),
        ("GET", "keys/*"): Route("ReadKey", Transit.read),
        ("POST", "keys/*"): Route("CreateKey", Transit.create),
        ("DELETE", "keys/*"): Route("DeleteKey", Transit.delete),
        ("POST", "keys/*/rotate"): Route("RotateKey", Transit.rotate),
        ("POST", "keys/*/config"): Route("ConfigureKey", Transit.configure),
        ("POST", "keys/*/trim"): Route("TrimKey", Transit.trim),
        ("DELETE", "keys/*/soft-delete"): Route("SoftDeleteKey", Transit.soft_delete),
        ("POST", "keys/*/soft-delete-restore"): Route("RestoreKey", Transit.restore),
    }
)
MOST_STRINGS: Final = 1000  # in a request, names and values counted
LOGIN: Final = re.compile(rf"auth/(?P<mount>.+)/login(?:/(?P<user>{NAME}))?")
MOUNTING: Final = re.compile(r"sys/mounts/(.+)")
LOOKUP: Final = "auth/token/lookup-self"
RENEW: Final = "auth/token/renew-self"
_NOT_KEYS: Final = MappingProxyType({RENEW: "RenewSelf", LOOKUP: "LookupSelf"})
OPERATIONS: Final = (*(route.operation for route in ROUTES.values()), "Login", *_NOT_KEYS.values())


@dataclass(slots=True)
class Asked:
    """``mount`` is [NAMESPACE/]MOUNT, empty if nothing is mounted there; ``route`` is None if the engine has no such path."""

    method: str
    path: str  # without /v1/
    namespace: str
    mount: str
    route: Route | None
    ask: Ask

    @classmethod
    def read(cls, request: Request, mounts: Collection[str]) -> Asked:
        path = unquote(request.path).removeprefix("/v1/").strip("/")
        method = "POST" if request.method == "PUT" else request.method
        if method == "GET" and parse_qs(request.query).get("list") == ["true"]:
            method = "LIST"
        namespace = request.headers.get("x-vault-namespace", "").strip("/")
        full = f"{namespace}/{path}" if namespace else path
        mount = max((each for each in mounts if full.startswith(f"{each}/")), key=len, default="")
        if not mount:
            return cls(method, path, namespace, "", None, Ask(path))
        verb, _, rest = full[len(mount) + 1 :].partition("/")
        name, slash, last = rest.partition("/")
        pattern = f"{verb}/*{slash}{last if verb == 'keys' else ''}"
        route = ROUTES.get((method, pattern)) if re.fullmatch(NAME, name) else None
        return cls(method, path, namespace, mount, route, Ask(f"{mount}/{name}".rstrip("/"), hash="" if verb == "keys" else last))

    @property
    def operation(self) -> str:
        if self.route:
            return self.route.operation
        return "Login" if LOGIN.fullmatch(self.path) else _NOT_KEYS.get(self.path, f"{self.method} {self.path}")


def token_of(request: Request) -> str:
    bearer, _, token = request.headers.get("authorization", "").partition(" ")
    return request.headers.get("x-vault-token") or (token if bearer.lower() == "bearer" else "")


def body_of(request: Request) -> Mapping[str, Any]:
    if not request.body:
        return {}
    try:
        body = json.loads(request.body)
    except ValueError:
        raise invalid("failed to parse JSON input: invalid character looking for beginning of value") from None
    if not isinstance(body, dict):
        raise invalid("failed to parse JSON input: json: cannot unmarshal into Go value of type map[string]interface {}")
    if _strings(body) > MOST_STRINGS:
        raise invalid("request body contains more than 1000 strings")
    return body


def _strings(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_strings, value.values()))
    if isinstance(value, list):
        return sum(map(_strings, value))
    return isinstance(value, str)
