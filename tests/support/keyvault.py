"""Key Vault for tests: the SDK as any user has it, credentials that remember how they were asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from azure.core.credentials import AccessToken
from azure.keyvault.keys import KeyClient

from farsign_azure._emulator import HOST, AzureEmulator
from farsign_azure._transport import Transport

CANARY = "canary-bearer-token"


class StaticCredential:
    """A credential as azure-identity's are called; it remembers how it was asked."""

    def __init__(self, token: str | Callable[[], str] = CANARY, *, life: float = 3600.0) -> None:
        self._token, self._life = token, life
        self.asked: list[tuple[tuple[str, ...], dict[str, Any]]] = []

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked.append((scopes, options))
        token = self._token if isinstance(self._token, str) else self._token()
        return AccessToken(token, int(time.time() + self._life))


def sdk(emulator: AzureEmulator, credential: Any = None, *, vault: str = HOST, **options: Any) -> KeyClient:
    """Through a transport that keeps the vault's name and goes to the emulator."""
    assert emulator.certificate
    options = {"retry_total": 0, "transport": Transport(emulator.url, emulator.certificate.ca_file), **options}
    return KeyClient(f"https://{vault}", credential or StaticCredential(emulator.tokens.grant), **options)


def without_emulator_credential(uri: str) -> str:
    """The same address, for a credential that the test gives."""
    return uri.replace("&auth=emulator", "")
