"""Transit for tests: hvac as any user has it and plain HTTP beside it."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import hvac

from farsign_vault._emulator import VaultEmulator
from farsign_vault._uri import EMULATOR_TOKEN

CANARY = "canary-vault-token"


def sdk(emulator: VaultEmulator, token: str = EMULATOR_TOKEN, **options: Any) -> hvac.Client:
    return hvac.Client(url=emulator.url, token=token, **options)


def ambient(uri: str) -> str:
    """The same key, with the credentials and the address of the environment."""
    place, _, query = uri.partition("?")
    kept = [item for item in query.split("&") if item and item.partition("=")[0] not in ("addr", "auth")]
    return f"{place}?{'&'.join(kept)}" if kept else place


def with_auth(uri: str, auth: str) -> str:
    uri = ambient(uri)
    return f"{uri}{'&' if '?' in uri else '?'}auth={auth}"


def ask(
    emulator: VaultEmulator, method: str, path: str, body: Any = None, *, token: str = EMULATOR_TOKEN, **headers: str
) -> tuple[int, Any, dict[str, str]]:
    """One request without any SDK: status, JSON (None if the body is empty), headers."""
    address = urlsplit(emulator.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    try:
        sent = {"X-Vault-Token": token, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.request(method, f"/v1/{path}", json.dumps(body) if body is not None else None, sent)
        reply = connection.getresponse()
        text = reply.read()
        return reply.status, json.loads(text) if text else None, {name.lower(): value for name, value in reply.getheaders()}
    finally:
        connection.close()
