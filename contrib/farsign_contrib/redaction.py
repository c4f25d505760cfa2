"""A logging filter for what SDKs print: at DEBUG, boto3 logs session tokens and messages, azure-core bearer tokens and digests.

    for handler in logging.getLogger().handlers:
        handler.addFilter(redaction.RedactingFilter())

On a handler it sees every logger's records; on a logger only that logger's own.
"""

from __future__ import annotations

import logging
import re
from typing import Final

_NAMES: Final = "|".join(
    (
        "authorization",
        "client_?secret",
        "password",
        "role_id",
        "secret_?(?:access_?)?key",
        "secret_id",
        "session_?token",
        "signature",
        "x-amz-security-token",
        "x-vault-token",
    )
)
# The group named "secret" goes, the rest of the match stays.
_PATTERNS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\beyJ(?P<secret>[\w-]+\.[\w-]+\.[\w-]*)",  # a JWS or JWT
        r"\b(?:hv[sb]|[sb])\.(?P<secret>[\w-]{20,})",  # tokens of Vault and OpenBao
        r"\bBearer\s+(?P<secret>[\w.~+/=-]+)",
        r"\bCredential=(?P<secret>[^\s,]+)",  # SigV4
        rf"""(?:{_NAMES})["']?\s*[:=]\s*(?:b?["'])?(?P<secret>[^\s"',}}&]+)""",
        r"""["'](?:message|digest|value|input|signature|data)["']\s*:\s*b?["'](?P<secret>[^"']{16,})""",
        r"\b(?:AKIA|ASIA)(?P<secret>[A-Z0-9]{16})\b",
    )
)
REDACTED: Final = "[redacted]"


class RedactingFilter(logging.Filter):
    """Never drops a record; replaces what looks like a secret in its text, and its traceback's text."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        return True


def redact(text: str) -> str:
    """The text without what looks like a token, a credential, a digest or a signature."""
    for pattern in _PATTERNS:
        text = pattern.sub(_without_secret, text)
    return text


def _without_secret(match: re.Match[str]) -> str:
    start, end = match.span("secret")
    whole, offset = match[0], match.start()
    return whole[: start - offset] + REDACTED + whole[end - offset :]
