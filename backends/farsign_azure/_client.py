"""Connections to one vault: where they go, with which credential, and no further than that vault.

The SDK takes URLs from replies (redirects, next pages) and audiences and tenants from challenges. Here each is held to what was
configured: requests leave for one origin only, tokens are asked for one audience, and the tenant is the credential's own or ``tenant=``.
"""

from __future__ import annotations

import inspect
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import urlsplit

import requests
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys._shared import http_challenge_cache

from farsign._base import fork
from farsign._base.workers import Workers
from farsign._plugin.kept import renew
from farsign.driver import Credential, ExpiringCredential, KeyURI, Shared, check_host, is_loopback, shared_client, split_endpoint
from farsign.errors import ConfigurationError, HostRefused, IntegrityFailure

from ._transport import Transport
from ._uri import AUTHORITIES, EMULATOR_TOKEN, SUFFIXES, cloud_of, domain_of

TOKEN_TIMEOUT: Final = 10.0  # seconds (RULES 21); whoever waits is watched from outside
WAITING: Final = 4  # threads of an event loop that wait for the one token; the next in line find it there
# What azure-identity reads: another environment is another credential (RULES 5).
_READ: Final = ("AZURE_", "IDENTITY_", "MSI_")


@dataclass(frozen=True, slots=True)
class Settings:
    """What makes two connections the same: keys with equal settings share a client."""

    vault: str  # https://HOST[:PORT]
    audience: str  # what tokens must be for; empty for a host of the user's own: then what its first challenge says
    authority: str = ""
    endpoint: str = ""
    ca_cert: str = ""
    api_version: str = ""
    tenant: str = ""
    client_id: str = ""
    environment: int = 0  # a hash of what azure-identity reads: it holds secrets
    emulator: bool = False
    credential: Any = field(default=None, repr=False)
    transport: Any = field(default=None, repr=False)

    def __hash__(self) -> int:  # credential and transport are any objects; equal ones are identical
        return hash((self.vault, self.endpoint, self.tenant, self.client_id, id(self.credential), id(self.transport)))

    @property
    def client_options(self) -> dict[str, Any]:
        """For KeyClient, sync and async."""
        return {
            "retry_total": 0,  # the Signer retries
            "permit_redirects": False,
            "verify_challenge_resource": True,
            "per_retry_policies": [OneOrigin(self.vault)],
            **({"api_version": self.api_version} if self.api_version else {}),
        }


def settings(uri: KeyURI, allow_hosts: tuple[str, ...], credential: Any, transport: Any) -> Settings:
    """Of a canonical URI. Raises HostRefused if credentials would go where they must not (RULES 9, 10)."""
    scheme, host, port = split_endpoint(uri.get("endpoint") or f"https://{uri.authority}")
    check_host(host, port, scheme=scheme, suffixes=SUFFIXES, allow=allow_hosts)
    emulator, ambient = uri.get("auth") == "emulator", credential is None and uri.get("auth") is None
    if ambient and is_loopback(host):
        raise HostRefused(
            f"Azure credentials of this process would go to {host}",
            next_step="append auth=emulator, or give that host a credential of its own: farsign_azure.open_signer(uri, credential=...)",
        )
    if emulator and credential is not None:
        raise ConfigurationError("auth=emulator and a credential were given", next_step="leave one of them out")
    _refuse_unfit(credential)
    if transport is not None and (uri.get("endpoint") or uri.get("ca_cert")):
        raise ConfigurationError(
            "a transport and endpoint= or ca_cert= were given", next_step="leave endpoint= and ca_cert= to the transport"
        )
    if (ca_cert := uri.get("ca_cert")) and not os.path.exists(ca_cert):
        raise ConfigurationError(f"there is no file {ca_cert}", next_step="check ca_cert=, which names a PEM file")
    domain = domain_of(uri.host)
    return Settings(
        vault=f"https://{uri.authority}",
        audience=f"https://{domain}/.default" if domain else "",
        authority=_authority(uri, allow_hosts) if ambient else "",
        endpoint=(uri.get("endpoint") or "").rstrip("/"),
        ca_cert=uri.get("ca_cert") or "",
        api_version=uri.get("api_version") or "",
        tenant=uri.get("tenant") or (os.environ.get("AZURE_TENANT_ID", "") if ambient else ""),
        client_id=uri.get("client_id") or "",
        environment=hash(frozenset(item for item in os.environ.items() if item[0].startswith(_READ))) if ambient else 0,
        emulator=emulator,
        credential=credential,
        transport=transport,
    )


def _refuse_unfit(credential: Any) -> None:
    """The mistakes that would show late, and as something else."""
    methods = [getattr(credential, name, None) for name in ("get_token", "get_token_info")]
    if credential is not None and not any(map(callable, methods)):
        step = "give an azure-identity credential, or any object with get_token(*scopes, **options)"
        raise ConfigurationError(f"a {type(credential).__name__} is no Azure credential", next_step=step)
    if any(map(inspect.iscoroutinefunction, methods)):
        step = (
            "give azure.identity's, not azure.identity.aio's: farsign asks it from a thread of its own, so it serves asyncio too"
        )
        raise ConfigurationError("an asynchronous credential was given", next_step=step)


def _authority(uri: KeyURI, allow_hosts: tuple[str, ...]) -> str:
    """Where client secrets go to be exchanged for tokens."""
    named = os.environ.get("AZURE_AUTHORITY_HOST") or cloud_of(uri).authority
    scheme, host, port = split_endpoint(named if "://" in named else f"https://{named}")
    if is_loopback(host):
        raise HostRefused(f"AZURE_AUTHORITY_HOST would send Azure credentials of this process to {host}", next_step="unset it")
    check_host(host, port, scheme=scheme, suffixes=AUTHORITIES, allow=allow_hosts)
    return f"{scheme}://{host}:{port}" if port else f"{scheme}://{host}"


class OneOrigin(SansIOHTTPPolicy[Any, Any]):
    """Refuses every request whose URL is not the vault's, before a credential is added to it."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self._origin = origin

    def on_request(self, request: Any) -> None:
        url = urlsplit(request.http_request.url)
        if f"{url.scheme}://{url.netloc.lower().removesuffix(':443')}" != self._origin:  # next pages spell the default port out
            raise HostRefused(
                f"{self._origin} sent us to another host; nothing was sent there", next_step="suspect a proxy or a wrong host"
            )


class Tokens:
    """What the SDK sees. One fetch at a time, renewed ahead, whoever asks: the sync client and those of event loops share it."""

    def __init__(self, settings: Settings) -> None:
        self._inner, self._tenant, self._audience = _credential(settings), settings.tenant, settings.audience
        self._token = ExpiringCredential(self._fetch)
        self._claims = ""  # that the vault wants in the next token

    def get_token(self, *scopes: str, claims: str | None = None, **_: Any) -> AccessToken:
        """tenant_id, which the SDK takes from the challenge, is among what is ignored (RULES 11)."""
        self._audience = self._audience or scopes[0]
        if scopes != (self._audience,):
            raise IntegrityFailure("the vault's challenge asks for a token of another audience; none was sent")
        if claims:  # the cached token has been revoked; one new one serves all who are told so
            self._claims = claims
            self._token.refresh(TOKEN_TIMEOUT)
        return self.current()

    def current(self) -> AccessToken:
        return self._token.get(TOKEN_TIMEOUT)

    def refresh(self, timeout: float) -> bool:
        """False: not if that was done within the last 30 s, nor before the vault has said whose tokens it takes."""
        return bool(self._audience) and self._token.refresh(timeout)

    def _fetch(self, timeout: float) -> Credential[AccessToken]:
        """azure-identity takes no timeout; who waits for this has one."""
        claims, self._claims = self._claims, ""
        token = self._ask({"claims": claims} if claims else {})
        return Credential(token, time.monotonic() + token.expires_on - time.time())

    def _ask(self, options: dict[str, Any]) -> AccessToken:
        if self._tenant:
            options["tenant_id"] = self._tenant
        if hasattr(self._inner, "get_token"):
            token: AccessToken = self._inner.get_token(self._audience, enable_cae=True, **options)
            return token
        info = self._inner.get_token_info(self._audience, options={"enable_cae": True, **options})
        return AccessToken(info.token, info.expires_on)


class Newest:
    """A token as the SDK keeps it for all threads: the newest whenever it is read, so none of them puts a refused one back."""

    def __init__(self, tokens: Tokens, expires_on: int) -> None:
        self._tokens, self.expires_on = tokens, expires_on

    @property
    def token(self) -> str:
        return self._tokens.current().token


class ThreadTokens:
    """For the client of threads."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        token: Any = Newest(self._tokens, self._tokens.get_token(*scopes, **options).expires_on)
        return cast("AccessToken", token)


class AsyncTokens:
    """The same for an event loop, without holding it."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._workers = Workers(WAITING, "farsign-token")  # an executor's threads would hold the exit

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        import asyncio

        return await asyncio.wrap_future(self._workers.submit(lambda: self._tokens.get_token(*scopes, **options)))


class EmulatorCredential:
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(EMULATOR_TOKEN, 1 << 40)


def _credential(settings: Settings) -> Any:
    if settings.emulator:
        return EmulatorCredential()
    if settings.credential is not None:
        return settings.credential
    from ._identity import Chain

    client = {"managed_identity_client_id": settings.client_id, "workload_identity_client_id": settings.client_id}
    return Chain(
        settings.authority,
        additionally_allowed_tenants=[settings.tenant] if settings.tenant else [],
        **(client if settings.client_id else {}),
    )


class Vault:
    """The sync client, and the credential for all clients."""

    def __init__(self, settings: Settings) -> None:
        self.tokens = Tokens(settings)
        self._given = settings.transport
        transport = self._given or Transport(settings.endpoint, settings.ca_cert)
        self.client = KeyClient(settings.vault, ThreadTokens(self.tokens), transport=transport, **settings.client_options)
        fork.register(self)

    def after_fork(self) -> None:
        """What is ours stays with the parent; a transport that was given goes on in the child, with connections of its own."""
        if isinstance(session := getattr(self._given, "session", None), requests.Session):
            renew(session)

    def close(self) -> None:
        """A transport that was given is its owner's to close, and may serve the next client."""
        if self._given is None:
            self.client.close()


def connect(settings: Settings) -> Shared[Vault]:
    """The client that all keys with these settings share in this process."""
    return shared_client(settings, lambda: Vault(settings), Vault.close)


def _renew_challenge_lock() -> None:
    """The SDK guards its cache of challenges with a module's lock, which a forked child may inherit locked (RULES 22)."""
    http_challenge_cache._lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork either
    os.register_at_fork(after_in_child=_renew_challenge_lock)
