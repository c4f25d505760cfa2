"""JSON Web Tokens (RFC 7519, 8725) with PyJWT's names: its claim semantics, and exceptions that are its own classes too.

    token = jwt.encode({"sub": "42", "aud": "api"}, issuer, expires_in=300)
    claims = jwt.decode(token, issuer.keys(), audience="api")

A JWT here is one compact, signed token: no JSON serialization, no detached or unencoded payload, no token inside a token.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from ._jose.claims import Moment, Seconds, check_claims, check_policy, parse_claims, prepare_claims
from ._jose.compact import aopen_compact, check_expected, names, open_compact
from ._jose.header import Header
from ._jose.sign import Source, arun, compact, prepare_encoded, run
from ._jose.token_errors import (
    DecodeError,
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAlgorithmError,
    InvalidAudienceError,
    InvalidIssuedAtError,
    InvalidIssuerError,
    InvalidJTIError,
    InvalidLifetimeError,
    InvalidSignatureError,
    InvalidSubjectError,
    InvalidTokenError,
    InvalidTypeError,
    MissingRequiredClaimError,
    UnknownKey,
)
from .errors import ConfigurationError

__all__ = [
    "DecodeError",
    "ExpiredSignatureError",
    "ImmatureSignatureError",
    "InvalidAlgorithmError",
    "InvalidAudienceError",
    "InvalidIssuedAtError",
    "InvalidIssuerError",
    "InvalidJTIError",
    "InvalidLifetimeError",
    "InvalidSignatureError",
    "InvalidSubjectError",
    "InvalidTokenError",
    "InvalidTypeError",
    "MissingRequiredClaimError",
    "UnknownKey",
    "adecode",
    "aencode",
    "decode",
    "encode",
]


def encode(
    claims: Mapping[str, Any],
    source: Source,
    *,
    expires_in: Seconds | None = None,
    headers: Mapping[str, Any] | None = None,
    typ: str | None = "JWT",
    now: Moment | None = None,
    timeout: float | None = None,
) -> str:
    """A signed JWT.

    source: a Signer, an Issuer, a SigningKey, or a Key of a shared secret. claims: exp, nbf and iat may be datetimes (without a time zone: UTC).
    expires_in: seconds or a timedelta; sets exp, and iat unless it is given. Without it neither is added, as in PyJWT.
    headers: members to add; alg, kid, crit and b64 come from the key. typ: "at+jwt" for access tokens (RFC 9068), None for none.
    now: for tests, seconds since the epoch or a datetime. timeout: seconds in total.

    Raises ProviderError (503) if the provider does not sign, ConfigurationError if the call is wrong.
    """
    prepare = prepare_encoded(prepare_claims(claims, expires_in, now), headers, _one_typ(headers, typ))
    return compact(run(source, prepare, timeout))


async def aencode(
    claims: Mapping[str, Any],
    source: Source,
    *,
    expires_in: Seconds | None = None,
    headers: Mapping[str, Any] | None = None,
    typ: str | None = "JWT",
    now: Moment | None = None,
    timeout: float | None = None,
) -> str:
    """As ``encode``."""
    prepare = prepare_encoded(prepare_claims(claims, expires_in, now), headers, _one_typ(headers, typ))
    return compact(await arun(source, prepare, timeout))


def _one_typ(headers: Mapping[str, Any] | None, typ: str | None) -> str | None:
    if headers and "typ" in headers and typ not in ("JWT", headers["typ"]):
        raise ConfigurationError("typ is given twice, in headers= and as typ=")
    return typ


def decode(
    token: str | bytes,
    keys: object,
    algorithms: Collection[str] | None = None,
    *,
    audience: str | Collection[str] | None = None,
    issuer: str | Collection[str] | None = None,
    subject: str | None = None,
    typ: str | Collection[str] | None = None,
    leeway: Seconds = 0,
    max_lifetime: Seconds | None = None,
    max_age: Seconds | None = None,
    options: Mapping[str, Any] | None = None,
    now: Moment | None = None,
    lenient_padding: bool = False,
    any_audience: bool = False,
) -> dict[str, Any]:
    """The claims of a JWT whose signature is good and whose claims are as expected.

    keys: a Key, a KeySet, a SigningKey or a RemoteKeySet: they say which algorithms are accepted, and ``algorithms`` narrows that.
    audience, issuer: one text, or several of which one has to match. A token with an aud is refused if no audience is expected.
    typ: the header's type has to be this (or one of these); by default it is JWT or missing (RULES 26).
    leeway: seconds or timedelta, for exp, nbf, iat and max_age. max_lifetime: the most that exp may lie after iat. max_age: the most that
    iat may lie in the past. options: {"require": [...]}. now: for tests, seconds since the epoch or a datetime.

    Two options accept more, at a risk. lenient_padding: ``=`` behind segments, as AWS load balancers write; one token then has several
    spellings, so never look tokens up by their text. any_audience: aud is not compared; a token that was made for another
    service is accepted here, unless the caller compares aud itself.

    Raises InvalidToken (401; each class is also PyJWT's of that name); ConfigurationError where the call itself is wrong.
    """
    required = _required(options) if options else ()
    found, payload = open_compact(token, keys, lenient_padding)
    if algorithms is not None or typ is not None or not found.header.plain_jwt:
        _check_header(found.header, algorithms, typ)
    claims = parse_claims(payload)
    if required or max_lifetime is not None or max_age is not None:
        check_policy(claims, required, leeway, now, max_lifetime, max_age)
    check_claims(claims, audience, issuer, subject, leeway, now, any_audience)
    return claims


async def adecode(
    token: str | bytes,
    keys: object,
    algorithms: Collection[str] | None = None,
    *,
    audience: str | Collection[str] | None = None,
    issuer: str | Collection[str] | None = None,
    subject: str | None = None,
    typ: str | Collection[str] | None = None,
    leeway: Seconds = 0,
    max_lifetime: Seconds | None = None,
    max_age: Seconds | None = None,
    options: Mapping[str, Any] | None = None,
    now: Moment | None = None,
    lenient_padding: bool = False,
    any_audience: bool = False,
) -> dict[str, Any]:
    """As ``decode``; awaits a RemoteKeySet that has to look an unknown key up."""
    required = _required(options) if options else ()
    found, payload = await aopen_compact(token, keys, lenient_padding)
    if algorithms is not None or typ is not None or not found.header.plain_jwt:
        _check_header(found.header, algorithms, typ)
    claims = parse_claims(payload)
    if required or max_lifetime is not None or max_age is not None:
        check_policy(claims, required, leeway, now, max_lifetime, max_age)
    check_claims(claims, audience, issuer, subject, leeway, now, any_audience)
    return claims


def _check_header(header: Header, algorithms: Collection[str] | None, typ: str | Collection[str] | None) -> None:
    if header.b64 is not None:
        raise DecodeError("a JWT has no b64 in its header (RFC 7797 7)")
    if header.cty is not None and header.cty.endswith("jwt"):
        raise DecodeError(
            "a token inside a token (cty JWT)", next_step="jws.verify gives the inner one, to be verified by itself"
        )
    if typ is None and header.typ not in (None, "jwt"):
        raise InvalidTypeError(
            "the token is of a type (typ) that was not expected", next_step="name the type that you accept: typ='at+jwt'"
        )
    check_expected(header, algorithms, typ)


_PYJWT_CHECKS: Final = frozenset(f"verify_{name}" for name in ("signature", "exp", "nbf", "iat", "iss", "aud", "sub", "jti"))
_INSTEAD: Final = {
    "verify_signature": "jws.unverified_header(token) shows what a token says of itself; claims are not read before the signature",
    "verify_aud": "any_audience=True, if another layer compares aud",
    "verify_exp": "leeway= or now= accept an older token, knowingly",
}


def _required(options: Mapping[str, Any]) -> Collection[str]:
    """RULES 29: options narrow. PyJWT's that would switch a check off get an error that names what there is instead."""
    if not isinstance(options, Mapping):
        raise ConfigurationError(f"options is a mapping, not {type(options).__name__}")
    for name, value in options.items():
        if name not in _PYJWT_CHECKS and name != "require":
            raise ConfigurationError("an unknown option", next_step="there is one: options={'require': ['exp', 'sub']}")
        if name != "require" and value is not True:
            raise ConfigurationError(
                f"no check can be switched off ({name})", next_step=_INSTEAD.get(name, "leave the option out")
            )
    return names(options.get("require", ()), "options['require']")
