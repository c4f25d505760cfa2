"""The JSON serializations (RFC 7515 7.2): flattened and general, each by its own functions.

Documents are JSON text, where a member given twice is seen and refused, or mappings that the caller has parsed. A verified header is the protected
one; what the signature does not cover is kept apart in ``Verified.unprotected``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from farsign._base import strict_json
from farsign._base.encodings import b64url_encode
from farsign.errors import ConfigurationError

from .compact import MAX_TOKEN, Verified, octets
from .detached import encoded, payload_bytes, refuse_payload, unencoded
from .header import Header, parse_protected
from .sign import MAX_SIGNATURES
from .token_errors import DecodeError, InvalidAlgorithmError, UnknownKey
from .unproven import Unproven, aprove, prove

Document = str | bytes | Mapping[str, Any]
MAX_DOCUMENT: Final = 2 * MAX_TOKEN  # bytes of JSON text; the members are held to MAX_TOKEN and the header's limits
_NOT_OURS: Final = (UnknownKey, InvalidAlgorithmError)


def verify_json(
    document: Document,
    keys: object,
    *,
    payload: bytes | None = None,
    algorithms: Collection[str] | None = None,
    typ: str | Collection[str] | None = None,
) -> Verified:
    """A flattened JSON JWS. payload: given beside a document without one. Otherwise as ``verify``."""
    return prove(_read_flattened(document, payload), keys, algorithms, typ)


async def averify_json(
    document: Document,
    keys: object,
    *,
    payload: bytes | None = None,
    algorithms: Collection[str] | None = None,
    typ: str | Collection[str] | None = None,
) -> Verified:
    """As ``verify_json``."""
    return await aprove(_read_flattened(document, payload), keys, algorithms, typ)


def verify_unencoded_json(
    document: Document,
    keys: object,
    *,
    algorithms: Collection[str] | None = None,
    typ: str | Collection[str] | None = None,
) -> Verified:
    """A flattened JSON JWS whose payload is the text in the document itself (``b64`` false, RFC 7797). payload is its UTF-8."""
    return prove(_read_unencoded(document), keys, algorithms, typ)


async def averify_unencoded_json(
    document: Document,
    keys: object,
    *,
    algorithms: Collection[str] | None = None,
    typ: str | Collection[str] | None = None,
) -> Verified:
    """As ``verify_unencoded_json``."""
    return await aprove(_read_unencoded(document), keys, algorithms, typ)


def verify_general(
    document: Document,
    keys: object,
    *,
    payload: bytes | None = None,
    minimum: int | None = None,
    algorithms: Collection[str] | None = None,
    typ: str | Collection[str] | None = None,
) -> tuple[Verified, ...]:
    """A general JSON JWS of at most 4 signatures: one Verified for each, all over the same payload.

    By default every signature has to verify. minimum: so many are enough, and signatures of keys that are not among ``keys`` count for nothing. Its risk:
    anybody may add or remove such signatures. A bad signature of a known key is refused either way.
    """
    listed, proofs = _read_general(document, payload), []
    for jws in listed:
        try:
            proofs.append(prove(jws, keys, algorithms, typ))
        except _NOT_OURS:
            if minimum is None:
                raise
    return _enough(proofs, listed, minimum)


async def averify_general(
    document: Document,
    keys: object,
    *,
    payload: bytes | None = None,
    minimum: int | None = None,
    algorithms: Collection[str] | None = None,
    typ: str | Collection[str] | None = None,
) -> tuple[Verified, ...]:
    """As ``verify_general``."""
    listed, proofs = _read_general(document, payload), []
    for jws in listed:
        try:
            proofs.append(await aprove(jws, keys, algorithms, typ))
        except _NOT_OURS:
            if minimum is None:
                raise
    return _enough(proofs, listed, minimum)


def _enough(proofs: list[Verified], listed: list[Unproven], minimum: int | None) -> tuple[Verified, ...]:
    wanted = len(listed) if minimum is None else minimum
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        raise ConfigurationError("minimum is a number of signatures, from 1")
    signers = {proof.key for proof in proofs} if minimum is not None else proofs
    if len(signers) < wanted:
        raise UnknownKey("too few of the signatures are by keys that are known")
    return tuple(proofs)


def _read_flattened(document: Document, payload: bytes | None) -> Unproven:
    members = _members(document, "signatures")
    segment, content = _payload(members, payload)
    return _unproven(members, segment, content)


def _read_general(document: Document, payload: bytes | None) -> list[Unproven]:
    members = _members(document, "signature", "protected", "header")
    signatures = members.get("signatures")
    if not isinstance(signatures, list) or not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise DecodeError(f"a general JWS has a list of 1 to {MAX_SIGNATURES} signatures")
    if not all(isinstance(entry, Mapping) for entry in signatures):
        raise DecodeError("each signature is a JSON object")
    segment, content = _payload(members, payload)
    return [_unproven(entry, segment, content) for entry in signatures]


def _read_unencoded(document: Document) -> Unproven:
    members = _members(document, "signatures")
    text = members.get("payload")
    try:
        content = text.encode() if isinstance(text, str) and len(text) <= MAX_DOCUMENT else None
    except UnicodeEncodeError:
        content = None
    if content is None:
        raise DecodeError("the payload is missing, too long or no Unicode text")
    protected, header = _header(members)
    return Unproven(
        unencoded(header), b"%b.%b" % (protected, content), _segment(members, "signature"), content, False, header.unprotected
    )


def _members(document: Document, *foreign: str) -> Mapping[str, Any]:
    """The members, unless one of them belongs to another format."""
    members: Mapping[str, Any] = document if isinstance(document, Mapping) else _parse(document)
    if not members.keys().isdisjoint((*foreign, "ciphertext", "recipients", "encrypted_key", "tag")):
        raise DecodeError(
            "a JSON serialization of another kind than expected", next_step="flattened: verify_json; general: verify_general"
        )
    return members


def _parse(document: object) -> dict[str, Any]:
    if isinstance(document, str):
        if len(document) > MAX_DOCUMENT:
            raise DecodeError(f"a document of more than {MAX_DOCUMENT} bytes")
        document = document.encode("utf-8", "surrogatepass")  # which strict_json refuses
    if not isinstance(document, bytes):
        raise DecodeError(f"a JSON JWS is text, bytes or a mapping, not {type(document).__name__}")
    if len(document) > MAX_DOCUMENT:
        raise DecodeError(f"a document of more than {MAX_DOCUMENT} bytes")
    try:
        return strict_json.loads_object(document)
    except ValueError as error:
        reason = str(error)  # our own text
    raise DecodeError(f"the document cannot be read: {reason}")


def _payload(members: Mapping[str, Any], payload: bytes | None) -> tuple[bytes, bytes | None]:
    """The payload's segment, and its bytes if they were given beside the document."""
    if payload is None:
        return _segment(members, "payload"), None
    if "payload" in members:
        refuse_payload("payload")
    content = payload_bytes(payload)
    return b64url_encode(content).encode(), content


def _segment(members: Mapping[str, Any], name: str) -> bytes:
    value = members.get(name)
    if not isinstance(value, str):
        raise DecodeError(f"the member {name} is missing or no text")
    return octets(value)


def _header(members: Mapping[str, Any]) -> tuple[bytes, Header]:
    protected = _segment(members, "protected") if "protected" in members else b""
    unprotected = members.get("header", {})
    if not isinstance(unprotected, Mapping) or not all(isinstance(name, str) for name in unprotected):
        raise DecodeError("the unprotected header is no JSON object")
    parsed = parse_protected(protected) if protected else {}
    if not parsed.keys().isdisjoint(unprotected):
        raise DecodeError("a header member is both protected and unprotected")
    return protected, Header(parsed, unprotected)


def _unproven(members: Mapping[str, Any], segment: bytes, content: bytes | None) -> Unproven:
    protected, header = _header(members)
    signature, signing_input = _segment(members, "signature"), b"%b.%b" % (protected, segment)
    payload = segment if content is None else content
    return Unproven(encoded(header), signing_input, signature, payload, content is None, header.unprotected)
