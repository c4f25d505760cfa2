"""Who may call the emulated vault: a token endpoint in the manner of Microsoft Entra, and the check of bearer tokens.

azure-identity's ClientSecretCredential works with it (``authority=`` the emulator, ``disable_instance_discovery=True``).
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from farsign.testing.emulator import EmulatorClock, Reply, Request

from ._emulator_errors import json_reply, unauthorized
from ._uri import EMULATOR_TOKEN, domain_of

TENANT: Final = "00000000-feed-4000-8000-000000000000"
CLIENT_ID: Final = "emulator"
CLIENT_SECRET: Final = "secret-of-the-farsign-emulator"  # noqa: S105 - as above
LIFE: Final = 3599  # seconds, as Microsoft Entra grants


@dataclass(frozen=True, slots=True)
class Grant:
    audience: str  # https://vault.azure.net; empty: any
    expires: float | None = None  # seconds since the epoch


def audience_of(host: str) -> str:
    """What a token has to be for."""
    return f"https://{domain_of(host.partition(':')[0].lower()) or 'vault.azure.net'}"


class Tokens:
    """The fixed token of ``auth=emulator`` is always accepted, unless ``revoke`` was called with it."""

    def __init__(self, clock: EmulatorClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._granted: dict[str, Grant] = {EMULATOR_TOKEN: Grant("")}

    def grant(self, audience: str = "https://vault.azure.net", *, seconds: float = LIFE) -> str:
        """A new token."""
        token = f"emulated.{secrets.token_urlsafe(48)}"
        with self._lock:
            self._granted[token] = Grant(audience, self._clock.time() + seconds)
        return token

    def revoke(self, token: str) -> None:
        with self._lock:
            self._granted.pop(token, None)

    def check(self, request: Request) -> None:
        """Raises VaultError as Key Vault does; the emulator adds the challenge."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorized()
        grant = self._granted.get(token)
        if grant is None:
            raise unauthorized("AKV10046: Unable to resolve the key used for signature validation.")
        if grant.expires is not None and grant.expires <= self._clock.time():
            raise unauthorized("[TokenExpired] Error validating token: 'S2S12086'.")
        wanted = audience_of(request.headers.get("host", ""))
        if grant.audience not in ("", wanted):
            raise unauthorized(f"AKV10022: Invalid audience. Expected {wanted}, found: {grant.audience}.")

    def answer(self, request: Request, base: str) -> Reply:
        """``POST /TENANT/oauth2/v2.0/token``, ``POST /token``, and the discovery document that names the first."""
        tenant = request.path.strip("/").partition("/")[0]
        if request.method == "GET":
            issuer = f"{base}/{tenant}"
            return json_reply(
                {
                    "issuer": f"{issuer}/v2.0",
                    "token_endpoint": f"{issuer}/oauth2/v2.0/token",
                    "authorization_endpoint": f"{issuer}/oauth2/v2.0/authorize",
                }
            )
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        if tenant != "token" and (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            text = f"AADSTS7000215: Invalid client secret provided for app '{form.get('client_id', '')}'."
            return json_reply({"error": "invalid_client", "error_description": text, "error_codes": [7000215]}, 401)
        token = self.grant(form.get("scope", "https://vault.azure.net/.default").removesuffix("/.default"))
        return json_reply({"token_type": "Bearer", "expires_in": LIFE, "ext_expires_in": LIFE, "access_token": token})


def is_for_tokens(request: Request) -> bool:
    return request.path == "/token" or request.path.endswith(("/oauth2/v2.0/token", "/.well-known/openid-configuration"))
