"""Who calls: signature version 4, as AWS checks it, and the credentials that the emulator knows."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, quote

from farsign.testing.emulator import EmulatorClock, Request

ACCOUNT: Final = "111122223333"  # one of the account numbers that AWS's documentation uses
UNSIGNED: Final = "UNSIGNED-PAYLOAD"
DATE: Final = "%Y%m%dT%H%M%SZ"
_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,]+)/(?P<date>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z]+)/aws4_request,"
    r"\s*SignedHeaders=(?P<headers>[a-z0-9;.-]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)


class AwsError(Exception):
    """An error reply. ``code``: KMS's name for it; STS has other names for four of them."""

    def __init__(self, code: str, message: str | None) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    access_key: str
    secret: str
    account: str = ACCOUNT
    principal: str = ""  # ARN
    token: str = ""
    expires: float | None = None  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Scope:
    """What an Authorization header says before it is verified."""

    access_key: str
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str


class Credentials:
    """Known access keys. ``verify`` raises AwsError as KMS would."""

    def __init__(self, clock: EmulatorClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Credential] = {}
        self.add("emulator", "emulator")

    def add(self, access_key: str, secret: str, *, account: str = ACCOUNT, user: str = "emulator") -> None:
        self._keep(Credential(access_key, secret, account, f"arn:aws:iam::{account}:user/{user}"))

    def issue(self, account: str, principal: str, seconds: float) -> Credential:
        """Temporary credentials, as STS hands out."""
        expires = self._clock.time() + seconds
        made = Credential(
            f"ASIA{secrets.token_hex(8).upper()}",
            secrets.token_urlsafe(30),
            account,
            principal,
            secrets.token_urlsafe(60),
            expires,
        )
        self._keep(made)
        return made

    def _keep(self, credential: Credential) -> None:
        with self._lock:
            self._known[credential.access_key] = credential

    def verify(self, request: Request, service: str) -> tuple[Credential, Scope]:
        scope = scope_of(request)
        if scope is None:
            raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token")
        if scope.service != service:
            raise AwsError("InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'. ")
        signed = _signed(request.headers.get("x-amz-date", ""))
        known = self._known.get(scope.access_key)
        if known is None or known.token != request.headers.get("x-amz-security-token", ""):
            raise AwsError("UnrecognizedClientException", "The security token included in the request is invalid.")
        if not hmac.compare_digest(signature(request, scope, known.secret), scope.signature):
            raise AwsError("InvalidSignatureException", _MISMATCH)
        self._check_time(signed)
        if known.expires is not None and known.expires <= self._clock.time():
            raise AwsError("ExpiredTokenException", "The security token included in the request is expired")
        return known, scope

    def _check_time(self, signed: datetime) -> None:
        skew, now, stamp = self._clock.max_skew, self._clock.time(), signed.strftime(DATE)
        if skew is None:
            return
        minutes = f"{skew / 60:g} min."
        if signed.timestamp() < now - skew:
            text = f"Signature expired: {stamp} is now earlier than {_date(now - skew)} ({_date(now)} - {minutes})"
        elif signed.timestamp() > now + skew:
            text = f"Signature not yet current: {stamp} is still later than {_date(now + skew)} ({_date(now)} + {minutes})"
        else:
            return
        raise AwsError("InvalidSignatureException", text)


def _signed(stamp: str) -> datetime:
    """When a request says that it was signed. Raises AwsError."""
    try:
        return datetime.strptime(stamp, DATE).replace(tzinfo=UTC)
    except ValueError:
        text = f"Date must be in ISO-8601 'basic format'. Got '{stamp}'. See http://en.wikipedia.org/wiki/ISO_8601"
        raise AwsError("IncompleteSignatureException", text) from None


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(DATE)


def scope_of(request: Request) -> Scope | None:
    """What the Authorization header claims. None: there is none that can be read."""
    match = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if match is None:
        return None
    headers = tuple(match["headers"].split(";"))
    return Scope(match["key"], match["date"], match["region"], match["service"], headers, match["signature"])


def signature(request: Request, scope: Scope, secret: str) -> str:
    """The hexadecimal signature that the request should bear (Signature Version 4, "Create a signed AWS API request")."""
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in scope.headers)
    canonical = "\n".join(
        (
            request.method,
            quote(request.path, safe="/~"),
            _canonical_query(request.query),
            headers,
            ";".join(scope.headers),
            UNSIGNED if request.headers.get("x-amz-content-sha256") == UNSIGNED else hashlib.sha256(request.body).hexdigest(),
        )
    )
    where = f"{scope.date}/{scope.region}/{scope.service}/aws4_request"
    stamp = request.headers.get("x-amz-date", "")
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{where}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _signing_key(secret, scope.date, scope.region, scope.service)
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def _canonical_query(query: str) -> str:
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parse_qsl(query, keep_blank_values=True)
    )
    return "&".join(f"{name}={value}" for name, value in pairs)


@lru_cache(maxsize=256)
def _signing_key(secret: str, *parts: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (*parts, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
