"""Making a JWS in each serialization. Every function takes a source of a key and lets it sign once the header is built from that key.

A source is a Signer, an Issuer, a SigningKey, or a Key made from a shared secret. Headers are RULES 26: callers add members, but alg,
kid, crit and b64 are the key's and the format's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from farsign._base.encodings import b64url_encode
from farsign._signer import signing
from farsign.errors import ConfigurationError, InvalidKey, MessageTooLong

from .compact import MAX_TOKEN
from .header import build_header, check_headers, common_header, encode_header
from .key import Key

MAX_SIGNATURES: Final = 4  # RULES 30


class SigningIdentity(Protocol):
    """What a header is built from: a SigningKey, or a Key with a secret."""

    @property
    def algorithm(self) -> str: ...
    @property
    def kid(self) -> str | None: ...


Source = signing.Source | Key
Prepare = Callable[[SigningIdentity], bytes]
Signed = tuple[bytes, bytes]  # signing input, signature


def run(source: Source, prepare: Prepare, timeout: float | None) -> Signed:
    if isinstance(source, Key):
        return _mac(source, prepare)
    signed = signing.sign_with(source, prepare, timeout=timeout)
    return signed.signing_input, signed.signature


async def arun(source: Source, prepare: Prepare, timeout: float | None) -> Signed:
    if isinstance(source, Key):
        return _mac(source, prepare)
    signed = await signing.asign_with(source, prepare, timeout=timeout)
    return signed.signing_input, signed.signature


def _mac(key: Key, prepare: Prepare) -> Signed:
    if key.mac is None:
        raise InvalidKey(
            "this Key verifies and cannot sign", next_step="sign with farsign.open_signer(uri), or with Key.from_secret"
        )
    data = prepare(key)
    return data, key.mac(data)


def protected_segment(
    key: SigningIdentity, headers: Mapping[str, Any] | None, typ: str | None = None, *, b64: bool = True
) -> bytes:
    if headers is None and b64:
        return common_header(key.algorithm, key.kid, typ)
    return encode_header(build_header(key.algorithm, key.kid, headers, typ, b64=b64))


def prepare_encoded(payload: bytes, headers: Mapping[str, Any] | None, typ: str | None = None) -> Prepare:
    segment = b64url_encode(_octets(payload)).encode()
    return lambda key: b"%b.%b" % (protected_segment(key, headers, typ), segment)


def _prepare_unencoded(payload: bytes, headers: Mapping[str, Any] | None) -> Prepare:
    return lambda key: b"%b.%b" % (protected_segment(key, headers, b64=False), payload)


def _octets(payload: object) -> bytes:
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return bytes(payload)
    raise ConfigurationError(f"the payload is bytes, not {type(payload).__name__}", next_step="encode text: payload.encode()")


def compact(signed: Signed) -> str:
    signing_input, signature = signed
    return _capped(f"{signing_input.decode('ascii')}.{b64url_encode(signature)}")


def _capped(token: str) -> str:
    if len(token) > MAX_TOKEN:
        raise MessageTooLong(
            f"a token of more than {MAX_TOKEN} bytes: verifiers refuse it", next_step="sign less, or detach the payload"
        )
    return token


def sign(payload: bytes, source: Source, *, headers: Mapping[str, Any] | None = None, timeout: float | None = None) -> str:
    """A compact JWS (RFC 7515 7.1) over the bytes of ``payload``.

    headers: members to add, such as typ or cty; alg and kid come from the key. timeout: seconds in total.
    Raises ProviderError (503) if the provider does not sign, ConfigurationError if the call is wrong.
    """
    return compact(run(source, prepare_encoded(payload, headers), timeout))


async def asign(payload: bytes, source: Source, *, headers: Mapping[str, Any] | None = None, timeout: float | None = None) -> str:
    """As ``sign``."""
    return compact(await arun(source, prepare_encoded(payload, headers), timeout))


def sign_detached(
    payload: bytes, source: Source, *, headers: Mapping[str, Any] | None = None, timeout: float | None = None
) -> str:
    """A compact JWS without its payload, which travels otherwise (RFC 7515 appendix F): ``header..signature``."""
    return _detached(run(source, prepare_encoded(payload, headers), timeout))


async def asign_detached(
    payload: bytes, source: Source, *, headers: Mapping[str, Any] | None = None, timeout: float | None = None
) -> str:
    """As ``sign_detached``."""
    return _detached(await arun(source, prepare_encoded(payload, headers), timeout))


def sign_unencoded(
    payload: bytes, source: Source, *, headers: Mapping[str, Any] | None = None, timeout: float | None = None
) -> str:
    """As ``sign_detached``, over the payload as it is, without base64url: ``b64`` is false (RFC 7797). For large or foreign payloads."""
    return _detached(run(source, _prepare_unencoded(_octets(payload), headers), timeout))


async def asign_unencoded(
    payload: bytes, source: Source, *, headers: Mapping[str, Any] | None = None, timeout: float | None = None
) -> str:
    """As ``sign_unencoded``."""
    return _detached(await arun(source, _prepare_unencoded(_octets(payload), headers), timeout))


def _detached(signed: Signed) -> str:
    signing_input, signature = signed
    return f"{_header_of(signing_input)}..{b64url_encode(signature)}"


def _header_of(signing_input: bytes) -> str:
    return signing_input.partition(b".")[0].decode("ascii")


def sign_json(
    payload: bytes,
    source: Source,
    *,
    headers: Mapping[str, Any] | None = None,
    unprotected: Mapping[str, Any] | None = None,
    detached: bool = False,
    timeout: float | None = None,
) -> dict[str, Any]:
    """A flattened JSON JWS (RFC 7515 7.2.2), as a dict for json.dumps.

    unprotected: members that the signature does not cover. detached: leave the payload out.
    """
    _check_unprotected(headers, unprotected)
    signed = run(source, prepare_encoded(payload, headers), timeout)
    return {**_payload_member(payload, detached), **_signature_member(signed, unprotected)}


async def asign_json(
    payload: bytes,
    source: Source,
    *,
    headers: Mapping[str, Any] | None = None,
    unprotected: Mapping[str, Any] | None = None,
    detached: bool = False,
    timeout: float | None = None,
) -> dict[str, Any]:
    """As ``sign_json``."""
    _check_unprotected(headers, unprotected)
    signed = await arun(source, prepare_encoded(payload, headers), timeout)
    return {**_payload_member(payload, detached), **_signature_member(signed, unprotected)}


def sign_unencoded_json(
    payload: str, source: Source, *, headers: Mapping[str, Any] | None = None, timeout: float | None = None
) -> dict[str, Any]:
    """A flattened JSON JWS over the text itself, in UTF-8, readable in the document: ``b64`` is false (RFC 7797)."""
    return _readable(payload, run(source, _prepare_unencoded(_text(payload), headers), timeout))


async def asign_unencoded_json(
    payload: str, source: Source, *, headers: Mapping[str, Any] | None = None, timeout: float | None = None
) -> dict[str, Any]:
    """As ``sign_unencoded_json``."""
    return _readable(payload, await arun(source, _prepare_unencoded(_text(payload), headers), timeout))


def _text(payload: object) -> bytes:
    if not isinstance(payload, str):
        raise ConfigurationError(f"the payload of a readable JWS is text, not {type(payload).__name__}")
    try:
        return payload.encode()
    except UnicodeEncodeError:
        pass  # raised below, where no context holds the payload
    raise ConfigurationError("the payload holds a lone surrogate, which has no UTF-8")


def _readable(payload: str, signed: Signed) -> dict[str, Any]:
    return {"payload": payload, **_signature_member(signed)}


def sign_general(
    payload: bytes,
    sources: Iterable[Source],
    *,
    headers: Mapping[str, Any] | None = None,
    detached: bool = False,
    timeout: float | None = None,
) -> dict[str, Any]:
    """A general JSON JWS (RFC 7515 7.2.1): one signature per source, at most 4."""
    prepare, listed, left = prepare_encoded(payload, headers), _sources(sources), _countdown(timeout)
    signatures = [_signature_member(run(source, prepare, left())) for source in listed]
    return {**_payload_member(payload, detached), "signatures": signatures}


async def asign_general(
    payload: bytes,
    sources: Iterable[Source],
    *,
    headers: Mapping[str, Any] | None = None,
    detached: bool = False,
    timeout: float | None = None,
) -> dict[str, Any]:
    """As ``sign_general``, one after the other."""
    prepare, listed, left = prepare_encoded(payload, headers), _sources(sources), _countdown(timeout)
    signatures = [_signature_member(await arun(source, prepare, left())) for source in listed]
    return {**_payload_member(payload, detached), "signatures": signatures}


def _sources(sources: Iterable[Source]) -> list[Source]:
    listed = list(sources)
    if not 1 <= len(listed) <= MAX_SIGNATURES:
        raise ConfigurationError(f"a general JWS has 1 to {MAX_SIGNATURES} signatures, not {len(listed)}")
    return listed


def _payload_member(payload: bytes, detached: bool) -> dict[str, str]:
    return {} if detached else {"payload": _capped(b64url_encode(_octets(payload)))}


def _signature_member(signed: Signed, unprotected: Mapping[str, Any] | None = None) -> dict[str, Any]:
    signing_input, signature = signed
    header = {"header": dict(unprotected)} if unprotected else {}
    return {"protected": _header_of(signing_input), **header, "signature": b64url_encode(signature)}


def _check_unprotected(headers: Mapping[str, Any] | None, unprotected: Mapping[str, Any] | None) -> None:
    if unprotected and (twice := sorted(set(headers or {}) & set(check_headers(unprotected)))):
        raise ConfigurationError(f"{', '.join(twice)}: a header member is protected or unprotected, not both")


def _countdown(timeout: float | None) -> Callable[[], float | None]:
    """One timeout for several signatures (RULES 17)."""
    if not isinstance(timeout, (int, float)):
        return lambda: timeout  # None, or what the first signature refuses
    until = time.monotonic() + timeout
    return lambda: max(until - time.monotonic(), 0.001)
