"""What AWS's errors mean. One table by error code; KMSInvalidStateException is read by its text, for it covers five states."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from farsign import errors
from farsign._plugin.waits import RETRY_AFTER, asked_wait, http_date
from farsign.driver import Failure, KeyURI

CODES: Final = MappingProxyType(
    {
        "ThrottlingException": errors.Throttled,
        "Throttling": errors.Throttled,
        "ThrottledException": errors.Throttled,
        "RequestThrottled": errors.Throttled,
        "RequestThrottledException": errors.Throttled,
        "TooManyRequestsException": errors.Throttled,
        "RequestLimitExceeded": errors.Throttled,
        "SlowDown": errors.Throttled,
        "KMSInternalException": errors.ProviderUnavailable,
        "DependencyTimeoutException": errors.ProviderUnavailable,
        "InternalFailure": errors.ProviderUnavailable,
        "ServiceUnavailable": errors.ProviderUnavailable,
        "RequestTimeout": errors.ProviderUnavailable,
        "RequestTimeoutException": errors.ProviderUnavailable,
        "KeyUnavailableException": errors.KeyUnavailable,
        "CloudHsmClusterNotActiveException": errors.KeyUnavailable,
        "CustomKeyStoreInvalidStateException": errors.KeyUnavailable,
        "XksProxyUriUnreachableException": errors.KeyUnavailable,
        "ExpiredTokenException": errors.CredentialsExpired,
        "ExpiredToken": errors.CredentialsExpired,
        "UnrecognizedClientException": errors.CredentialsExpired,
        "InvalidClientTokenId": errors.CredentialsExpired,
        "InvalidSignatureException": errors.CredentialsExpired,
        "SignatureDoesNotMatch": errors.CredentialsExpired,
        "IncompleteSignature": errors.CredentialsExpired,
        "IncompleteSignatureException": errors.CredentialsExpired,
        "InvalidIdentityToken": errors.CredentialsExpired,
        "RequestExpired": errors.ClockSkew,
        "RequestTimeTooSkewed": errors.ClockSkew,
        "MissingAuthenticationToken": errors.CredentialsNotFound,
        "MissingAuthenticationTokenException": errors.CredentialsNotFound,
        "AccessDeniedException": errors.PermissionDenied,
        "AccessDenied": errors.PermissionDenied,
        "NotAuthorized": errors.PermissionDenied,
        "OptInRequired": errors.PermissionDenied,
        "RegionDisabledException": errors.PermissionDenied,
        "NotFoundException": errors.KeyNotFound,
        "DisabledException": errors.KeyDisabled,
        "InvalidKeyUsageException": errors.KeyMisuse,
        "UnsupportedOperationException": errors.KeyMisuse,
        "InvalidArnException": errors.KeyMisuse,
        "ValidationException": errors.KeyMisuse,
        "ValidationError": errors.KeyMisuse,
        "SerializationException": errors.KeyMisuse,
        "InvalidGrantTokenException": errors.KeyMisuse,
        "LimitExceededException": errors.QuotaExceeded,
    }
)
_STATES: Final = (  # in the text of KMSInvalidStateException; the others pass: creating, updating, unavailable
    ("pending deletion", errors.KeyDeleted),
    ("pending replica deletion", errors.KeyDeleted),
    ("is disabled", errors.KeyDisabled),
    ("pending import", errors.KeyDisabled),
)
_STATUSES: Final = MappingProxyType(  # of codes that are not in the table
    {
        401: errors.CredentialsExpired,
        403: errors.PermissionDenied,
        408: errors.ProviderUnavailable,
        429: errors.Throttled,
    }
)
_WAITS: Final = MappingProxyType({"x-amz-retry-after": 1e-3, **RETRY_AFTER})
_SKEW: Final = ("Signature expired", "Signature not yet current")
_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:(?:kms:[a-z0-9-]+:[0-9]{12}:(?:key|alias)|iam::[0-9]{12}:role)/[A-Za-z0-9/_+=,.@-]*[A-Za-z0-9_]"
)
_ACTION: Final = re.compile(r"\b(?:kms|sts):[A-Z][A-Za-z]+\b")
_STEPS: Final[Mapping[type[errors.ProviderError], str]] = MappingProxyType(
    {
        errors.CredentialsNotFound: "locally `aws sso login` or AWS_PROFILE; on Lambda or EKS attach a role; "
        "in tests use the emulator fixture",
        errors.CredentialsExpired: "locally `aws sso login`; elsewhere see that the role's credentials are renewed "
        "(static keys with a session token are not)",
        errors.Throttled: "answer 503 with Retry-After (.retry_after); the quota is per account, region and key family",
    }
)


_STEPS_BY_CODE: Final = MappingProxyType(
    {"InvalidGrantTokenException": "give what CreateGrant returned as GrantToken, of a grant that was not retired or revoked"}
)


def classify(error: Exception, uri: KeyURI) -> Failure | None:
    """None: a bug."""
    from botocore import exceptions as sdk

    name = type(error).__name__
    if isinstance(error, sdk.ClientError):
        return _answered(error.response, error.operation_name, uri)
    if isinstance(error, (sdk.NoCredentialsError, sdk.PartialCredentialsError)):
        first = f"profile {profile}" if (profile := uri.get("profile")) else "environment"
        tried = f"tried {first}, config files, container role, instance role"
        return _failure(errors.CredentialsNotFound, name, message=f"AWS found none for {str(uri)!r} ({tried})")
    if isinstance(error, (sdk.CredentialRetrievalError, sdk.TokenRetrievalError, sdk.SSOError, *_logins(sdk))):
        message = f"AWS's credentials for {str(uri)!r} could not be renewed ({name})"
        return _failure(errors.CredentialsExpired, name, message=message)
    if isinstance(error, sdk.ParamValidationError):
        return _failure(errors.KeyMisuse, name)
    if isinstance(error, (sdk.HTTPClientError, sdk.ConnectionError)):
        return Failure(errors.ProviderUnavailable, reason=name, answered=False)
    if isinstance(error, sdk.BotoCoreError):
        detail = f": {error}" if isinstance(error, sdk.InvalidConfigError) else f" ({name})"
        return _failure(errors.CredentialsNotFound, name, message=f"boto3 cannot use its settings for {str(uri)!r}{detail}")
    frames = [frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)]
    if "botocore.parsers" in frames or frames[-1:] == ["botocore.endpoint"]:
        return _failure(errors.IntegrityFailure, "garbled reply", message="AWS sent a reply that means nothing")
    return None


def _logins(sdk: Any) -> tuple[type[Exception], ...]:
    """`aws login` is newer than the oldest botocore that is supported."""
    return (sdk.LoginError,) if hasattr(sdk, "LoginError") else ()


def _failure(kind: type[errors.ProviderError], reason: str, **told: Any) -> Failure:
    return Failure(kind, reason=reason, **{"next_step": _STEPS.get(kind, ""), **told})


def _answered(response: Any, operation: str, uri: KeyURI) -> Failure:
    code, text = str(response["Error"].get("Code", "")), str(response["Error"].get("Message", ""))
    meta = response.get("ResponseMetadata", {})
    headers = meta.get("HTTPHeaders", {})
    kind = _kind(code, text, int(meta.get("HTTPStatusCode", 0)))
    told: dict[str, Any] = {"request_id": str(meta.get("RequestId", "")), "retry_after": asked_wait(headers, _WAITS)}
    if kind is errors.PermissionDenied:
        told |= _missing(text, operation)
    if code in _STEPS_BY_CODE:
        told["next_step"] = _STEPS_BY_CODE[code]
    # AWS's texts may quote what was sent, so only an ARN is taken from them
    arn = _ARN.search(text)
    where = "" if kind is errors.Throttled else f" on {arn[0] if arn else repr(str(uri))}"
    if kind is errors.ClockSkew:
        where = f": this machine's clock {_skew(headers)}"
    verb = _VERBS.get(kind, f"answered {code or 'something else'} to")
    return _failure(kind, code, message=f"AWS {_service(operation).upper()} {verb} {operation}{where}", **told)


_VERBS: Final[Mapping[type[errors.ProviderError], str]] = MappingProxyType(
    {errors.Throttled: "throttled", errors.PermissionDenied: "refused", errors.ClockSkew: "refused"}
)


def _service(operation: str) -> str:
    return "sts" if operation.startswith("AssumeRole") else "kms"


def _kind(code: str, text: str, status: int) -> type[errors.ProviderError]:
    if code in ("InvalidSignatureException", "SignatureDoesNotMatch") and any(skew in text for skew in _SKEW):
        return errors.ClockSkew
    if code == "KMSInvalidStateException":
        return next((kind for words, kind in _STATES if words in text), errors.KeyUnavailable)
    if known := CODES.get(code) or _STATUSES.get(status):
        return known
    if status >= 500:
        return errors.ProviderUnavailable
    return errors.KeyMisuse if status >= 400 else errors.IntegrityFailure  # a redirect, say: no KMS sends one


def _missing(text: str, operation: str) -> dict[str, str]:
    """The permission, and what to do about it."""
    action = _ACTION.search(text)
    permission = action[0] if action else f"{_service(operation)}:{operation}"
    step = "allow kms:GetPublicKey and kms:Sign on that key ARN (an alias ARN as Resource grants nothing)"
    if permission.startswith("sts:"):
        step = f"allow {permission} on that role, and this process in the role's trust policy (with its external id, if it asks for one)"
    return {"permission": permission, "next_step": step}


def _skew(headers: Mapping[str, str]) -> str:
    """By the reply's Date (RFC 9110 6.6.1)."""
    date = http_date(headers.get("date", ""))
    if date is None:
        return "differs from AWS's"
    ahead = time.time() - date
    return f"is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} AWS's"
