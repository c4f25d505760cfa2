"""Tokens: found, or got by logging in; renewed before they end; got again once when the server refuses them (RULES 21)."""

from __future__ import annotations

import copy
import os
import re
import time
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

import requests

from farsign.driver import Credential, ExpiringCredential
from farsign.errors import CredentialsExpired, CredentialsNotFound, FarsignError, IntegrityFailure, ProviderError

from ._settings import Settings
from ._uri import EMULATOR_TOKEN, NAME
from ._wire import Refused

LOOK_AGAIN: Final = 60.0  # seconds after which a token that was found is looked at again: renewed, or read from its file
NO_LOGIN: Final = 30.0  # seconds for which a refused login is not tried again
DEFINITE: Final = (400, 401, 403, 404, 405)  # answers to a login that will not change by asking again
LARGEST: Final = 64 * 1024  # bytes of a file with a secret
SERVICE_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"
RENEW: Final = "/v1/auth/token/renew-self"
TOKEN_FILE: Final = "~/.vault-token"  # noqa: S105 - the name of the file in which Vault's command line keeps one


class Ask(Protocol):
    def __call__(self, method: str, path: str, *, timeout: float, token: str = "", body: Any = None) -> dict[str, Any]: ...


class Source(Protocol):
    """Where tokens come from. ``again``: the last one was refused."""

    def __call__(self, timeout: float, again: bool) -> Credential[str]: ...


class Tokens:
    """One for all threads: a single flight that no attempt's end is the end of."""

    def __init__(self, source: Source) -> None:
        self._source, self._again = source, False
        self._kept = ExpiringCredential(self._fetch)

    def get(self, timeout: float) -> str:
        return self._kept.get(timeout)

    def refresh(self, timeout: float) -> bool:
        """After a refusal. False: not if that was done within the last 30 s."""
        self._again = True
        return self._kept.refresh(timeout)

    def _fetch(self, timeout: float) -> Credential[str]:
        again, self._again = self._again, False
        return self._source(timeout, again)


class Given:
    """The token of an hvac.Client, as it is now: its owner renews it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def get(self, timeout: float) -> str:
        if not self._client.token:
            raise CredentialsNotFound("the hvac client that was given has no token", next_step="log in with it")
        return str(self._client.token)

    def refresh(self, timeout: float) -> bool:
        """There is nobody to ask."""
        return False


def tokens(settings: Settings, ask: Ask) -> Tokens | Given:
    if settings.auth == "client":
        return Given(settings.client)
    if settings.auth == "emulator":
        return Tokens(lambda timeout, again: Credential(EMULATOR_TOKEN, None))
    return Tokens(Login(settings, ask) if settings.auth in METHODS else Found(settings, ask))


class Found:
    """VAULT_TOKEN, which is renewed here, or the token file, which is somebody else's and read again every minute."""

    def __init__(self, settings: Settings, ask: Ask) -> None:
        self._settings, self._ask = settings, ask
        self._known = ""

    def __call__(self, timeout: float, again: bool) -> Credential[str]:
        found = "" if self._settings.auth == "token_file" else self._settings.variable("TOKEN")
        if not found:
            return Credential(self._from_file(), time.monotonic() + LOOK_AGAIN)
        if found != self._known or again:  # at first it is used as it is: most processes need not wait for a renewal
            self._known = found
            return Credential(found, time.monotonic() + LOOK_AGAIN)
        return Credential(found, self._renewed(found, timeout))

    def _renewed(self, token: str, timeout: float) -> float | None:
        """When it ends, or may be looked at again. Whether it is still good is the signature's to find out."""
        try:
            return lease(self._ask("POST", RENEW, timeout=timeout, token=token, body={}))[1]
        except Refused as refusal:  # a root or batch token, or a policy without renew-self: it lives as long as it lives
            return None if refusal.status in DEFINITE else time.monotonic() + LOOK_AGAIN
        except (requests.RequestException, ProviderError):
            return time.monotonic() + LOOK_AGAIN

    def _from_file(self) -> str:
        named, auth = self._settings.variable("TOKEN_FILE"), self._settings.auth
        path = named or os.path.expanduser(TOKEN_FILE)
        if not named and (auth == "token" or (not auth and not os.path.exists(path))):
            raise _missing(self._settings.family, "TOKEN")
        return read_secret(path)


class Login:
    """A method that gives a token for something else. One refusal lasts for 30 s, whoever asks and how often."""

    def __init__(self, settings: Settings, ask: Ask) -> None:
        self._settings, self._ask = settings, ask
        self._method = METHODS[settings.auth]
        self._token, self._granted = "", 0.0
        self._refused: tuple[float, FarsignError] | None = None

    def __call__(self, timeout: float, again: bool) -> Credential[str]:
        renewed = None if again or not self._token else self._renewed(timeout)
        return renewed or self._fresh(timeout)

    def _renewed(self, timeout: float) -> Credential[str] | None:
        """None: it has to be replaced, because it cannot be renewed, or only for a while (its maximum comes near)."""
        try:
            seconds, end, _ = lease(self._ask("POST", RENEW, timeout=timeout, token=self._token, body={}))
        except Refused as refusal:
            if refusal.status in DEFINITE:
                return None
            raise
        return Credential(self._token, end) if seconds >= self._granted / 2 else None

    def _fresh(self, timeout: float) -> Credential[str]:
        if self._refused and time.monotonic() < self._refused[0] + NO_LOGIN:
            raise copy.copy(self._refused[1])
        path, body = self._method.request(self._settings)
        try:
            reply = self._ask("POST", f"/v1/auth/{self._settings.auth_mount}/{path}", timeout=timeout, body=body)
        except Refused as refusal:
            if refusal.status not in DEFINITE:
                raise
            failure = self._failure(refusal)
        else:
            self._granted, end, renewable = lease(reply)
            token: str = reply["auth"]["client_token"]
            self._token = token if renewable else ""
            return Credential(token, end)
        self._refused = time.monotonic(), failure
        raise failure

    def _failure(self, refusal: Refused) -> FarsignError:
        where = f"{self._settings.host} at auth/{self._settings.auth_mount}"
        if refusal.status in (404, 405):
            step = "enable it there (`vault auth enable`), or say where it is with auth_mount= and namespace="
            return CredentialsNotFound(f"there is no {self._settings.auth} login on {where}", next_step=step, reason="login")
        message = f"the {self._settings.auth} login on {where} was refused"
        return CredentialsExpired(message, next_step=self._method.next_step, reason="login")


class Method(NamedTuple):
    request: Callable[[Settings], tuple[str, dict[str, str]]]  # path below the mount, body
    next_step: str  # when it is refused


def _approle(settings: Settings) -> tuple[str, dict[str, str]]:
    return "login", {"role_id": secret(settings, "ROLE_ID"), "secret_id": secret(settings, "SECRET_ID")}


def _kubernetes(settings: Settings) -> tuple[str, dict[str, str]]:
    return "login", {"role": settings.auth_role, "jwt": secret(settings, "JWT", SERVICE_ACCOUNT)}


def _jwt(settings: Settings) -> tuple[str, dict[str, str]]:
    role = {"role": settings.auth_role} if settings.auth_role else {}
    return "login", {**role, "jwt": secret(settings, "JWT")}


def _userpass(settings: Settings) -> tuple[str, dict[str, str]]:
    user = secret(settings, "USERNAME")
    if not re.fullmatch(NAME, user):  # it becomes part of the path
        raise CredentialsNotFound(f"{settings.family}_USERNAME is no name", next_step="it is made of letters, digits, _ . and -")
    return f"login/{user}", {"password": secret(settings, "PASSWORD")}


def _cert(settings: Settings) -> tuple[str, dict[str, str]]:
    return "login", {"name": settings.auth_role} if settings.auth_role else {}


METHODS: Final = MappingProxyType(
    {
        "approle": Method(_approle, "the role id or secret id is wrong, used up or expired: make a new secret id"),
        "kubernetes": Method(
            _kubernetes, "check that the role is bound to this service account and namespace, and the token's audience"
        ),
        "jwt": Method(_jwt, "check the token's issuer, audience and expiry, and what the role is bound to"),
        "userpass": Method(_userpass, "check the user name and the password"),
        "cert": Method(_cert, "check that the certificate is the role's, has not expired, and that the listener asks for one"),
    }
)


def lease(reply: dict[str, Any]) -> tuple[float, float | None, bool]:
    """Of a login or renewal: its seconds, its end by the monotonic clock (None: never), whether it can be renewed."""
    auth = reply.get("auth")
    seconds, token = (auth.get("lease_duration"), auth.get("client_token")) if isinstance(auth, dict) else (None, None)
    if not isinstance(auth, dict) or not isinstance(seconds, (int, float)) or not isinstance(token, str):
        raise IntegrityFailure("the server's reply is not a login", reason="garbled reply")
    return float(seconds), time.monotonic() + seconds if seconds else None, auth.get("renewable") is True


def secret(settings: Settings, name: str, default_file: str = "") -> str:
    """From the variable, or from the file that the variable with _FILE names. Raises CredentialsNotFound."""
    if value := settings.variable(name):
        return value
    file = settings.variable(f"{name}_FILE") or default_file
    if not file:
        raise _missing(settings.family, name)
    return read_secret(file)


def read_secret(path: str) -> str:
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            text = file.read(LARGEST).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        text, why = "", f": {reason}"
    else:
        why = " is empty"
    if not text:
        raise CredentialsNotFound(
            f"no secret can be read from {path}{why}", next_step="check the file, who may read it, and who writes it"
        )
    return text


def _missing(family: str, name: str) -> CredentialsNotFound:
    return CredentialsNotFound(
        f"{family}_{name} is not set",
        next_step=f"set {family}_{name}, or {family}_{name}_FILE to a file; or log in otherwise: auth=approle, kubernetes, jwt, userpass, "
        "cert; in tests use the emulator fixture",
    )
