"""What AWS's errors mean. One table by error code; KMSInvalidStateException is read by its text, for it covers five states."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any, Final

from farsign import errors
from farsign.driver import Failure

CODES: Final = MappingProxyType(
    {
        "ThrottlingException": errors.Throttled,
        "Throttling": errors.Throttled,
        "TooManyRequestsException": errors.Throttled,
        "RequestLimitExceeded": errors.Throttled,
        "KMSInternalException": errors.ProviderUnavailable,
        "DependencyTimeoutException": errors.ProviderUnavailable,
        "InternalFailure": errors.ProviderUnavailable,
        "ServiceUnavailable": errors.ProviderUnavailable,
        "RequestTimeout": errors.ProviderUnavailable,
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
        "RequestExpired": errors.ClockSkew,
        "MissingAuthenticationToken": errors.CredentialsNotFound,
        "MissingAuthenticationTokenException": errors.CredentialsNotFound,
        "AccessDeniedException": errors.PermissionDenied,
        "AccessDenied": errors.PermissionDenied,
        "OptInRequired": errors.PermissionDenied,
        "NotFoundException": errors.KeyNotFound,
        "DisabledException": errors.KeyDisabled,
        "KMSInvalidStateException": errors.KeyUnavailable,
        "InvalidKeyUsageException": errors.KeyMisuse,
        "UnsupportedOperationException": errors.KeyMisuse,
        "InvalidArnException": errors.KeyMisuse,
        "ValidationException": errors.KeyMisuse,
        "SerializationException": errors.KeyMisuse,
        "InvalidGrantTokenException": errors.KeyMisuse,
        "LimitExceededException": errors.QuotaExceeded,
    }
)
_STATES: Final = (  # in the text of KMSInvalidStateException
    ("pending deletion", errors.KeyDeleted),
    ("pending replica deletion", errors.KeyDeleted),
    ("is disabled", errors.KeyDisabled),
    ("pending import", errors.KeyDisabled),
)
_ARN: Final = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(?:key|alias)/[A-Za-z0-9/_-]+")
_ACTION: Final = re.compile(r"\bkms:[A-Za-z]+\b|\bsts:[A-Za-z]+\b")
_SKEW: Final = ("Signature expired", "Signature not yet current")
_LOCALLY: Final = "locally `aws sso login` or AWS_PROFILE; on Lambda or EKS attach a role; in tests use the emulator fixture"


def classify(error: Exception, uri: str) -> Failure | None:
    from botocore import exceptions as sdk

    if isinstance(error, sdk.ClientError):
        return _answered(error.response, error.operation_name)
    if isinstance(error, (sdk.NoCredentialsError, sdk.PartialCredentialsError, sdk.ProfileNotFound)):
        tried = "tried environment, config files, container role, instance role"
        return Failure(errors.CredentialsNotFound, message=f"AWS found none for {uri} ({tried})", next_step=_LOCALLY)
    if isinstance(error, (sdk.CredentialRetrievalError, sdk.TokenRetrievalError, sdk.SSOTokenLoadError)):
        return Failure(errors.CredentialsExpired, reason=type(error).__name__)
    if isinstance(error, sdk.ParamValidationError):
        return Failure(errors.KeyMisuse, reason="ParamValidationError")
    if isinstance(error, (sdk.HTTPClientError, sdk.ConnectionError)):
        return Failure(errors.ProviderUnavailable, reason=type(error).__name__, answered=False)
    if isinstance(error, sdk.BotoCoreError):
        return Failure(errors.IntegrityFailure if "parse" in type(error).__name__.lower() else errors.ProviderUnavailable,
                       reason=type(error).__name__)  # fmt: skip
    if isinstance(error, (UnicodeDecodeError, ValueError)):  # a body that is no JSON, or not in UTF-8
        return Failure(errors.IntegrityFailure, reason="garbled reply")
    return None


def _answered(response: Any, operation: str) -> Failure:
    code, text = str(response["Error"].get("Code", "")), str(response["Error"].get("Message", ""))
    meta = response.get("ResponseMetadata", {})
    request_id = str(meta.get("RequestId", ""))
    kind = _kind(code, text, int(meta.get("HTTPStatusCode", 0)))
    if kind is errors.PermissionDenied:
        return _denied(code, text, operation, request_id)
    return Failure(
        kind, reason=code, request_id=request_id, retry_after=_retry_after(meta), message=_message(kind, operation, text)
    )


def _kind(code: str, text: str, status: int) -> type[errors.ProviderError]:
    if code in ("InvalidSignatureException", "SignatureDoesNotMatch") and any(skew in text for skew in _SKEW):
        return errors.ClockSkew
    if code == "KMSInvalidStateException":
        return next((kind for words, kind in _STATES if words in text), errors.KeyUnavailable)
    if known := CODES.get(code):
        return known
    return errors.ProviderUnavailable if status >= 500 or not status else errors.KeyMisuse


def _message(kind: type[errors.ProviderError], operation: str, text: str) -> str:
    """AWS's own texts may quote what was sent, so only the key's ARN is taken from them."""
    arn = _ARN.search(text)
    where = f" on {arn[0]}" if arn else ""
    return f"AWS KMS throttled {operation}{where}" if kind is errors.Throttled else f"AWS KMS {operation}{where}: {kind.code}"


def _denied(code: str, text: str, operation: str, request_id: str) -> Failure:
    arn, action = _ARN.search(text), _ACTION.search(text)
    permission = action[0] if action else f"kms:{operation}"
    where = f" on {arn[0]}" if arn else ""
    allow = permission if permission.startswith("sts:") else "kms:GetPublicKey and kms:Sign"
    return Failure(
        errors.PermissionDenied,
        reason=code,
        permission=permission,
        request_id=request_id,
        message=f"AWS KMS refused {operation}{where}",
        next_step=f"allow {allow} on that key ARN (an alias ARN as Resource grants nothing)",
    )


def _retry_after(meta: Any) -> float | None:
    headers = meta.get("HTTPHeaders", {})
    for name, scale in (("x-amz-retry-after", 1e-3), ("retry-after", 1.0)):
        try:
            return float(headers[name]) * scale
        except (KeyError, ValueError):
            continue
    return None
