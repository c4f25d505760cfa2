"""azure-identity's default chain, with a word on whether a failure may pass.

It says in text only why no credential of the chain got a token, and breaks off at the first that failed: so the last reply tells.
Its retries stay on: MSAL, below it, answers from memory for five seconds after a 5xx, so that ours alone would reach nobody.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline.transport import RequestsTransport

from farsign._plugin.waits import asked_wait
from farsign.errors import ProviderError, ProviderUnavailable, Throttled

PASSING: Final = frozenset((408, 410, 429, *range(500, 600)))  # 410: the metadata server of a machine that is being updated
_STEP: Final = "see that this process reaches Microsoft Entra (login.microsoftonline.com), or the machine's metadata server"


class Chain:
    def __init__(self, authority: str, **options: Any) -> None:
        from azure.identity import DefaultAzureCredential

        self._wire = Wire(authority)
        self._chain = DefaultAzureCredential(authority=authority, transport=self._wire, **options)

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        try:
            token: AccessToken = self._chain.get_token(*scopes, **options)
            return token
        except ClientAuthenticationError:
            trouble = self._wire.trouble
            if trouble is None:
                raise
        raise trouble  # outside the handler: their error holds the request


class Wire(RequestsTransport):  # type: ignore[misc]  # azure-core loads its transports lazily, so they are Any
    """Notices what became of the last request. Silence counts only of a host that is there: most machines have no metadata server."""

    def __init__(self, authority: str) -> None:
        super().__init__()
        self.trouble: ProviderError | None = None
        self._there = {urlsplit(authority).netloc}

    def send(self, request: Any, **options: Any) -> Any:
        self.trouble = None
        host = urlsplit(request.url).netloc
        try:
            response = super().send(request, **options)
        except AzureError as error:
            if host in self._there:
                self.trouble = _silent(type(error).__name__)
            raise
        self._there.add(host)
        if response.status_code in PASSING:
            self.trouble = _refused(response.status_code, asked_wait(response.headers))
        return response


def _silent(reason: str) -> ProviderError:
    message = "no token: its server could not be reached"
    return ProviderUnavailable(message, next_step=_STEP, reason=reason, answered=False, counts=False)


def _refused(status: int, wait: float | None) -> ProviderError:
    if status == 429:
        return Throttled("no token: its server throttles", retry_after=wait, reason="HTTP 429")
    message = f"no token: its server answered HTTP {status}"
    return ProviderUnavailable(message, retry_after=wait, reason=f"HTTP {status}", counts=False)
