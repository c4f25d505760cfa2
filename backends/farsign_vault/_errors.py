"""What requests' errors and the server's answers mean.

The server says HTTP 500 to many a mistake of the caller, and 403 to a bad token as well as to a good one without permission, and tells
them apart by text. So texts are matched; none reaches a message of ours.
"""

from __future__ import annotations

from typing import Any, Final

import requests
from hvac.exceptions import VaultError
from urllib3.exceptions import NameResolutionError, NewConnectionError, ReadTimeoutError

from farsign._plugin.answers import Row, first
from farsign.driver import Failure
from farsign.errors import (
    CredentialsExpired,
    IntegrityFailure,
    KeyDeleted,
    KeyDisabled,
    KeyMisuse,
    KeyNotFound,
    KeyUnavailable,
    PermissionDenied,
    ProviderUnavailable,
    Throttled,
)

from ._wire import Refused

# The first that fits; what nothing fits is ProviderUnavailable.
TABLE: Final = (
    Row(400, "HTTP request to an HTTPS server", ProviderUnavailable, "the server speaks TLS: write https:// in addr= or VAULT_ADDR"),
    Row(400, "signing key not found", KeyNotFound, "check key, mount and namespace in the URI"),
    Row(400, "missing client token", CredentialsExpired),
    Row(400, "", KeyMisuse),
    Row(401, "", CredentialsExpired),
    Row(403, r"\A(permission denied)?\Z|invalid token|bad token|token is expired", CredentialsExpired,
        "the token is wrong, expired or revoked: set VAULT_TOKEN anew, or let farsign log in with auth="),
    Row(403, "", PermissionDenied),
    Row(404, "namespace not found", KeyNotFound, "check namespace= in the URI, or VAULT_NAMESPACE"),
    Row(404, "no handler for route", KeyNotFound, "no engine is mounted there: check mount= and namespace=; `vault secrets enable transit`"),
    Row(404, "", KeyNotFound, "check key, mount and namespace in the URI; `vault list transit/keys` shows what is there"),
    Row(405, "", KeyMisuse, "what is mounted there is no transit engine: check mount="),
    Row(408, "", ProviderUnavailable),
    Row(412, "", KeyUnavailable, "this node has not caught up with the active one yet: retry, or ask the active node"),
    Row(413, "", KeyMisuse, "the message is longer than the server takes: sign a digest of it (ES256, RS256), or raise max_request_size"),
    Row(429, "", Throttled, "answer 503 with Retry-After; a rate-limit quota of the server strikes: `vault list sys/quotas/rate-limit`"),
    Row(500, "less than the minimum encryption key version", KeyDisabled, "lower the key's min_encryption_version, or use a newer version"),
    Row(500, "higher than the latest|no such key version", KeyNotFound, "that version is not there: check version= in the URI"),
    Row(500, "soft.?delete", KeyDeleted, "restore it (keys/KEY/soft-delete-restore), or point the URI at another key"),
    Row(500, "a private part|must be hashed|unsupported (hash|rsa signature) algorithm|salt length|for key derivation|is negative|signing not supported", KeyMisuse),
    Row(500, "active cluster node not found", ProviderUnavailable, "the cluster has no active node just now: it elects one, or has lost its quorum"),
    Row(501, "", ProviderUnavailable, "the server is not initialized: `vault operator init`"),
    Row(503, "sealed", ProviderUnavailable, "the server is sealed: `vault operator unseal`"),
)  # fmt: skip
_REDIRECT: Final = "the node is a standby that sends clients elsewhere, and a token goes to no other host: point addr at the active node or at a load balancer"
_CAPABILITY: Final = {"GET": "read", "POST": "update"}


def classify(error: Exception, endpoint: str) -> Failure | None:
    if isinstance(error, Refused):
        return _of_reply(error, endpoint)
    if isinstance(error, VaultError):
        return Failure(ProviderUnavailable, reason=type(error).__name__)
    return _of_network(error) if isinstance(error, requests.RequestException) else None


def _of_reply(refusal: Refused, endpoint: str) -> Failure:
    row = first(TABLE, refusal.status, refusal.told.strip())
    kind = row.error if row else ProviderUnavailable  # 5xx, 472 and 473 (replicas), and 3xx: redirects are not followed
    permission, step = "", row.next_step if row else (_REDIRECT if 300 <= refusal.status < 400 else "")
    if kind is PermissionDenied:
        path, capability = refusal.path.removeprefix("/v1/"), _CAPABILITY[refusal.verb]
        permission = f"{capability} on {path}"
        step = f'allow it in the policy: path "{path}" {{ capabilities = ["{capability}"] }}'
    return Failure(
        kind,
        reason=f"HTTP {refusal.status}",
        permission=permission,
        retry_after=refusal.retry_after,
        message=f"{endpoint} refused the token" if kind is CredentialsExpired else "",
        next_step=step,
    )


def _of_network(error: requests.RequestException) -> Failure:
    if isinstance(error, requests.exceptions.ChunkedEncodingError):  # it ended in the middle
        return Failure(ProviderUnavailable, reason="reset")
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return Failure(IntegrityFailure, reason="garbled reply")
    if isinstance(error, requests.Timeout) or _caused_by(
        error, ReadTimeoutError
    ):  # requests has another name for it within a body
        return Failure(ProviderUnavailable, reason="timeout", answered=False)
    reason, step = "connect", ""
    if isinstance(error, requests.exceptions.SSLError):
        reason, step = "tls", "check the server's certificate, and ca_cert= or VAULT_CACERT for a private CA"
    elif _caused_by(error, NameResolutionError):
        reason, step = "dns", "the host name does not resolve: check addr= or VAULT_ADDR"
    elif _caused_by(error, NewConnectionError):
        step = "no server listens there: check addr=, VAULT_ADDR or BAO_ADDR, and that the server runs"
    return Failure(ProviderUnavailable, reason=reason, answered=False, next_step=step)


def _caused_by(error: requests.RequestException, kind: type[Exception]) -> bool:
    inner: Any = error.args[0] if error.args else None
    return isinstance(inner, kind) or isinstance(getattr(inner, "reason", None), kind)
