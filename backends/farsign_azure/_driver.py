"""One key in a vault, through azure-keyvault-keys: ``KeyClient.send_request``, the SDK's own pipeline with the wire's own reply.

Its other methods hide which version signed (``SignResult.key_id`` is the client's), read the key again before the first signature, or
fail with AttributeError on a reply that is not what they expect.
"""

from __future__ import annotations

import math
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

from farsign._base.encodings import b64url_decode, b64url_encode
from farsign.driver import (
    AsyncRemoteSigner,
    CredentialRefresher,
    Failure,
    KeyDescription,
    KeyURI,
    RemoteSigner,
    Shared,
    SignReply,
    SignRequest,
    VersionLister,
    spki_from_jwk,
)
from farsign.errors import IntegrityFailure, KeyDisabled, KeyMisuse, ProviderUnavailable

from . import _errors
from ._client import Settings, Vault, connect, settings
from ._uri import ALGORITHMS

if TYPE_CHECKING:
    from ._loops import AsyncVault

_KID: Final = re.compile(r"https?://[^/?#\s]+/keys/([0-9A-Za-z-]{1,127})/([0-9A-Za-z]{1,64})")
_CURVE: Final = {"P-256K": "secp256k1"}  # Key Vault's name, then JOSE's (RFC 8812)
RACES: Final = 4  # lost in a row to other threads' refusals
_MEMBERS: Final = {"RSA": ("n", "e"), "EC": ("x", "y")}


class Listed(NamedTuple):
    created: float
    kid: str


class VaultKey(RemoteSigner, VersionLister, CredentialRefresher):
    total_timeout = False  # requests counts its read timeout from one byte to the next: a slow drip goes on for ever

    def __init__(self, uri: KeyURI, settings: Settings) -> None:
        via = settings.endpoint.partition("://")[2]
        self.endpoint = f"azurekms {uri.authority} via {via}" if via else f"azurekms {uri.authority}"
        self._settings = settings
        self._name, _, self._version = uri.path.partition("/")
        self._lock = threading.Lock()
        self._shared: Shared[Vault] | None = None

    def describe(self, version: str | None = None, *, timeout: float) -> KeyDescription:
        name, wanted = _split(version) if version else (self._name, self._version)
        bundle = self._ask(HttpRequest("GET", f"/keys/{name}/{wanted}"), timeout)
        with _reading("a key"):
            return _described(bundle, wanted, pinned=bool(self._version), hsm=".managedhsm." in self._settings.vault)

    def sign(self, request: SignRequest, *, timeout: float) -> SignReply:
        return _signed(self._ask(_to_sign(request), timeout))

    def versions(self, *, timeout: float) -> Sequence[tuple[str, float | None]]:
        if self._version:
            return [(f"{self._settings.vault}/keys/{self._name}/{self._version}", None)]
        end = time.monotonic() + timeout
        found = sorted(self._listed(end), reverse=True)
        if len(found) > 1 and found[0].created == found[1].created:  # times are whole seconds: ask which one the name means
            current = self._ask(HttpRequest("GET", f"/keys/{self._name}"), _left(end))
            with _reading("a key"):
                found.sort(key=lambda item: (item.created, item.kid == current["key"]["kid"]), reverse=True)
        return [(item.kid, item.created) for item in found]

    def _listed(self, end: float) -> Iterator[Listed]:
        """The versions that may sign now."""
        now = time.time()
        page = f"/keys/{self._name}/versions"
        while page:
            reply = self._ask(HttpRequest("GET", page), _left(end))
            with _reading("a list of versions"):
                for item in reply["value"]:
                    attributes = item["attributes"]
                    if attributes["enabled"] and (attributes.get("nbf") or 0) <= now < (attributes.get("exp") or math.inf):
                        yield Listed(float(attributes["created"]), item["kid"])
                page = reply.get("nextLink") or ""
                if not isinstance(page, str):
                    raise TypeError

    def classify(self, error: Exception) -> Failure | None:
        return _errors.classify(error)

    def refresh_credentials(self, *, timeout: float) -> bool:
        return self._vault.tokens.refresh(timeout)

    def close(self) -> None:
        with self._lock:
            shared, self._shared = self._shared, None
        if shared is not None:
            shared.release()

    @property
    def _vault(self) -> Vault:
        with self._lock:
            if self._shared is None:
                self._shared = connect(self._settings)
            return self._shared.client

    def _ask(self, request: HttpRequest, timeout: float) -> dict[str, Any]:
        client, limits = self._vault.client, _limits(timeout)
        for _ in range(RACES):  # one that is lost has sent nothing that the vault took
            try:
                return _body(client.send_request(request, **limits))
            except AttributeError as error:
                if not _errors.lost_race(error):
                    raise
        return _body(client.send_request(request, **limits))


class AsyncVaultKey(VaultKey, AsyncRemoteSigner):
    """An instance belongs to one event loop. It holds no reference to what the loop keeps, so that an ended loop goes."""

    _here: Callable[[], AsyncVault | None] = staticmethod(lambda: None)

    async def asign(self, request: SignRequest, *, timeout: float) -> SignReply:
        vault = self._here()
        if vault is None:
            from ._loops import connect_here

            vault = connect_here(self._settings)
            self._here = weakref.ref(vault)
            await vault.start()
        return _signed(_body(await vault.client.send_request(_to_sign(request), **_limits(timeout))))

    async def aclose(self) -> None:
        super().close()
        if vault := self._here():
            await vault.release()

    def close(self) -> None:
        """From another thread than the loop's, or while it rests."""
        super().close()
        if vault := self._here():
            vault.release_later()


def open_key(uri: KeyURI, allow_hosts: tuple[str, ...], *, credential: Any = None, transport: Any = None) -> VaultKey:
    """A driver; no network yet. Raises HostRefused, ConfigurationError or ModuleNotFoundError."""
    chosen = settings(uri, allow_hosts, credential, transport)
    if chosen.authority:
        import azure.identity  # noqa: F401 - now, so that a missing one shows when the signer is opened
    native = transport is None and find_spec("aiohttp")  # without it, asyncio is served from threads
    return (AsyncVaultKey if native else VaultKey)(uri, chosen)


def _to_sign(request: SignRequest) -> HttpRequest:
    name, version = _split(request.version)
    body = {"alg": request.algorithm, "value": b64url_encode(request.data)}
    return HttpRequest("POST", f"/keys/{name}/{version}/sign", json=body)


def _signed(body: dict[str, Any]) -> SignReply:
    with _reading("a signature"):
        return SignReply(b64url_decode(body["value"]), body["kid"])


def _described(bundle: dict[str, Any], wanted: str, *, pinned: bool, hsm: bool) -> KeyDescription:
    jwk, attributes = bundle["key"], bundle["attributes"]
    kid, kty = jwk["kid"], jwk["kty"]
    if wanted and _split(kid)[1] != wanted:
        raise IntegrityFailure(f"asked for version {wanted}, and the vault described {kid}")
    if not attributes["enabled"]:  # the service shows disabled keys; others refuse
        raise KeyDisabled(
            f"{kid} is disabled", next_step="`az keyvault key set-attributes --enabled true`, or point the URI at another"
        )
    kind: str = kty.removesuffix("-HSM")
    curve: str = jwk.get("crv", "")
    curve = _CURVE.get(curve, curve)
    if (kind, curve) not in ALGORITHMS:
        raise KeyMisuse(f"{kid} is {kty} {curve}".rstrip() + ", which makes no signature that has a public key")
    members = {name: b64url_decode(jwk[name]) for name in _MEMBERS[kind]}
    return KeyDescription(
        version=kid,
        public_key=spki_from_jwk(members, kty=kind, crv=curve),
        inputs={name: {"digest": None} for name in ALGORITHMS[kind, curve]},
        pinned=pinned,
        created=float(attributes["created"]),
        ecdsa="raw",
        protection="hsm" if hsm or kty.endswith("-HSM") else "software",
    )


def _split(kid: str) -> tuple[str, str]:
    """Name and version of a key id. It came over the wire and goes into a path again: nothing but names may be in it."""
    match = _KID.fullmatch(kid)
    if match is None:
        raise IntegrityFailure("the vault named a key by what is no key id")
    return match[1], match[2]


def _body(response: Any) -> dict[str, Any]:
    if response.status_code != 200:
        raise HttpResponseError(response=response)
    with _reading("JSON"):
        body = response.json()
        if not isinstance(body, dict):
            raise TypeError
        return body


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        raise IntegrityFailure(f"the vault's reply is not {what}") from None


def _limits(timeout: float) -> dict[str, Any]:
    return {"connection_timeout": timeout, "read_timeout": timeout}


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise ProviderUnavailable("the list of versions is longer than the time there is for it", answered=True)
    return left
