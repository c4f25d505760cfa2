"""What went wrong, on the wire, and the class it becomes; what is tried again, how often; what is not told."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import grpc
import pytest
import requests
from cloudkms import VERSION, Scripted
from driving import MESSAGE
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2 as details

import farsign
from farsign import errors
from farsign.driver import SignRequest
from farsign_gcp._emulator import GcpEmulator
from farsign_gcp._emulator_server import GrpcError
from farsign_gcp._errors import classify

SIGN = SignRequest(VERSION, "ES256", "digest", bytes(32))
SECRET = b"canary-in-the-signing-input"
ONCE = farsign.Policy(timeout=5.0, attempts=1)
NOT_ENABLED = f"{VERSION} is not enabled, current state is: "
DENIED = f"Permission 'cloudkms.cryptoKeyVersions.useToSign' denied on resource '{VERSION}' (or it may not exist)."

# status, message, ErrorInfo's reason -> class, what .reason is, a part of the next step. Messages: the service's, and its own fake's.
ROWS = [
    ("INVALID_ARGUMENT", "invalid digest checksum", "", errors.IntegrityFailure, "INVALID_ARGUMENT", "suspect"),
    (
        "INVALID_ARGUMENT",
        "The checksum in field digest_crc32c did not match the data in field digest.",
        "",
        errors.IntegrityFailure,
        "INVALID_ARGUMENT",
        "suspect",
    ),
    ("INVALID_ARGUMENT", "len(digest)=31, want 32", "", errors.KeyMisuse, "INVALID_ARGUMENT", "signing key"),
    ("INVALID_ARGUMENT", "invalid crypto key version name", "", errors.KeyMisuse, "INVALID_ARGUMENT", "signing key"),
    ("OUT_OF_RANGE", "", "", errors.KeyMisuse, "OUT_OF_RANGE", "signing key"),
    ("FAILED_PRECONDITION", f"{NOT_ENABLED}DISABLED.", "", errors.KeyDisabled, "DISABLED", "versions enable"),
    ("FAILED_PRECONDITION", f"key version {VERSION} is not enabled", "", errors.KeyDisabled, "FAILED_PRECONDITION", "enable"),
    ("FAILED_PRECONDITION", f"{NOT_ENABLED}DESTROY_SCHEDULED.", "", errors.KeyDeleted, "DESTROY_SCHEDULED", "restore"),
    ("FAILED_PRECONDITION", f"{NOT_ENABLED}DESTROYED.", "", errors.KeyDeleted, "DESTROYED", "another key"),
    ("FAILED_PRECONDITION", f"{NOT_ENABLED}PENDING_GENERATION.", "", errors.KeyUnavailable, "PENDING_GENERATION", "wait"),
    ("FAILED_PRECONDITION", f"{NOT_ENABLED}PENDING_IMPORT.", "", errors.KeyUnavailable, "PENDING_IMPORT", "wait"),
    ("FAILED_PRECONDITION", f"{NOT_ENABLED}IMPORT_FAILED.", "", errors.KeyDeleted, "IMPORT_FAILED", "create another"),
    ("FAILED_PRECONDITION", f"{NOT_ENABLED}GENERATION_FAILED.", "", errors.KeyDeleted, "GENERATION_FAILED", "create another"),
    ("FAILED_PRECONDITION", f"{NOT_ENABLED}PENDING_EXTERNAL_DESTRUCTION.", "", errors.KeyDeleted, "PENDING_EXTERNAL_DESTRUCTION", "gone"),
    ("FAILED_PRECONDITION", f"{NOT_ENABLED}EXTERNAL_DESTRUCTION_FAILED.", "", errors.KeyDeleted, "EXTERNAL_DESTRUCTION_FAILED", "gone"),
    ("FAILED_PRECONDITION", f"{NOT_ENABLED}SOME_NEW_STATE.", "", errors.KeyDisabled, "SOME_NEW_STATE", "enable"),
    (
        "FAILED_PRECONDITION",
        "keys with algorithm HMAC_SHA256 may not be used for signing",
        "",
        errors.KeyMisuse,
        "FAILED_PRECONDITION",
        "signing key",
    ),
    ("UNAUTHENTICATED", "Request had invalid authentication credentials.", "ACCESS_TOKEN_EXPIRED", errors.CredentialsExpired,
     "ACCESS_TOKEN_EXPIRED", "renew"),
    ("UNAUTHENTICATED", "Request is missing required authentication credential.", "CREDENTIALS_MISSING", errors.CredentialsExpired,
     "CREDENTIALS_MISSING", "renew"),
    ("PERMISSION_DENIED", DENIED, "IAM_PERMISSION_DENIED", errors.PermissionDenied, "IAM_PERMISSION_DENIED",
     "allow cloudkms.cryptoKeyVersions.useToSign: roles/cloudkms.signer"),
    ("PERMISSION_DENIED", "The caller does not have permission", "", errors.PermissionDenied, "PERMISSION_DENIED",
     "allow cloudkms.cryptoKeyVersions.useToSign: roles/cloudkms.signer"),
    ("PERMISSION_DENIED", "Cloud Key Management Service (KMS) API has not been used in project 1 before or it is disabled.",
     "SERVICE_DISABLED", errors.PermissionDenied, "SERVICE_DISABLED", "gcloud services enable"),
    ("PERMISSION_DENIED", "This API method requires billing to be enabled.", "BILLING_DISABLED", errors.PermissionDenied,
     "BILLING_DISABLED", "billing"),
    ("PERMISSION_DENIED", "Request had insufficient authentication scopes.", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", errors.PermissionDenied,
     "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "scope"),
    ("PERMISSION_DENIED", "Request is prohibited by organization's policy.", "SECURITY_POLICY_VIOLATED", errors.PermissionDenied,
     "SECURITY_POLICY_VIOLATED", "perimeter"),
    ("PERMISSION_DENIED", "Caller does not have required permission to use project p.", "USER_PROJECT_DENIED", errors.PermissionDenied,
     "USER_PROJECT_DENIED", "allow serviceusage.services.use"),
    ("NOT_FOUND", f"CryptoKeyVersion {VERSION} not found.", "", errors.KeyNotFound, "NOT_FOUND", "key ring"),
    ("ABORTED", "", "", errors.ProviderUnavailable, "ABORTED", "later"),
    ("RESOURCE_EXHAUSTED", "Quota exceeded for quota metric", "RATE_LIMIT_EXCEEDED", errors.Throttled, "RATE_LIMIT_EXCEEDED", "Retry-After"),
    ("RESOURCE_EXHAUSTED", "", "", errors.Throttled, "RESOURCE_EXHAUSTED", "Retry-After"),
    ("RESOURCE_EXHAUSTED", "Too many of them.", "RESOURCE_QUOTA_EXCEEDED", errors.QuotaExceeded, "RESOURCE_QUOTA_EXCEEDED", "raise it"),
    ("RESOURCE_EXHAUSTED", "CLIENT: Received message larger than max (9 vs. 4)", "", errors.IntegrityFailure, "RESOURCE_EXHAUSTED", "suspect"),
    ("CANCELLED", "", "", errors.ProviderUnavailable, "CANCELLED", "later"),
    ("UNKNOWN", "", "", errors.ProviderUnavailable, "UNKNOWN", "later"),
    ("INTERNAL", "Internal error encountered.", "", errors.ProviderUnavailable, "INTERNAL", "later"),
    ("DATA_LOSS", "", "", errors.ProviderUnavailable, "DATA_LOSS", "later"),
    ("UNAVAILABLE", "The service is currently unavailable.", "", errors.ProviderUnavailable, "UNAVAILABLE", "later"),
    ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete.", "", errors.ProviderUnavailable, "timeout", "later"),
    ("UNIMPLEMENTED", "", "", errors.KeyMisuse, "UNIMPLEMENTED", "endpoint="),
]  # fmt: skip


def refusal(status: str, message: str, reason: str = "", *more: Any) -> GrpcError:
    told = (details.ErrorInfo(reason=reason, domain="googleapis.com"),) if reason else ()
    return GrpcError(grpc.StatusCode[status], message, *told, *more)


@pytest.mark.parametrize(("status", "message", "reason", "kind", "told", "step"), ROWS)
def test_the_table(
    status: str,
    message: str,
    reason: str,
    kind: type[errors.ProviderError],
    told: str,
    step: str,
    gcp: GcpEmulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the wire, through the Signer; one attempt."""
    key = gcp.create_key("ES256")
    with farsign.open_signer(key.pinned, policy=ONCE) as signer:
        known = signer.key()

        def refuse(*_: object) -> None:
            raise refusal(status, message, reason)

        monkeypatch.setattr(gcp, "_admit", refuse)
        with pytest.raises(errors.ProviderError) as caught:
            known.sign(MESSAGE)
    error = caught.value
    assert type(error) is kind or (told == "timeout" and type(error) is errors.DeadlineExceeded)
    assert told in (error.reason, "timeout")
    assert step in error.next_step
    assert message not in str(error) or not message, "Google's text stays out of ours"


@pytest.mark.parametrize(
    ("call", "permission"),
    [
        ("sign", "cloudkms.cryptoKeyVersions.useToSign"),
        ("describe", "cloudkms.cryptoKeyVersions.viewPublicKey"),
        ("list", "cloudkms.cryptoKeyVersions.list"),
    ],
)
def test_a_refusal_names_the_permission_of_its_call(
    call: str, permission: str, scripted: Scripted, drive: Callable[..., Any]
) -> None:
    """Also where Google's text does not."""
    driver = drive(scripted.uri().partition("/cryptoKeyVersions")[0] + "?" + scripted.uri().partition("?")[2])
    scripted.answer = refusal("PERMISSION_DENIED", "The caller does not have permission")
    attempts = {
        "sign": lambda: driver.sign(SIGN, timeout=5),
        "describe": lambda: driver.describe(VERSION, timeout=5),
        "list": lambda: driver.versions(timeout=5),
    }
    with pytest.raises(grpc.RpcError) as caught:
        attempts[call]()
    failure = driver.classify(caught.value)
    assert failure.error is errors.PermissionDenied
    assert failure.permission == permission
    assert permission in failure.next_step


def test_the_name_of_a_key_is_no_reason(scripted: Scripted, drive: Callable[..., Any]) -> None:
    driver = drive(scripted.uri())
    name = "projects/billing-is-disabled/locations/global/keyRings/checksum/cryptoKeys/crc32c/cryptoKeyVersions/1"
    for status, message, kind in (
        ("PERMISSION_DENIED", f"Permission 'cloudkms.cryptoKeyVersions.useToSign' denied on resource '{name}'", "allow cloudkms"),
        ("INVALID_ARGUMENT", f"{name}: len(digest)=31, want 32", ""),
    ):
        scripted.answer = refusal(status, message)
        with pytest.raises(grpc.RpcError) as caught:
            driver.sign(SIGN, timeout=5)
        failure = driver.classify(caught.value)
        assert failure.error is (errors.PermissionDenied if kind else errors.KeyMisuse)
        assert kind in failure.next_step


def test_the_permission_in_the_details_counts_first(scripted: Scripted, drive: Callable[..., Any]) -> None:
    info = details.ErrorInfo(reason="IAM_PERMISSION_DENIED", metadata={"permission": "cloudkms.cryptoKeys.get"})
    scripted.answer = GrpcError(grpc.StatusCode.PERMISSION_DENIED, DENIED, info)
    with pytest.raises(grpc.RpcError) as caught:
        drive(scripted.uri()).sign(SIGN, timeout=5)
    found = classify(caught.value)
    assert found
    assert found.permission == "cloudkms.cryptoKeys.get"


def test_retry_info_and_request_id(scripted: Scripted, drive: Callable[..., Any]) -> None:
    driver = drive(scripted.uri())
    more = (details.RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000)), details.RequestInfo(request_id="r-1"))
    scripted.answer = refusal("RESOURCE_EXHAUSTED", "", "RATE_LIMIT_EXCEEDED", *more)
    with pytest.raises(grpc.RpcError) as caught:
        driver.sign(SIGN, timeout=5)
    failure = driver.classify(caught.value)
    assert (failure.error, failure.retry_after, failure.request_id) == (errors.Throttled, 1.5, "r-1")


def test_a_throttle_longer_than_the_deadline_is_told_at_once(gcp: GcpEmulator) -> None:
    key = gcp.create_key("ES256")
    with farsign.open_signer(key.uri, policy=farsign.Policy(timeout=5.0)) as signer:
        known = signer.key()
        gcp.faults.throttle("sign", retry_after=30.0)
        with pytest.raises(errors.Throttled) as caught:
            known.sign(MESSAGE)
        assert caught.value.retry_after == 30.0
        assert gcp.calls("sign") == 1


@pytest.mark.parametrize("name", ["UNAVAILABLE", "INTERNAL", "ABORTED", "throttled"])
def test_layers_of_retry_do_not_multiply(name: str, gcp: GcpEmulator) -> None:
    """The SDK repeats UNAVAILABLE for a minute by default. Here the Signer counts, and as many calls are on the wire."""
    key = gcp.create_key("ES256")
    with farsign.open_signer(key.uri, policy=farsign.Policy(timeout=20.0, attempts=4)) as signer:
        known = signer.key()
        gcp.faults.error("sign", name)
        with pytest.raises(errors.ProviderError):
            known.sign(MESSAGE)
    assert gcp.calls("sign") == 4


@pytest.mark.parametrize("name", ["denied", "disabled", "deleted", "misuse", "UNIMPLEMENTED"])
def test_answers_are_not_asked_for_again(name: str, gcp: GcpEmulator) -> None:
    key = gcp.create_key("ES256")
    with farsign.open_signer(key.uri) as signer:
        known = signer.key()
        gcp.faults.error("sign", name)
        with pytest.raises(errors.ProviderError):
            known.sign(MESSAGE)
    assert gcp.calls("sign") == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (api.TooManyRequests("m"), errors.Throttled),
        (api.BadRequest(NOT_ENABLED + "DISABLED."), errors.KeyDisabled),
        (api.BadRequest("m"), errors.KeyMisuse),
        (api.Forbidden(DENIED), errors.PermissionDenied),
        (api.Unauthorized("m"), errors.CredentialsExpired),
        (api.NotFound("m"), errors.KeyNotFound),
        (api.Conflict("m"), errors.ProviderUnavailable),
        (api.InternalServerError("m"), errors.ProviderUnavailable),
        (api.BadGateway("m"), errors.ProviderUnavailable),
        (api.GatewayTimeout("m"), errors.ProviderUnavailable),
        (api.RetryError("m", cause=api.ServiceUnavailable("m")), errors.ProviderUnavailable),
        (ConnectionResetError(), errors.ProviderUnavailable),
        (auth.DefaultCredentialsError("m"), errors.CredentialsNotFound),
        (auth.MalformedError("m"), errors.CredentialsNotFound),
        (auth.RefreshError("invalid_grant: Bad Request"), errors.CredentialsExpired),
        (
            auth.RefreshError(
                "invalid_grant: Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
                "Check your iat and exp values in the JWT claim."
            ),
            errors.ClockSkew,
        ),
        (auth.RefreshError("m", retryable=True), errors.ProviderUnavailable),
        (auth.TransportError("m"), errors.ProviderUnavailable),
        (
            auth.RefreshError(
                "Unable to acquire impersonated credentials", '"iam.serviceAccounts.getAccessToken\' denied on resource"'
            ),
            errors.PermissionDenied,
        ),
        (ZeroDivisionError(), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_other_transports_and_google_auth_raise(error: Exception, kind: type[errors.ProviderError] | None) -> None:
    """The REST transport raises the base classes, whose names are HTTP's."""
    found = classify(error)
    assert (found.error if found else None) is kind


@pytest.mark.parametrize(
    ("delay", "told"),
    [
        ("2.5s", 2.5),
        ("7s", 7.0),
        ("9" * 400 + "s", 86_400.0),
        ("-1s", None),
        ("1e3s", None),
        ("nan", None),
        (5, None),
        (None, None),
    ],
)
def test_details_in_json_are_read_too(delay: object, told: float | None) -> None:
    error = api.TooManyRequests("m", details=[{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}])
    found = classify(error)
    assert found
    assert found.retry_after == told


@pytest.mark.parametrize(
    ("delay", "told"),
    [(Duration(seconds=-1), None), (Duration(seconds=315_576_000_000), 86_400.0), (Duration(nanos=-1), None), (Duration(), 0.0)],
)
def test_a_delay_that_is_none_is_not_believed(delay: Duration, told: float | None) -> None:
    found = classify(api.TooManyRequests("m", details=[details.RetryInfo(retry_delay=delay)]))
    assert found
    assert found.retry_after == told


def test_rest_may_say_it_as_http_does() -> None:
    response = requests.Response()
    response.headers["Retry-After"] = "1.5"
    found = classify(api.TooManyRequests("m", response=response))
    assert found
    assert found.retry_after == 1.5


@pytest.mark.parametrize(
    "text", ["Socket closed", "recvmsg:Connection reset by peer", "failed to connect to all addresses", "GOAWAY received"]
)
def test_a_lost_connection_is_no_answer(text: str, scripted: Scripted, drive: Callable[..., Any]) -> None:
    """RULES 20: the breaker counts those apart."""
    driver = drive(scripted.uri())
    for message, answered in ((text, False), ("The service is currently unavailable.", True)):
        scripted.answer = refusal("UNAVAILABLE", message)
        with pytest.raises(grpc.RpcError) as caught:
            driver.sign(SIGN, timeout=5)
        assert driver.classify(caught.value).answered is answered


def test_nothing_of_the_request_is_in_an_error(gcp: GcpEmulator) -> None:
    """RULES 16: neither in its text nor in the object graph of its cause."""
    key = gcp.create_key("Ed25519")
    with farsign.open_signer(key.uri, policy=ONCE) as signer:
        known = signer.key()
        gcp.faults.error("sign", "INTERNAL")
        with pytest.raises(errors.ProviderError) as caught:
            known.sign(SECRET)
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value.__cause__))
    assert "canary" not in told
    assert "token-of-the-farsign-emulator" not in told
    assert not isinstance(caught.value.__cause__, grpc.RpcError)
    assert caught.value.__context__ is None or not isinstance(caught.value.__context__, grpc.RpcError)
