"""The few requests that leave for the server, and what came back instead of an answer."""

from __future__ import annotations

import json
import re
import time
from typing import Any, Final

import requests
from hvac.adapters import RawAdapter
from hvac.exceptions import VaultError

from farsign._plugin.waits import asked_wait
from farsign.errors import ConfigurationError, CredentialsNotFound, IntegrityFailure, ProviderUnavailable

from ._uri import NAME, NAMES

LARGEST: Final = 1 << 20  # bytes of a reply; a key with many versions has some 100 KiB
_TOKEN: Final = re.compile(r"[!-~]*")
# Every path that a request may have (RULES 13): the last check before it leaves.
_TEMPLATES: Final = re.compile(
    rf"/v1/{NAMES}/(?:keys|sign)/{NAME}|/v1/auth/{NAMES}/login(?:/{NAME})?|/v1/auth/token/renew-self", re.ASCII
)


class Refused(VaultError):  # type: ignore[misc]  # hvac has no types
    """A reply that is no answer, with what hvac's own exceptions lose: the status of every reply, and its headers."""

    def __init__(self, status: int, errors: list[str], method: str, path: str, retry_after: float | None) -> None:
        super().__init__(message=f"HTTP {status}", method=method, url=path)
        self.status, self.texts, self.path, self.verb = status, errors, path, method
        self.retry_after = retry_after  # seconds

    @property
    def told(self) -> str:
        """All that the server said. Not for messages: it may repeat what was sent."""
        return "\n".join(self.texts)


def ask(adapter: RawAdapter, method: str, path: str, *, timeout: float, token: str = "", body: Any = None) -> dict[str, Any]:
    """One request; the reply's JSON object. Raises Refused, IntegrityFailure, or requests' exceptions."""
    if not _TEMPLATES.fullmatch(path):
        raise ConfigurationError("a request would have gone to a path that is none of transit's")
    if timeout <= 0:
        raise ProviderUnavailable("no time was left for the request", reason="timeout", answered=False, counts=False)
    if not _TOKEN.fullmatch(token):  # requests would refuse to send it, with it in the message
        step = "look for a space or a line break in it: `export VAULT_TOKEN=$(cat FILE)` leaves out the one at the end"
        raise CredentialsNotFound("the token holds a character that no token has", next_step=step)
    with adapter.request(
        method,
        path,
        headers={"X-Vault-Token": token} if token else {},
        json=body,
        timeout=timeout,
        stream=True,
        raise_exception=False,
    ) as response:
        read = _read(response, time.monotonic() + timeout)
        reply = _object(read)
        if response.status_code != 200:
            told = reply.get("errors") if reply else [read[:500].decode("utf-8", "replace")]
            texts = [text for text in told if isinstance(text, str)] if isinstance(told, list) else []
            raise Refused(response.status_code, texts, method, path, asked_wait(response.headers))
    if reply is None:
        raise IntegrityFailure("the server's reply is no JSON object", reason="garbled reply")
    return reply


def _read(response: requests.Response, end: float) -> bytes:
    read = b""
    for piece in response.iter_content(64 * 1024):
        read += piece
        if len(read) > LARGEST:
            raise IntegrityFailure("the server sent a reply of more than 1 MiB", reason="oversized")
        if time.monotonic() > end:
            raise requests.ReadTimeout
    return read


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
