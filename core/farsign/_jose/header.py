"""The JOSE header (RFC 7515 4): what is refused before any key is looked up, and what callers may put in when signing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from farsign._base import strict_json
from farsign._base.encodings import b64url_decode_bytes, b64url_encode
from farsign._base.jwk_parse import MAX_KID
from farsign.errors import ConfigurationError

from .token_errors import DecodeError, InvalidAlgorithmError

MAX_HEADER: Final = 8_192  # bytes of JSON
_MAX_SEGMENT: Final = (MAX_HEADER * 4 + 2) // 3
MAX_MEMBERS: Final = 64
_BEARER: Final = b"bearer "  # RFC 6750 2.1; case-insensitive by RFC 9110 11.1

# RFC 7515 4.1.11: crit may not list names that the base specifications define (RFC 7515, 7516, 7518).
_REGISTERED: Final = frozenset(
    "alg jku jwk kid x5u x5c x5t x5t#S256 typ cty crit enc zip epk apu apv iv tag p2s p2c".split()  # noqa: SIM905 - reads better so
)
# RULES 26: these say who signed, or change what is signed. The signer decides them.
_RESERVED: Final = frozenset("alg kid jwk jku x5u x5c x5t x5t#S256 crit b64".split())  # noqa: SIM905 - reads better so


class Header:
    """A header that has been checked. members: all of them; protected: those that the signature covers. typ, cty: as media types in lower case, without "application/".

    b64: False if the payload is signed as it is (RFC 7797), True if the header says so needlessly, else None.
    flat: no member is a list or an object, so that a shallow copy is a copy.
    """

    __slots__ = ("alg", "b64", "cty", "flat", "kid", "members", "plain_jwt", "protected", "typ", "unprotected")

    def __init__(self, protected: dict[str, Any], unprotected: Mapping[str, Any] | None = None) -> None:
        self.protected, self.unprotected = protected, unprotected
        self.members = members = {**protected, **unprotected} if unprotected else protected
        if len(members) > MAX_MEMBERS:
            raise DecodeError(f"a header of more than {MAX_MEMBERS} members")
        self.alg = _alg(members)
        self.kid = _kid(members)
        self.typ, self.cty = _media_type(protected, "typ"), _media_type(protected, "cty")
        self.b64 = _b64(protected)
        _check_crit(protected, unprotected or {})
        if "enc" in members:
            raise DecodeError("an encrypted token (JWE), not a signed one")
        self.flat = not any(isinstance(value, (dict, list)) for value in members.values())
        self.plain_jwt = self.typ in (None, "jwt") and "cty" not in members and "b64" not in members


def parse_header(segment: bytes) -> Header:
    """Of a base64url segment. Raises DecodeError, InvalidAlgorithmError."""
    return Header(parse_protected(segment))


def parse_protected(segment: bytes) -> dict[str, Any]:
    if len(segment) > _MAX_SEGMENT:
        raise DecodeError(f"a header of more than {MAX_HEADER} bytes")
    try:
        return strict_json.loads_object(b64url_decode_bytes(segment))
    except ValueError as error:
        reason = str(error)  # our own text
    if segment[: len(_BEARER)].lower() == _BEARER:
        raise DecodeError(
            'the word "Bearer" is still before the token', next_step="pass on what follows it in the Authorization header"
        )
    raise DecodeError(f"the header cannot be read: {reason}")


def _alg(members: Mapping[str, Any]) -> str:
    alg = members.get("alg")
    if not isinstance(alg, str):
        raise InvalidAlgorithmError("the header's alg is missing or no text")
    if alg.lower() == "none":
        raise InvalidAlgorithmError("an unsigned token (alg none)")
    return alg


def _kid(members: Mapping[str, Any]) -> str | None:
    if "kid" not in members:
        return None
    kid = members["kid"]
    if not isinstance(kid, str) or not 1 <= len(kid) <= MAX_KID:
        raise DecodeError(f"the header's kid is text of 1 to {MAX_KID} characters")
    return kid


def _media_type(protected: Mapping[str, Any], name: str) -> str | None:
    if name not in protected:
        return None
    value = protected[name]
    if not isinstance(value, str):
        raise DecodeError(f"the header's {name} is text")
    return media_type(value)


def media_type(text: str) -> str:
    """For comparison: RFC 7515 4.1.9 lets writers leave "application/" out, RFC 2045 5.1 ignores case."""
    lower = text.lower()
    return lower.removeprefix("application/") if lower.count("/") == 1 else lower


def _b64(protected: Mapping[str, Any]) -> bool | None:
    if "b64" not in protected:
        return None
    b64 = protected["b64"]
    if not isinstance(b64, bool):
        raise DecodeError("the header's b64 is true or false")
    if not b64 and "crit" not in protected:
        raise DecodeError("b64 is false, but not critical (RFC 7797 6)")
    return b64


def _check_crit(protected: Mapping[str, Any], unprotected: Mapping[str, Any]) -> None:
    """RFC 7515 4.1.11: a non-empty list of different names, in the protected header, of extensions that are there and understood."""
    if "crit" in unprotected or "b64" in unprotected:
        raise DecodeError("crit and b64 have to be protected")
    if "crit" not in protected:
        return
    crit = protected["crit"]
    if not isinstance(crit, list) or not crit or not all(isinstance(name, str) for name in crit):
        raise DecodeError("crit is a list of names, with at least one")
    if len(set(crit)) != len(crit) or not _REGISTERED.isdisjoint(crit) or not protected.keys() >= set(crit):
        raise DecodeError("crit names extensions that the header has, each once")
    if crit != ["b64"]:
        raise DecodeError("the header has a critical extension that is not known here")


def build_header(
    alg: str, kid: str | None, headers: Mapping[str, Any] | None, typ: str | None = None, *, b64: bool = True
) -> dict[str, Any]:
    """alg, typ, kid, then the caller's members. Raises ConfigurationError for those that are not the caller's (RULES 26)."""
    header: dict[str, Any] = {"alg": alg, "typ": typ, "kid": kid} if typ is not None else {"alg": alg, "kid": kid}
    if kid is None:
        del header["kid"]
    if headers:
        header.update(check_headers(headers))
    if not b64:
        header.update(b64=False, crit=["b64"])
    return header


def check_headers(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(headers, Mapping):
        raise ConfigurationError(f"headers is a mapping, not {type(headers).__name__}")
    if refused := sorted(_RESERVED & set(headers)):
        raise ConfigurationError(
            f"the header members {', '.join(refused)} are decided by the key", next_step="leave them out of headers="
        )
    return headers


def encode_header(header: dict[str, Any]) -> bytes:
    """The segment. Raises ConfigurationError for a header that no strict verifier would take."""
    try:
        raw = strict_json.dumps(header)
        Header(header)
    except (ValueError, DecodeError) as error:
        raise ConfigurationError(f"these headers= make no valid header: {error}") from None
    if len(raw) > MAX_HEADER:
        raise ConfigurationError(f"a header of more than {MAX_HEADER} bytes")
    return b64url_encode(raw).encode()


@lru_cache(maxsize=256)
def common_header(alg: str, kid: str | None, typ: str | None) -> bytes:
    """The segment when the caller adds nothing."""
    return encode_header(build_header(alg, kid, None, typ))
