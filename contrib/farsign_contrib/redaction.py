r"""A logging filter for what SDKs print: at DEBUG, boto3 logs session tokens and messages, azure-core and google-cloud-kms bearer tokens
and digests.

    for handler in logging.getLogger().handlers:
        handler.addFilter(redaction.RedactingFilter())

On a handler it sees every logger's records; on a logger only that logger's own. GOOGLE_SDK_PYTHON_LOGGING_SCOPE gives the logger it names
a handler of its own, which needs the filter too. It does not see what bypasses logging: http.client's debuglevel, GRPC_VERBOSITY.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any, Final

REDACTED: Final = "[redacted]"

# How telling names end (X-Vault-Token, aws_session_token and WebIdentityToken in "token"), in any case; "_" is also "-", " " or nothing.
_HEADERS: Final = ("authorization", "cookie")  # the rest of the line is theirs
_SECRETS: Final = (
    "token",
    "secret",
    "secret_id",
    "role_id",
    "access_key",
    "account_key",
    "api_key",
    "private_key",
    "secret_key",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "(?<![a-z])pin",
    "pin_value",
    "assertion",
    "saml_response",
    "jwt",
    "credential",
    "code_verifier",
    "device_code",
    "identity_header",
    "iam_request_headers",
    "signature",
    "(?<![a-z])mac",
    "hmac",
    "digest",
    "hash_input",
    "sha_224",
    "sha_256",
    "sha_384",
    "sha_512",
)
# Whole names that are words too: telling only if a literal in quotes follows.
_WORDS: Final = ("message", "value", "input", "data", "payload", "plaintext")

# Repeats are possessive or bounded, and what begins like a literal and does not end is one to the end of the text: time stays linear.
_SLASHES: Final = r"\\{0,15}"  # before each quote of JSON in JSON, in a repr
_BLANK: Final = r"(?:\s|\\{1,15}n)*+"


def _literal(number: int) -> str:
    """To the next quote with as many backslashes: with more it is the text's own, be it JSON in a repr."""
    quote = rf"(?P=slashes{number})(?P=quote{number})"
    return rf"""(?>(?P<slashes{number}>{_SLASHES})(?P<quote{number}>["'])(?:[^"'\\]++|\\++|["'])*?(?:(?<!\\){quote}|\Z))"""


_PREFIX: Final = "[bru]{0,2}"
_MORE: Final = rf"(?:{_BLANK},{_BLANK}{_PREFIX}{_literal(2)}(?!\s*+[:=]))*+"  # of a list, not the next name of a dict
_WITHIN: Final = (
    rf"(?!\"\"|'')(?:[\w.]{{0,40}}[(\[](?:\w{{1,40}}=)?{_BLANK}){{0,3}}{_PREFIX}"  # of ["..."], b"...", Digest(sha256="...")
)
_QUOTED: Final = rf"(?P<literal>{_WITHIN}{_literal(1)}{_MORE})"
_NOTHING: Final = r"""(?:None|null|True|true|False|false)(?=[\s"',;&}\])>]|\Z)"""
_BARE: Final = rf"""(?!{_NOTHING})[^\s"',;&{{}}\[\]()<>\\](?:[^\s"',;&}}\])>\\]++|\\(?![rn"']))*+"""
_REST: Final = r"""(?![\[{(])(?:[^\r\n"'}>\\]++|\\(?![rn"']))++"""  # of the line
_THEN: Final = rf"""{_SLASHES}["']?\s*+[:=]{{1,2}}[^\S\n]*+"""
_NEXT_LINE: Final = r"""(?:\n\s*+(?![\w-]{1,64}["']?\s{0,9}[:=]))?+"""  # "Signature:\nabc", but not "Token:\nHost: abc"
_PARAMETERS: Final = "authorization|authorization_uri|realm|resource|scope|error|error_description|claims|nonce|client_id"
_CHALLENGE: Final = rf"(?:(?:{_PARAMETERS})=|tokens?(?!\S))"  # WWW-Authenticate, or English: no token follows


def _ends(*names: str) -> str:
    """Looks back at a name's end."""
    spelled = {name.replace("_", each) for name in names for each in ("", "[_ -]")}
    return "(?:" + "|".join(sorted(f"(?<={each})" for each in spelled)) + ")"


def _compiled() -> tuple[re.Pattern[str], ...]:
    # Names are looked for where a separator is: to try them all at every character of 1 MB takes seconds.
    named = rf"""(?<=\w)(?={_SLASHES}["']?\s*+[:=])"""
    word = _ends(*(rf"(?<![\w.-]){each}" for each in _WORDS))
    header, secret, any_secret = _ends(*_HEADERS), _ends(*_SECRETS), _ends(*_HEADERS, *_SECRETS)
    comma = rf"""{_SLASHES}["']\s*+,"""  # ("x-vault-token", "...")
    caseless = (
        rf"{named}{header}{_THEN}(?![\"']https:){_NEXT_LINE}(?:{_QUOTED}|(?P<secret>{_REST}))",
        rf"{named}{secret}{_THEN}{_NEXT_LINE}(?:{_QUOTED}|(?P<secret>{_BARE}))",
        rf"(?<=\w)(?={comma}){any_secret}{comma}\s*+(?P<literal>{_PREFIX}{_literal(1)})(?!\s*+[:=])",
        rf"{named}{word}{_THEN}{_QUOTED}",
        r"\b[a-z]+ for (?:document )?parameter [\w.\[\]-]+, value: (?P<secret>.*?)(?=, (?:type|valid min)|\Z)",  # botocore's refusals
        rf"\bBearer\s++(?!{_CHALLENGE})(?P<secret>[\w.~+/=-]++)",
        r"\bBasic\s++(?P<secret>[\w+/-]{8,}+=*+)",
        r"""://(?P<secret>[^\s/?#"'<>]+)@""",
        r"[?&]sig=(?P<secret>[^&\s\"']++)",
        r"(?<![0-9a-f])(?P<secret>[0-9a-f]{128}|[0-9a-f]{96}|[0-9a-f]{64})(?![0-9a-f])",  # SHA-256 to SHA-512
    )
    exact = (
        r"(?<![\w-])eyJ(?P<secret>[\w-]++(?:\.[\w-]*+){1,4}+)",  # a JWS, its signing input, a JWE
        r"(?<![\w-])(?:hv[sbr]|[sbr]|ya29)\.(?P<secret>[\w-]{20,}+)",  # tokens of Vault, OpenBao and Google
        r"\b(?:AKIA|ASIA)(?P<secret>[A-Z0-9]{16})\b",
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----(?P<secret>[^-]++)",
    )
    return (*(re.compile(each, re.IGNORECASE | re.DOTALL) for each in caseless), *map(re.compile, exact))


_PATTERNS: Final = _compiled()
_SECRET_NAME: Final = re.compile(rf"{_ends(*_HEADERS, *_SECRETS)}\Z", re.IGNORECASE)
_CONTAINERS: Final = (Mapping, list, tuple, set, frozenset)
_OWN: Final = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime"))  # what a record has without ``extra``
_DEPTH: Final = 12
_OPENING: Final = re.compile(r"""[\w.=(\[\s]*?(?:\\+n\s*)?(?P<bytes>b?)(?P<quote>\\*["'])""")
_NO_BRACKET: Final = re.compile(r"[^(\[\s]")


class RedactingFilter(logging.Filter):
    """Never drops a record and never raises; replaces what looks like a secret in its text, its traceback and what ``extra`` added.

    All handlers share a record: those after this one see it redacted, its arguments or traceback as text where they held something.
    A call whose arguments do not fit its format is logged without them, and says so.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            _message(record)
            _traceback(record)
            for name in vars(record).keys() - _OWN:
                setattr(record, name, _clean(getattr(record, name), name))
        except Exception:  # out of stack, for one
            vars(record).update(dict.fromkeys(vars(record).keys() - _OWN, REDACTED))
            vars(record).update(msg=REDACTED, args=(), message=REDACTED, exc_info=None, exc_text=None, stack_info=None)
        return True


def redact(text: str) -> str:
    """The text without what looks like a token, a credential, a message, a digest or a signature."""
    for pattern in _PATTERNS:
        text = pattern.sub(_without_secret, text)
    return text


def _without_secret(match: re.Match[str]) -> str:
    group = match.lastgroup or "secret"
    start, end = match.span(group)
    whole, offset = match[0], match.start()
    return whole[: start - offset] + (_emptied(match[group]) if group == "literal" else REDACTED) + whole[end - offset :]


def _emptied(literal: str) -> str:
    """Keeps quotes and brackets, for those who read JSON."""
    opening = _OPENING.match(literal)
    if opening is None:
        return REDACTED
    brackets, quote = _NO_BRACKET.sub("", opening[0]), opening["quote"]
    return brackets + opening["bytes"] + quote + REDACTED + (quote if literal.endswith(quote[-1], opening.end()) else "")


def _message(record: logging.LogRecord) -> None:
    if isinstance(record.msg, str) or record.args:
        _formatted(record)
    else:
        record.msg = _clean(record.msg)  # a dict stays one: some formatters read it
    if hasattr(record, "message"):  # an earlier handler's formatter left it
        record.message = redact(record.message)


def _formatted(record: logging.LogRecord) -> None:
    given = record.args
    try:
        record.args = _arguments(given)
        text = record.getMessage()
    except Exception as error:  # a format that does not fit, or somebody's __str__: logging survives both
        record.msg, record.args = f"{_clean(record.msg)} {_unreadable(error)}", ()
        return
    redacted = redact(text)
    if redacted != text or record.args is not given:
        record.msg, record.args = redacted, ()


def _arguments(given: Any) -> Any:
    """Containers' members by their names; what else there is, once it is text."""
    if not isinstance(given, tuple):
        return _clean(given)
    return _unless_same([_clean(each) if isinstance(each, _CONTAINERS) else each for each in given], given)


def _traceback(record: logging.LogRecord) -> None:
    try:
        text = record.exc_text or (record.exc_info and logging.Formatter().formatException(record.exc_info)) or ""
    except Exception as error:
        text, redacted = "", _unreadable(error)
    else:
        redacted = redact(text)
    if redacted != text:
        record.exc_text, record.exc_info = redacted, None  # formatters of JSON read both
    record.stack_info = record.stack_info and redact(record.stack_info)


def _clean(value: Any, name: object = "", depth: int = _DEPTH) -> Any:
    """The same object if nothing in it is secret; else a plain dict, list or tuple, or text."""
    try:
        return _cleaned(value, _text(name), depth)
    except Exception as error:
        return _unreadable(error)


def _cleaned(value: Any, name: str, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return _members(value, name, depth - 1) if depth else REDACTED
    if isinstance(value, _CONTAINERS):
        return _items(value, name, depth - 1) if depth else REDACTED
    if name == "payload":
        return _payload(_text(value))
    if _SECRET_NAME.search(name) or (name.lower() in _WORDS and isinstance(value, str | bytes | bytearray)):
        return REDACTED
    texts = [_text(value)] if isinstance(value, str | bytes | bytearray | int | float) else [str(value), repr(value)]
    redacted = [redact(text) for text in texts]
    return value if redacted == texts else redacted[0]


def _members(value: Mapping[Any, Any], name: str, depth: int) -> Any:
    inherits = _SECRET_NAME.search(name)  # what is in a secret is secret
    items = [(each, member, _clean(member, name if inherits else each, depth)) for each, member in value.items()]
    if all(new is old for _, old, new in items):
        return value
    return {each: new for each, _, new in items}


def _items(value: Any, name: str, depth: int) -> Any:
    given = list(value)
    if len(given) == 2 and isinstance(given[0], str | bytes) and _SECRET_NAME.search(_text(given[0])):  # a header
        return _unless_same([given[0], _clean(given[1], given[0], depth)], value)
    return _unless_same([_clean(each, name, depth) for each in given], value)


def _unless_same(items: list[Any], given: Any) -> Any:
    if all(new is old for new, old in zip(items, given, strict=True)):
        return given
    return tuple(items) if isinstance(given, tuple) else items


def _payload(text: str) -> str:
    """Google's SDK has whole requests there, as JSON."""
    try:
        return redact(text) if isinstance(json.loads(text), dict) else REDACTED
    except ValueError:
        return REDACTED


def _text(value: object) -> str:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | bytearray) else str(value)


def _unreadable(error: Exception) -> str:
    return f"[redacted: {type(error).__name__} while it was read]"
