"""What gRPC's, google-api-core's and google-auth's errors mean.

By HTTP status, because the transports differ in their classes and agree in that, and by text where one status says several things.
No text of Google's reaches a message of ours: they name projects, callers and sometimes what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

from google.auth import exceptions as auth

from farsign._plugin.answers import Row, first
from farsign._plugin.waits import asked_wait, bounded, decimal
from farsign.driver import Failure
from farsign.errors import (
    ClockSkew,
    CredentialsExpired,
    CredentialsNotFound,
    IntegrityFailure,
    KeyDeleted,
    KeyDisabled,
    KeyMisuse,
    KeyNotFound,
    KeyUnavailable,
    PermissionDenied,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    Throttled,
)

from ._sdk import exceptions as api
from ._sdk import grpc

_CREATE: Final = "create another version (`gcloud kms keys versions create`): this one will never be a key"
# Of CryptoKeyVersionState, as messages end with it; what is not here counts as disabled.
STATES: Final = MappingProxyType(
    {
        "PENDING_GENERATION": (KeyUnavailable, "the key is being generated: wait"),
        "PENDING_IMPORT": (KeyUnavailable, "the key is being imported: wait"),
        "DISABLED": (KeyDisabled, "`gcloud kms keys versions enable`, or point the URI at another version"),
        "DESTROY_SCHEDULED": (KeyDeleted, "`gcloud kms keys versions restore` while its date has not come, then enable it"),
        "DESTROYED": (KeyDeleted, "point the URI at another key: its material is gone"),
        "IMPORT_FAILED": (KeyDeleted, _CREATE),
        "GENERATION_FAILED": (KeyDeleted, _CREATE),
        "PENDING_EXTERNAL_DESTRUCTION": (KeyDeleted, "point the URI at another key: its material is gone"),
        "EXTERNAL_DESTRUCTION_FAILED": (KeyDeleted, "point the URI at another key: its material is gone"),
    }
)
_NAMES: Final = re.compile(r"projects/[^\s'\"]*")  # of resources: they may say anything, "billing" or "checksum"
_STATE: Final = re.compile(r"current state is:? ([A-Z_]+)")
_QUOTA: Final = "answer 503 with Retry-After; the quota is per project, region and minute: raise it, or spread keys over regions"
_SCOPE: Final = (
    "the token lacks a scope: give the VM or the credentials https://www.googleapis.com/auth/cloudkms or cloud-platform"
)
# The first that fits.
TABLE: Final = (
    Row(400, "checksum|crc32c", IntegrityFailure, "what arrived was not what was sent: suspect memory, a proxy or an emulator"),
    Row(400, "not enabled|KEY_DISABLED", KeyDisabled),  # which state: STATES
    Row(400, "", KeyMisuse),
    Row(401, "", CredentialsExpired),
    Row(403, "SERVICE_DISABLED|has not been used|is disabled", PermissionDenied, "`gcloud services enable cloudkms.googleapis.com` in that project"),
    Row(403, "BILLING_DISABLED|billing", PermissionDenied, "enable billing for the key's project"),
    Row(403, "SCOPE_INSUFFICIENT|insufficient authentication scopes", PermissionDenied, _SCOPE),
    Row(403, "SECURITY_POLICY_VIOLATED|VPC Service Controls", PermissionDenied, "a VPC Service Controls perimeter is in between: admit this caller"),
    Row(403, "", PermissionDenied),
    Row(404, "", KeyNotFound, "check project, location, key ring, key and version in the URI: `gcloud kms keys versions list`"),
    Row(408, "", ProviderUnavailable),
    Row(409, "", ProviderUnavailable),  # ABORTED
    Row(413, "", KeyMisuse),
    Row(429, "larger than max", IntegrityFailure),  # said by gRPC itself, of a reply that no signature is as long as
    Row(429, "RESOURCE_QUOTA_EXCEEDED", QuotaExceeded),
    Row(429, "", Throttled, _QUOTA),
    Row(500, "deserializ", IntegrityFailure),  # said by gRPC itself
    Row(501, "", KeyMisuse, "the server does not know this call: check endpoint=, which has to be a Cloud KMS's"),
)  # fmt: skip
_ADC: Final = (
    "locally `gcloud auth application-default login`; on Google Cloud attach a service account; elsewhere workload identity federation "
    "or GOOGLE_APPLICATION_CREDENTIALS; in tests use the emulator fixture"
)
_PERMISSION: Final = re.compile(
    r"\b[a-z]+(?:\.[A-Za-z]+){2}\b(?=' denied| denied| permission)|iam\.serviceAccounts\.getAccessToken"
)
_QUOTA_PROJECT: Final = "serviceusage.services.use"
_ROLES: Final = MappingProxyType(
    {
        "cloudkms.cryptoKeyVersions.useToSign": "roles/cloudkms.signer or roles/cloudkms.signerVerifier",
        "cloudkms.cryptoKeyVersions.viewPublicKey": "roles/cloudkms.publicKeyViewer or roles/cloudkms.signerVerifier",
        "cloudkms.cryptoKeyVersions.list": "roles/cloudkms.viewer, or pin a version: .../cryptoKeyVersions/V",
        "iam.serviceAccounts.getAccessToken": "roles/iam.serviceAccountTokenCreator, on the account that impersonate= names",
        _QUOTA_PROJECT: "roles/serviceusage.serviceUsageConsumer, on the project that quota_project= or the credentials name",
    }
)
# What gRPC itself says with UNAVAILABLE and UNKNOWN, for want of a connection; nothing else tells that from a server's answer.
_NO_CONNECTION: Final = re.compile(
    "failed to connect|connection (?:refused|reset|closed|timed out)|recvmsg|sendmsg|socket closed|broken pipe|resolution|resolve|goaway"
    "|stream removed|handshak|keepalive|ping timeout|unreachable|endpoint|transport",
    re.IGNORECASE,
)
_NO_SERVER: Final = re.compile("connection refused|ECONNREFUSED|actively refused", re.IGNORECASE)
_OR_MISSING: Final = "; Google says the same of a key that is not there, so check its name, too"
_SKEW: Final = re.compile(r"Invalid JWT.*\b(?:iat|exp)\b", re.DOTALL)
_ATTRIBUTE: Final = "farsign_permission"


@contextmanager
def needing(permission: str) -> Iterator[None]:
    """Notes on an error that is raised inside what the call needed: neither gRPC's nor Google's errors name their call."""
    try:
        yield
    except Exception as error:
        setattr(error, _ATTRIBUTE, permission)
        raise


def classify(error: Exception) -> Failure | None:
    """None: a bug."""
    permission = getattr(error, _ATTRIBUTE, "")
    if isinstance(error, grpc.RpcError):
        call: Any = api.from_grpc_error  # it has no types
        return _of_call(call(error), permission)
    if isinstance(error, api.RetryError):
        return classify(error.cause) if isinstance(error.cause, Exception) else None
    if isinstance(error, api.GoogleAPICallError):
        return _of_call(error, permission)
    if isinstance(error, auth.GoogleAuthError):
        return _of_credentials(error)
    if isinstance(error, OSError):  # of a REST transport
        return Failure(ProviderUnavailable, reason=type(error).__name__, answered=False)
    return None


def broke(error: Exception) -> bool:
    """Whether a connection of gRPC's did, or never came to be."""
    failure = classify(error) if isinstance(error, grpc.RpcError) else None
    return failure is not None and not failure.answered and failure.reason != "timeout"


def is_misuse(error: Exception) -> bool:
    failure = classify(error)
    return failure is not None and failure.error is KeyMisuse


def unusable(name: str, state: str) -> ProviderError:
    """Why a version that was found in that state cannot sign."""
    kind, step = STATES.get(state, (KeyDisabled, ""))
    return kind(f"no version of the key is enabled; the newest, {name}, is {state}", next_step=step or None, reason=state)


def _of_call(error: api.GoogleAPICallError, permission: str) -> Failure:
    status, code = error.code or 500, error.grpc_status_code
    message = _NAMES.sub("...", str(error.message))
    if code is grpc.StatusCode.DEADLINE_EXCEEDED or status == 504:
        return Failure(ProviderUnavailable, reason="timeout", answered=False)
    reason = error.reason or (code.name if code else f"HTTP {int(status)}")
    row = first(TABLE, status, f"{reason} {message}", re.IGNORECASE)
    kind, step = (row.error, row.next_step) if row else (ProviderUnavailable, "")
    if kind is KeyDisabled:
        found = _STATE.search(message)
        kind, step = STATES.get(found[1] if found else "DISABLED", (KeyDisabled, ""))
        reason = found[1] if found else reason
    if kind is ProviderUnavailable and _NO_SERVER.search(message):
        step = "no server listens there: check endpoint= and the network between"
    needed = ""
    if kind is PermissionDenied and not step:
        needed = _permission(error, reason, message) or permission
        step = f"allow {needed}: {_ROLES.get(needed, 'grant a role that has it')}"
        step += _OR_MISSING if needed.startswith("cloudkms.") else ""
    return Failure(
        kind,
        reason=reason,
        permission=needed,
        request_id=_detail(error, "RequestInfo", "request_id"),
        retry_after=_retry_after(error),
        answered=kind is not ProviderUnavailable or not _NO_CONNECTION.search(message),
        next_step=step,
    )


def _permission(error: api.GoogleAPICallError, reason: str, message: str) -> str:
    if reason == "USER_PROJECT_DENIED":
        return _QUOTA_PROJECT
    told = (error.metadata or {}).get("permission", "")
    found = _PERMISSION.search(message)
    return told or (found[0] if found else "")


def _detail(error: api.GoogleAPICallError, name: str, member: str) -> Any:
    """Of google.rpc's error details: messages over gRPC, JSON over REST."""
    for detail in error.details:
        if isinstance(detail, dict):
            if str(detail.get("@type", "")).endswith(f".{name}"):
                told = detail.get(_camel(member))
                return told if isinstance(told, str) else ""
        elif type(detail).__name__ == name:
            return getattr(detail, member)
    return ""


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.title() for other in others)


def _retry_after(error: api.GoogleAPICallError) -> float | None:
    delay = _detail(error, "RetryInfo", "retry_delay")
    if isinstance(delay, str):  # JSON: "1.5s"
        return decimal(delay.removesuffix("s")) if delay else asked_wait(getattr(error.response, "headers", {}))
    return bounded(delay.seconds + delay.nanos / 1e9)


def _of_credentials(error: auth.GoogleAuthError) -> Failure:
    reason, text = type(error).__name__, str(error)
    found = _PERMISSION.search(text)
    if found and "denied" in text.lower():
        return Failure(
            PermissionDenied, reason=reason, permission=found[0], next_step=f"allow {found[0]}: {_ROLES.get(found[0], '')}"
        )
    if isinstance(error, (auth.TransportError, auth.TimeoutError)) or error.retryable:
        return Failure(
            ProviderUnavailable,
            reason=reason,
            answered=False,
            message="no token: its server could not be reached",
            next_step="see that this process reaches oauth2.googleapis.com, or the metadata server",
        )
    if _SKEW.search(text):
        return Failure(ClockSkew, reason=reason, message="Google refused this machine's time in a token request")
    if isinstance(error, (auth.RefreshError, auth.ReauthFailError)):
        step = "locally `gcloud auth application-default login`; elsewhere see that the service account and its key still exist"
        return Failure(CredentialsExpired, reason=reason, message="Google gave no token for the credentials", next_step=step)
    return Failure(CredentialsNotFound, reason=reason, message="google-auth found no credentials that work", next_step=_ADC)
