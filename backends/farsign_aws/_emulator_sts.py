"""STS as far as ``role=`` needs it: AssumeRole and GetCallerIdentity, in the query protocol with XML replies."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import ClassVar, Final
from xml.sax.saxutils import escape

from ._emulator_auth import AwsError, Credential, Credentials

NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
_ROLE: Final = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):role/((?:[\w+=,.@-]+/)*)([\w+=,.@-]+)")
_SESSION: Final = re.compile(r"[\w+=,.@-]{2,64}")
# what KMS calls X, STS calls Y
ERROR_NAMES: Final = {
    "UnrecognizedClientException": "InvalidClientTokenId",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "IncompleteSignatureException": "IncompleteSignature",
    "ExpiredTokenException": "ExpiredToken",
    "AccessDeniedException": "AccessDenied",
    "ThrottlingException": "Throttling",
    "ValidationException": "ValidationError",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "UnknownOperationException": "InvalidAction",
}


class Sts:
    """``external_ids``: role ARN -> the external id that its trust policy asks for. Other roles may be assumed by anyone."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self.external_ids: dict[str, str] = {}

    def _get_caller_identity(self, ask: Mapping[str, str], caller: Credential) -> str:
        return f"<Arn>{escape(caller.principal)}</Arn><UserId>{caller.access_key}</UserId><Account>{caller.account}</Account>"

    def _assume_role(self, ask: Mapping[str, str], caller: Credential) -> str:
        arn, session = ask.get("RoleArn", ""), ask.get("RoleSessionName", "")
        role = _ROLE.fullmatch(arn)
        if role is None:
            raise AwsError("ValidationException", f"{arn} is invalid")
        if not _SESSION.fullmatch(session):
            raise AwsError(
                "ValidationException",
                f"1 validation error detected: Value '{session}' at 'roleSessionName' failed to satisfy constraint: "
                "Member must satisfy regular expression pattern: [\\w+=,.@-]*",
            )
        if self.external_ids.get(arn) not in (None, ask.get("ExternalId")):
            raise AwsError(
                "AccessDeniedException",
                f"User: {caller.principal} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            )
        seconds = ask.get("DurationSeconds", "3600")
        if not seconds.isdigit() or not 900 <= int(seconds) <= 43_200:
            raise AwsError(
                "ValidationException", f"Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: 900 to 43200"
            )
        principal = f"arn:{role[1]}:sts::{role[2]}:assumed-role/{role[4]}/{session}"
        made = self._credentials.issue(role[2], principal, int(seconds))
        expires = datetime.fromtimestamp(made.expires or 0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return (
            f"<AssumedRoleUser><AssumedRoleId>AROA{secrets.token_hex(8).upper()}:{session}</AssumedRoleId>"
            f"<Arn>{escape(principal)}</Arn></AssumedRoleUser>"
            f"<Credentials><AccessKeyId>{made.access_key}</AccessKeyId><SecretAccessKey>{made.secret}</SecretAccessKey>"
            f"<SessionToken>{made.token}</SessionToken><Expiration>{expires}</Expiration></Credentials>"
        )

    operations: ClassVar[Mapping[str, Callable[[Sts, Mapping[str, str], Credential], str]]] = MappingProxyType(
        {"AssumeRole": _assume_role, "GetCallerIdentity": _get_caller_identity}
    )


def result_xml(operation: str, result: str, request_id: str) -> bytes:
    return (
        f'<{operation}Response xmlns="{NAMESPACE}"><{operation}Result>{result}</{operation}Result>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    ).encode()


def error_xml(code: str, message: str, request_id: str) -> bytes:
    return (
        f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()
