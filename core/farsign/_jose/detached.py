"""Compact tokens whose payload is elsewhere (RFC 7515 appendix F) or not encoded (RFC 7797). Each has its own functions: which of
them a token is, is the caller's knowledge and not the token's choice.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from farsign._base.encodings import b64url_encode
from farsign.errors import ConfigurationError

from .compact import Verified, split
from .header import Header, parse_header
from .token_errors import DecodeError
from .unproven import Unproven, aprove, prove

_READABLE: Final = re.compile(rb"[\x20-\x2d\x2f-\x7e]*")  # RFC 7797 5.2: what a compact token can hold as it is


def verify_detached(
    token: str | bytes,
    payload: bytes,
    keys: object,
    *,
    algorithms: Collection[str] | None = None,
    typ: str | Collection[str] | None = None,
) -> Verified:
    """A compact JWS without its payload (``header..signature``), which is given beside it. Otherwise as ``verify``."""
    return prove(_read_detached(token, payload), keys, algorithms, typ)


async def averify_detached(
    token: str | bytes,
    payload: bytes,
    keys: object,
    *,
    algorithms: Collection[str] | None = None,
    typ: str | Collection[str] | None = None,
) -> Verified:
    """As ``verify_detached``."""
    return await aprove(_read_detached(token, payload), keys, algorithms, typ)


def verify_unencoded(
    token: str | bytes,
    payload: bytes | None,
    keys: object,
    *,
    algorithms: Collection[str] | None = None,
    typ: str | Collection[str] | None = None,
) -> Verified:
    """A compact JWS whose header says that its payload is not encoded (``b64`` false and critical, RFC 7797). Otherwise as ``verify``.

    payload: given beside a token without one; None if the token holds it, as printable ASCII without dots (RFC 7797 5.2).
    """
    return prove(_read_unencoded(token, payload), keys, algorithms, typ)


async def averify_unencoded(
    token: str | bytes,
    payload: bytes | None,
    keys: object,
    *,
    algorithms: Collection[str] | None = None,
    typ: str | Collection[str] | None = None,
) -> Verified:
    """As ``verify_unencoded``."""
    return await aprove(_read_unencoded(token, payload), keys, algorithms, typ)


def _read_detached(token: str | bytes, payload: bytes) -> Unproven:
    segment, held, signature, _ = split(token)
    refuse_payload(held)
    header, content = encoded(parse_header(segment)), payload_bytes(payload)
    return Unproven(header, b"%b.%b" % (segment, b64url_encode(content).encode()), signature, content, encoded=False)


def _read_unencoded(token: str | bytes, payload: bytes | None) -> Unproven:
    segment, held, signature, _ = split(token)
    if payload is None:
        content = held
        if not _READABLE.fullmatch(content):
            raise DecodeError("a payload in the token is printable ASCII without dots (RFC 7797 5.2)")
    else:
        refuse_payload(held)
        content = payload_bytes(payload)
    header = unencoded(parse_header(segment))
    return Unproven(header, b"%b.%b" % (segment, content), signature, content, encoded=False)


def refuse_payload(segment: object) -> None:
    if segment:
        raise DecodeError(
            "a payload in the token and one beside it", next_step="decide which is meant; the other may be anything"
        )


def payload_bytes(payload: object) -> bytes:
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return bytes(payload)
    raise ConfigurationError(f"the payload is bytes, not {type(payload).__name__}")


def encoded(header: Header) -> Header:
    if header.b64 is False:
        raise DecodeError(
            "the payload is not encoded (b64 false)", next_step="jws.verify_unencoded and verify_unencoded_json read those"
        )
    return header


def unencoded(header: Header) -> Header:
    if header.b64 is not False:
        raise DecodeError(
            "the payload is encoded: the header does not say b64 false", next_step="jws.verify_detached and verify read those"
        )
    return header
