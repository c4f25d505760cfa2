"""Cloud KMS's error statuses, in the words of Google's service and, where those are not known, of Google's own fake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2 as details

from farsign.testing.emulator import InjectedError

from ._emulator_server import GrpcError
from ._sdk import grpc

_DOMAIN: Final = "cloudkms.googleapis.com"
_Code = grpc.StatusCode


def invalid(message: str) -> GrpcError:
    return GrpcError(_Code.INVALID_ARGUMENT, message)


def not_found(kind: str, name: str) -> GrpcError:
    return GrpcError(_Code.NOT_FOUND, f"{kind} {name} not found.")


def not_enabled(name: str, state: str) -> GrpcError:
    """The fake says the first half, the service the second, with the violation."""
    violation = details.PreconditionFailure.Violation(type=f"KEY_{state}", subject=name)
    message = f"key version {name} is not enabled, current state is: {state}."
    return GrpcError(_Code.FAILED_PRECONDITION, message, details.PreconditionFailure(violations=[violation]))


def precondition(message: str) -> GrpcError:
    return GrpcError(_Code.FAILED_PRECONDITION, message)


def denied(permission: str, resource: str) -> GrpcError:
    info = details.ErrorInfo(
        reason="IAM_PERMISSION_DENIED", domain="iam.googleapis.com", metadata={"permission": permission, "resource": resource}
    )
    return GrpcError(
        _Code.PERMISSION_DENIED, f"Permission '{permission}' denied on resource '{resource}' (or it may not exist).", info
    )


def unauthenticated() -> GrpcError:
    info = details.ErrorInfo(reason="ACCESS_TOKEN_EXPIRED", domain="googleapis.com", metadata={"service": _DOMAIN})
    return GrpcError(
        _Code.UNAUTHENTICATED,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication "
        "credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
        info,
    )


def throttled(resource: str, retry_after: float | None) -> GrpcError:
    told: list[Any] = [
        details.ErrorInfo(reason="RATE_LIMIT_EXCEEDED", domain="googleapis.com", metadata={"service": _DOMAIN}),
        details.QuotaFailure(
            violations=[details.QuotaFailure.Violation(subject=resource, description="Cryptographic requests per minute")]
        ),
    ]
    if retry_after is not None:
        nanos = round(retry_after * 1e9)
        told.append(details.RetryInfo(retry_delay=Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)))
    return GrpcError(
        _Code.RESOURCE_EXHAUSTED,
        "Quota exceeded for quota metric 'Cryptographic requests' of service 'cloudkms.googleapis.com'",
        *told,
    )


def exists(kind: str, name: str) -> GrpcError:
    return GrpcError(_Code.ALREADY_EXISTS, f"{kind} {name} already exists.")


def unimplemented(method: str) -> GrpcError:
    return GrpcError(_Code.UNIMPLEMENTED, f"the farsign emulator has no {method}")


def injected(error: InjectedError, permission: str) -> GrpcError:
    """An ordered error: a code of farsign.errors, or a status of gRPC's by name."""
    name, key = error.name, error.record.key
    states = {"disabled": "DISABLED", "deleted": "DESTROYED", "key-unavailable": "PENDING_GENERATION"}
    if name in states:
        return not_enabled(key, states[name])
    known: dict[str, Callable[[], GrpcError]] = {
        "throttled": lambda: throttled(key, error.retry_after),
        "unavailable": lambda: GrpcError(_Code.UNAVAILABLE, "The service is currently unavailable."),
        "denied": lambda: denied(permission, key),
        "not-found": lambda: not_found("CryptoKeyVersion", key),
        "credentials-expired": unauthenticated,
        "misuse": lambda: precondition(f"keys with algorithm GOOGLE_SYMMETRIC_ENCRYPTION may not be used for signing: {key}"),
        "integrity": lambda: invalid("invalid digest checksum"),
    }
    if name in known:
        return known[name]()
    if name not in _Code.__members__:
        raise ValueError(
            f"the emulator of Cloud KMS knows no error {name!r}: use {' '.join(known)} or a gRPC status such as INTERNAL"
        )
    return GrpcError(_Code[name], f"{name.replace('_', ' ').capitalize()}.")
