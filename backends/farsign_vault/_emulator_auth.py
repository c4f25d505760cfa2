"""Who may call the emulated server: tokens with their leases, and the auth methods that give them."""

from __future__ import annotations

import secrets
import ssl
import threading
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from farsign.testing.emulator import EmulatorClock, ServerCertificate

from . import _emulator_errors as errors
from ._emulator_errors import invalid
from ._uri import EMULATOR_TOKEN

ROLE_ID: Final = "role-of-the-farsign-emulator"
SECRET_ID: Final = "secret-id-of-the-farsign-emulator"  # noqa: S105 - emulators accept it, nobody else
USERNAME: Final = "emulator"
PASSWORD: Final = "password-of-the-farsign-emulator"  # noqa: S105 - as above
JWT: Final = "eyJhbGciOiJub25lIn0.jwt-of-the-farsign-emulator.x"
ROLE: Final = "emulator"
LIFE: Final = 2764800.0  # seconds: the server's default of 32 days
METHODS: Final = ("approle", "kubernetes", "jwt", "userpass", "cert")


@dataclass(slots=True)
class Grant:
    """A token. ``expires`` and ``most``, its explicit maximum, are seconds since the epoch; None: never."""

    expires: float | None
    renewable: bool = True
    ttl: float = LIFE
    most: float | None = None


class Auth:
    """``mounts``: path below auth/ -> method, to which a test may add. Logins give tokens of ``ttl`` seconds."""

    def __init__(self, clock: EmulatorClock, certificate: ServerCertificate | None) -> None:
        self._clock, self._certificate = clock, certificate
        self._lock = threading.Lock()
        self._granted: dict[str, Grant] = {EMULATOR_TOKEN: Grant(None, renewable=False)}
        self.mounts: dict[str, str] = {method: method for method in METHODS}
        self.ttl, self.renewable, self.max_ttl = LIFE, True, LIFE
        self.batch = False  # logins give batch tokens, which cannot be renewed
        self.logins: Counter[str] = Counter()  # that succeeded, by method

    def grant(
        self, *, seconds: float | None = LIFE, renewable: bool = True, most: float | None = None, batch: bool = False
    ) -> str:
        """A new token. most: seconds after which it ends, however often it is renewed."""
        token = f"{'b' if batch else 's'}.{secrets.token_urlsafe(24)}"
        now = self._clock.time()
        with self._lock:
            self._granted[token] = Grant(
                None if seconds is None else now + seconds,
                renewable and not batch,
                seconds or 0,
                None if most is None else now + most,
            )
        return token

    def revoke(self, token: str | None = None) -> None:
        """None: all but the fixed one."""
        with self._lock:
            gone = [token] if token else [known for known in self._granted if known != EMULATOR_TOKEN]
            for each in gone:
                self._granted.pop(each, None)

    def check(self, token: str) -> Grant:
        grant = self._granted.get(token)
        if grant is None or (grant.expires is not None and grant.expires <= self._clock.time()):
            raise errors.bad_token()
        return grant

    def lookup(self, token: str) -> dict[str, Any]:
        """GET auth/token/lookup-self."""
        grant = self.check(token)
        left = 0 if grant.expires is None else int(grant.expires - self._clock.time())
        return {
            "accessor": "",
            "creation_ttl": int(grant.ttl),
            "explicit_max_ttl": int((grant.most or 0) and grant.ttl),
            "id": token,
            "policies": ["default", "farsign"],
            "renewable": grant.renewable,
            "ttl": left,
            "type": "batch" if token.startswith("b.") else "service",
        }

    def renew(self, token: str) -> tuple[dict[str, Any], list[str] | None]:
        """POST auth/token/renew-self: what it says of the token, and a warning if its maximum comes first."""
        grant, now = self.check(token), self._clock.time()
        if token.startswith("b."):
            raise invalid("batch tokens cannot be renewed")
        if not grant.renewable or grant.expires is None:
            raise invalid("lease is not renewable")
        wanted = now + grant.ttl
        grant.expires = wanted if grant.most is None else min(wanted, grant.most)
        left = grant.expires - now
        warnings = None
        if grant.expires < wanted:
            warnings = [
                f'TTL of "{grant.ttl:.0f}s" exceeded the effective max_ttl of "{left:.0f}s"; TTL value is capped accordingly'
            ]
        return self._told(token, left, grant.renewable), warnings

    def login(self, mount: str, user: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST auth/MOUNT/login[/USER]."""
        method = self.mounts.get(mount)
        if method is None or bool(user) != (method == "userpass"):
            raise errors.not_mounted(f"auth/{mount}/login")
        getattr(self, f"_{method}")(user, body)
        self.logins[method] += 1
        token = self.grant(seconds=self.ttl, renewable=self.renewable, most=self.max_ttl, batch=self.batch)
        return self._told(token, self.ttl, self.renewable and not self.batch)

    def _approle(self, _: str, body: Mapping[str, Any]) -> None:
        if (body.get("role_id"), body.get("secret_id")) != (ROLE_ID, SECRET_ID):
            raise invalid("invalid role or secret ID")

    def _kubernetes(self, _: str, body: Mapping[str, Any]) -> None:
        if body.get("role") != ROLE:
            raise invalid(f'invalid role name "{body.get("role", "")}"')
        if body.get("jwt") != JWT:
            raise errors.bad_token()

    def _jwt(self, _: str, body: Mapping[str, Any]) -> None:
        if body.get("role", ROLE) != ROLE:
            raise invalid(f'role "{body["role"]}" could not be found')
        if body.get("jwt") != JWT:
            raise invalid(
                "error validating token: error verifying token signature: no known key successfully validated the token signature"
            )

    def _userpass(self, user: str, body: Mapping[str, Any]) -> None:
        if (user, body.get("password")) != (USERNAME, PASSWORD):
            raise invalid("invalid username or password")

    def _cert(self, _: str, body: Mapping[str, Any]) -> None:
        """The handshake has checked it, if the listener asks for one."""
        if self._certificate is None or self._certificate.context.verify_mode is not ssl.CERT_REQUIRED:
            raise invalid("client certificate must be supplied")
        if body.get("name", ROLE) != ROLE:
            raise invalid("invalid certificate or no client certificate supplied")

    @staticmethod
    def _told(token: str, seconds: float, renewable: bool) -> dict[str, Any]:
        return {
            "client_token": token,
            "accessor": "",
            "policies": ["default", "farsign"],
            "token_policies": ["default", "farsign"],
            "metadata": {},
            "lease_duration": int(seconds),
            "renewable": renewable,
            "entity_id": str(uuid.uuid4()),
            "token_type": "batch" if token.startswith("b.") else "service",
            "orphan": True,
            "mfa_requirement": None,
            "num_uses": 0,
        }
