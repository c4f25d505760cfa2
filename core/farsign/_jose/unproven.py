"""A JWS that was taken apart, whatever its serialization, and what turns it into something Verified."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from .compact import Verified, check_expected, check_signature, decode_segment
from .header import Header
from .key_source import Found, fit, key_source


class Unproven(NamedTuple):
    header: Header
    signing_input: bytes
    signature: bytes  # still encoded
    payload: bytes
    encoded: bool  # whether the payload still is; it is decoded only after its signature was checked
    unprotected: Mapping[str, Any] | None = None


def prove(jws: Unproven, keys: object, algorithms: Collection[str] | None, typ: str | Collection[str] | None) -> Verified:
    """Raises InvalidToken."""
    found = fit(jws.header, key_source(keys).find(jws.header.members))
    return _finish(jws, found, algorithms, typ)


async def aprove(jws: Unproven, keys: object, algorithms: Collection[str] | None, typ: str | Collection[str] | None) -> Verified:
    """As ``prove``."""
    found = fit(jws.header, await key_source(keys).afind(jws.header.members))
    return _finish(jws, found, algorithms, typ)


def _finish(jws: Unproven, found: Found, algorithms: Collection[str] | None, typ: str | Collection[str] | None) -> Verified:
    check_signature(found, jws.signature, jws.signing_input)
    check_expected(jws.header, algorithms, typ)
    payload = decode_segment(jws.payload, "payload") if jws.encoded else jws.payload
    return Verified(payload, jws.header.protected, found.key, jws.unprotected)
