"""What azure-core's, azure-identity's and Key Vault's errors mean.

Key Vault says 403 Forbidden to very different things and tells them apart by text, so texts are matched: the shortest part that
independent servers and the service have in common. None of them reaches a message of ours: they name callers and addresses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from farsign._plugin.answers import Row, first
from farsign._plugin.waits import RETRY_AFTER, asked_wait
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
    ProviderUnavailable,
    Throttled,
)

# The first that fits.
TABLE: Final = (
    Row(400, "api-version|specified version", KeyMisuse, "the server does not know that API version: set api_version= to one that it does"),
    Row(400, "", KeyMisuse),
    Row(401, "", CredentialsExpired),
    Row(403, "disabled key|KeyDisabled", KeyDisabled),
    Row(403, "expired key|KeyExpired", KeyDisabled, "its expiry date (exp) has passed: rotate the key, or extend the version's validity"),
    Row(403, "not yet valid|KeyNotYetValid", KeyUnavailable, "wait for its activation date (nbf), or set an earlier one"),
    Row(403, "not permitted on this key", KeyMisuse, "the key's permitted operations lack sign: `az keyvault key set-attributes --ops sign verify`"),
    Row(403, "ForbiddenByFirewall|ForbiddenByConnection|Client address is not authorized|Public network access", PermissionDenied,
        "the vault's firewall does not admit this address: allow it, or use a private endpoint"),
    Row(403, "", PermissionDenied),
    Row(404, "", KeyNotFound, "check the vault, the key and the version in the URI; a deleted key can be recovered while its retention lasts"),
    Row(408, "", ProviderUnavailable),
    Row(409, "deleted|BeingDeleted", KeyDeleted, "recover it (`az keyvault key recover`), or point the URI at another key"),
    Row(409, "", KeyUnavailable),
    Row(429, "", Throttled, "answer 503 with Retry-After; the quota is per vault, region, key type and 10 seconds: spread keys over vaults"),
)  # fmt: skip
_WAITS: Final = MappingProxyType({**RETRY_AFTER, "retry-after-ms": 1e-3, "x-ms-retry-after-ms": 1e-3})  # as azure-core reads them
_ROLES: Final = "the role Key Vault Crypto User has it, for a Managed HSM the role Managed HSM Crypto User"
_CHALLENGE: Final = re.compile(r"[Cc]hallenge")  # azure-keyvault-keys refuses those that ask for a token of another audience
# Of a connection that failed.
_CAUSES: Final = (
    (r"resolve|Name or service not known|nodename nor servname|getaddrinfo", "the host name does not resolve: check VAULT, and that its private endpoint's zone is reachable"),
    (r"Connection refused|ECONNREFUSED|actively refused", "no server listens there: check VAULT or endpoint=, and the firewalls between"),
    (r"certificate|CERTIFICATE", "check the server's certificate, and ca_cert= for a private CA"),
)  # fmt: skip
_SKEW: Final = "AADSTS700024"  # Microsoft Entra's code: the client assertion is not within its valid time range
_RACE: Final = re.compile(r"'NoneType' object has no attribute '(token|expires_on)'")


def classify(error: Exception) -> Failure | None:
    if isinstance(error, (IncompleteReadError, ServiceRequestError, ServiceResponseError)):
        step = next((step for text, step in _CAUSES if re.search(text, str(error))), "")
        answered = isinstance(error, IncompleteReadError)
        return Failure(ProviderUnavailable, reason=type(error).__name__, answered=answered, next_step=step)
    if isinstance(error, (UnicodeDecodeError, RecursionError)) or (
        isinstance(error, DecodeError) and (error.status_code or 200) < 300
    ):
        return Failure(IntegrityFailure, reason=type(error).__name__)
    if isinstance(error, ClientAuthenticationError):
        return _of_credential(error)
    if isinstance(error, HttpResponseError) and error.status_code:
        return _of_reply(error, error.status_code)
    if isinstance(error, ValueError) and _CHALLENGE.search(str(error)):
        return _bad_challenge()
    if lost_race(error):
        return Failure(CredentialsExpired, reason="TokenReplaced")
    return Failure(ProviderUnavailable, reason=type(error).__name__) if isinstance(error, AzureError) else None


def lost_race(error: Exception) -> bool:
    """The SDK's authentication policy is shared by threads, and forgets its token on one's 401 while another is about to use it."""
    return isinstance(error, AttributeError) and _RACE.fullmatch(str(error)) is not None


def _of_reply(error: HttpResponseError, status: int) -> Failure:
    code, inner, message = _told(error)
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    row = first(TABLE, status, f"{inner} {message}")
    failure = row.error if row else ProviderUnavailable  # 5xx, and 3xx: redirects are not followed with a credential
    permission, step = "", row.next_step if row else ""
    if failure is PermissionDenied and not step:
        permission = _permission(error)
        step = f"allow {permission}: {_ROLES}"
    return Failure(
        failure,
        reason=inner or code or f"HTTP {status}",
        permission=permission,
        request_id=headers.get("x-ms-request-id", ""),
        retry_after=asked_wait(headers, _WAITS),
        next_step=step,
    )


def _told(error: HttpResponseError) -> tuple[str, str, str]:
    """Code, inner code and message of the body, as far as they are text."""
    told: Any = error.error
    inner = getattr(told, "innererror", None)
    inner_code = inner.get("code") if isinstance(inner, dict) else None
    parts = (getattr(told, "code", None), inner_code, getattr(told, "message", None))
    code, inner_code, message = (part if isinstance(part, str) else "" for part in parts)
    return code, inner_code, message


def _permission(error: HttpResponseError) -> str:
    """The one that the request needed, as access policies call it."""
    path = str(getattr(getattr(error.response, "request", None), "url", "")).partition("?")[0]
    return {"sign": "keys/sign", "versions": "keys/list"}.get(path.rpartition("/")[2], "keys/get")


def _of_credential(error: ClientAuthenticationError) -> Failure:
    """azure-identity found no credential, or Microsoft Entra did not accept the one it found."""
    refused = re.search(r"AADSTS\d+", str(error))
    if refused and refused[0] == _SKEW:
        step = "correct this machine's clock; with workload identity see that the token file is renewed"
        return Failure(ClockSkew, reason=_SKEW, message="Microsoft Entra refused the times in a client assertion", next_step=step)
    if refused:
        step = f"{refused[0]} is Microsoft Entra's code: the client secret, certificate or tenant is wrong or has expired"
        return Failure(CredentialsExpired, reason=refused[0], message="Microsoft Entra refused the credential", next_step=step)
    return Failure(
        CredentialsNotFound,
        reason=type(error).__name__,
        message="azure-identity found no credential that works",
        next_step="locally `az login`; on Azure give the workload a managed identity; elsewhere set AZURE_TENANT_ID, AZURE_CLIENT_ID and "
        "AZURE_CLIENT_SECRET; in tests use the emulator fixture",
    )


def _bad_challenge() -> Failure:
    return Failure(
        IntegrityFailure,
        reason="Challenge",
        message="the server asked for a token of another audience than this vault's; none was sent",
        next_step="suspect a proxy or a wrong vault host; an emulator is reached with endpoint= and auth=emulator",
    )
