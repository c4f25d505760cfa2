"""What authenticates a call: headers made from google-auth's credentials, fetched once for all, renewed ahead, never to a foreign host.

google-auth's own gRPC plugin fetches a token in whichever call comes first, once per thread that comes along, and in that call's time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import google.auth
import google.auth.credentials
import google.auth.exceptions
import google.auth.transport.requests
from google.auth.external_account import Credentials as External
from google.auth.impersonated_credentials import Credentials as Impersonated
from google.auth.transport import DEFAULT_RETRYABLE_STATUS_CODES

from farsign.driver import Credential, ExpiringCredential
from farsign.errors import ConfigurationError, CredentialsNotFound

from . import _hosts

SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/cloudkms")  # as the SDK asks
EMULATOR_TOKEN: Final = "token-of-the-farsign-emulator"  # noqa: S105 - what auth=emulator sends; emulators accept it, nobody else
TIMEOUT: Final = 10.0  # seconds for one request to a token endpoint (RULES 21)
_MACHINE: Final = "/computeMetadata/v1/instance/service-accounts/"  # of the metadata server: a token, and whose
Headers = tuple[tuple[str, str], ...]
_NEVER: Final = object()


class Requests(google.auth.transport.requests.Request):  # type: ignore[misc]  # google-auth is Any to mypy
    """google-auth's way out. What carries a secret leaves for Google's token endpoints only, and no redirect takes it further."""

    def __init__(self, *, own_credentials: bool, allow: Sequence[str]) -> None:
        super().__init__()
        self._own, self._allow = own_credentials, allow
        self.source = ""  # where an external account's credentials file gets its subject token, with headers of its own

    def __call__(
        self, url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: Any = None, **options: Any
    ) -> Any:
        secret = method == "POST" or any(name.lower() == "authorization" for name in headers or ())  # metadata: GET, and none
        if secret and not (method == "GET" and url == self.source):
            _hosts.check_for_secrets(url, own_credentials=self._own, allow=self._allow)
        options["allow_redirects"] = False
        seconds: Any = min(timeout or TIMEOUT, TIMEOUT)
        reply = super().__call__(url, method, body, headers, seconds, **options)
        if reply.status in DEFAULT_RETRYABLE_STATUS_CODES and (method == "POST" or _MACHINE in url):
            # google-auth would ask three times, the metadata server five, and sleep in between: the Signer tries again
            raise google.auth.exceptions.RefreshError(f"HTTP {reply.status}", retryable=True)
        return reply


class Tokens:
    """``find`` returns google-auth credentials; it is called again after a refusal."""

    def __init__(self, find: Callable[[Requests], Any], requests: Requests) -> None:
        self._find, self._requests = find, requests
        self._found: Any = None
        self._spent: Any = _NEVER  # the token that the last fetch brought
        self._kept = ExpiringCredential(self._fetch)

    def get(self, timeout: float) -> Headers:
        return self._kept.get(timeout)

    def refresh(self, timeout: float) -> bool:
        """False: not if that was done within the last 30 s. A credentials file is read again."""
        self._found = None
        return self._kept.refresh(timeout)

    def _fetch(self, seconds: float) -> Credential[Headers]:
        """google-auth takes no deadline for the whole; who waits for this has one."""
        try:
            found = self._found = self._found or self._find(self._requests)
            if not isinstance(found, google.auth.credentials.AnonymousCredentials):
                if not found.valid or found.token == self._spent:
                    self._renew(found)
                self._spent = found.token
        except OSError as error:
            if error.filename is None:  # no file
                raise
            message = f"google-auth cannot read {error.filename}: {error.strerror}"
            raise CredentialsNotFound(message, next_step="see GOOGLE_APPLICATION_CREDENTIALS, and what its file names") from None
        headers: dict[str, str] = {}
        found.apply(headers)
        expiry: datetime | None = found.expiry
        return Credential(tuple((name.lower(), value) for name, value in headers.items()), _monotonic(expiry))

    def _renew(self, found: Any) -> None:
        """A token that is still valid outlives a failure of its server; a bare token cannot be renewed at all."""
        try:
            found.refresh(self._requests)
        except google.auth.exceptions.GoogleAuthError:
            if not found.valid:
                raise


def _monotonic(expiry: datetime | None) -> float | None:
    """google-auth's times are UTC without saying so."""
    if expiry is None:
        return None
    aware = expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)
    return time.monotonic() + aware.timestamp() - time.time()


def finder(*, given: Any, emulator: bool, quota_project: str, impersonate: str) -> Callable[[Requests], Any]:
    """Whose credentials: the emulator's, those that were given, or this process's. Raises ConfigurationError."""
    if given is not None:
        _check_given(given)

    def find(requests: Requests) -> Any:
        if emulator:
            from google.oauth2.credentials import Credentials

            found: Any = Credentials(token=EMULATOR_TOKEN)
        else:  # without scopes: with them google-auth would ask for the project's name, at yet another host
            found = given if given is not None else google.auth.default(request=requests)[0]
            requests.source = _subject_token_url(found)
            found = google.auth.credentials.with_scopes_if_required(found, None, default_scopes=SCOPES)
        if impersonate:
            found = Impersonated(source_credentials=found, target_principal=impersonate, target_scopes=list(SCOPES[:1]))
        return found.with_quota_project(quota_project) if quota_project else found

    return find


def _subject_token_url(found: Any) -> str:
    """Of workload identity federation by URL, as on GitHub Actions; "" if there is none, or one without TLS."""
    source = found.info.get("credential_source") if isinstance(found, External) else None
    url = source.get("url") if isinstance(source, dict) else None
    return url if isinstance(url, str) and url.startswith("https://") else ""


def _check_given(given: Any) -> None:
    import inspect

    if not isinstance(given, google.auth.credentials.Credentials) or inspect.iscoroutinefunction(given.refresh):
        raise ConfigurationError(
            f"credentials= is {type(given).__name__}, not synchronous google-auth credentials",
            next_step="pass what google.auth.default() or google.oauth2.service_account.Credentials gives; it serves asyncio too",
        )
