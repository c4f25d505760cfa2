"""The claims of a JWT (RFC 7519 4): what they have to be, and what the caller expects of them. PyJWT's semantics, with types checked.

Dates are seconds since the epoch, int or float (RFC 7519 2, NumericDate); nothing is rounded, and text, booleans and NaN are no dates.
"""

from __future__ import annotations

import math
import time
from calendar import timegm
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from farsign._base import strict_json
from farsign.errors import ConfigurationError

from .compact import names
from .token_errors import (
    DecodeError,
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuedAtError,
    InvalidIssuerError,
    InvalidJTIError,
    InvalidLifetimeError,
    InvalidSubjectError,
    InvalidTokenError,
    MissingRequiredClaimError,
)

Seconds = int | float | timedelta
Moment = int | float | datetime
_LATEST: Final = 2**53  # what a double counts exactly; dates beyond it are mistakes
_EARLIEST: Final = -_LATEST


def parse_claims(payload: bytes) -> dict[str, Any]:
    try:
        return strict_json.loads_object(payload)
    except ValueError as error:
        reason = str(error)  # our own text
    raise DecodeError(f"the claims cannot be read: {reason}")


def check_claims(
    claims: dict[str, Any],
    audience: str | Collection[str] | None,
    issuer: str | Collection[str] | None,
    subject: str | None,
    leeway: Seconds,
    now: Moment | None,
    any_audience: bool,
) -> None:
    """What is checked of every token, in PyJWT's order."""
    moment, margin = time.time() if now is None else seconds_of(now), span(leeway, "leeway") if leeway else 0
    if "iat" in claims and _date(claims, "iat") > moment + margin:
        raise ImmatureSignatureError("The token is not yet valid (iat)")
    if "nbf" in claims and _date(claims, "nbf") > moment + margin:
        raise ImmatureSignatureError("The token is not yet valid (nbf)")
    if "exp" in claims and _date(claims, "exp") <= moment - margin:
        raise ExpiredSignatureError("Signature has expired")
    if issuer is not None:
        _check_issuer(claims, issuer)
    if any_audience:
        _refuse_audience(audience)
    elif not audience or type(audience) is not str or claims.get("aud") != audience:
        _check_audience(claims, audience)
    if subject is not None:
        _check_subject(claims, subject)
    if not (type(claims.get("iss", "")) is type(claims.get("sub", "")) is type(claims.get("jti", "")) is str):
        _check_texts(claims)


def check_policy(
    claims: dict[str, Any],
    required: Collection[str],
    leeway: Seconds,
    now: Moment | None,
    max_lifetime: Seconds | None,
    max_age: Seconds | None,
) -> None:
    """What a caller may ask on top. max_lifetime bounds exp - iat, max_age bounds now - iat; both need the claims that they compare."""
    _check_required(claims, required)
    if max_lifetime is not None:
        _check_required(claims, ("iat", "exp"))
        if _date(claims, "exp") - _date(claims, "iat") > span(max_lifetime, "max_lifetime"):
            raise InvalidLifetimeError("the token was issued for longer than is accepted (exp, iat)")
    if max_age is not None:
        _check_required(claims, ("iat",))
        if seconds_of(now) - _date(claims, "iat") > span(max_age, "max_age") + span(leeway, "leeway"):
            raise ExpiredSignatureError("the token was issued too long ago (iat)")


def _check_required(claims: dict[str, Any], required: Collection[str]) -> None:
    for name in required:
        if claims.get(name) is None:
            raise MissingRequiredClaimError(name)


def _check_issuer(claims: dict[str, Any], issuer: str | Collection[str]) -> None:
    if "iss" not in claims:
        raise MissingRequiredClaimError("iss")
    iss = _text(claims, "iss")
    if iss != issuer and (isinstance(issuer, str) or iss not in names(issuer, "issuer")):
        raise InvalidIssuerError("Invalid issuer")


def _refuse_audience(audience: object) -> None:
    if audience is not None:
        raise ConfigurationError("audience= and any_audience=True contradict each other")


def _check_audience(claims: dict[str, Any], audience: str | Collection[str] | None) -> None:
    """An expected audience has to be there; one that is there has to be expected."""
    listed = _audiences(claims)
    if audience is None:
        if listed:
            raise InvalidAudienceError("Invalid audience", next_step="say who you are: audience=...")
    elif not listed:
        raise MissingRequiredClaimError("aud")
    elif audience not in listed and (
        isinstance(audience, str) or not any(name in listed for name in names(audience, "audience"))
    ):
        raise InvalidAudienceError("Audience doesn't match")


def _check_subject(claims: dict[str, Any], subject: str) -> None:
    if "sub" not in claims:
        raise MissingRequiredClaimError("sub")
    if _text(claims, "sub") != subject:
        raise InvalidSubjectError("Invalid subject")


def _check_texts(claims: dict[str, Any]) -> None:
    for name in _TEXTS:
        if name in claims:
            _text(claims, name)


_DATES: Final[dict[str, type[InvalidTokenError]]] = {"iat": InvalidIssuedAtError, "nbf": DecodeError, "exp": DecodeError}
_TEXTS: Final[dict[str, type[InvalidTokenError]]] = {
    "iss": InvalidIssuerError,
    "sub": InvalidSubjectError,
    "jti": InvalidJTIError,
}


def _date(claims: dict[str, Any], name: str) -> int | float:
    value = claims[name]
    if (type(value) is int or type(value) is float) and _EARLIEST <= value <= _LATEST:  # NaN is in no range
        return value
    raise _DATES[name](f"{name} has to be a number of seconds since the epoch")


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims[name]
    if isinstance(value, str):
        return value
    raise _TEXTS[name](f"{name} has to be text")


def _audiences(claims: dict[str, Any]) -> list[str]:
    """aud as a list; empty if there is none."""
    if "aud" not in claims:
        return []
    aud = claims["aud"]
    if isinstance(aud, str):
        return [aud] if aud else []
    if isinstance(aud, list) and all(isinstance(name, str) for name in aud):
        return aud
    raise InvalidAudienceError("Invalid claim format in token")


def span(value: object, what: str) -> float:
    """A span of time that a caller gave, in seconds."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, (int, float)) and not isinstance(number, bool) and 0 <= number <= _LATEST:
        return number
    raise ConfigurationError(f"{what}= is seconds or a timedelta, 0 or more")


def seconds_of(value: object) -> float:
    """``now``: seconds since the epoch."""
    if value is None:
        return time.time()
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ConfigurationError("now= is a datetime without a time zone", next_step="give datetime.now(timezone.utc)")
        return value.timestamp()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and _EARLIEST <= value <= _LATEST:
        return value
    raise ConfigurationError("now= is seconds since the epoch, or a datetime")


def prepare_claims(claims: Mapping[str, Any], expires_in: Seconds | None, now: Moment | None) -> bytes:
    """The payload to sign. Raises ConfigurationError for claims that no verifier should accept."""
    if not isinstance(claims, Mapping):
        raise ConfigurationError(f"claims is a mapping, not {type(claims).__name__}", next_step="jws.sign signs other payloads")
    prepared = {name: _timestamp(value) if name in _DATES else value for name, value in claims.items()}
    if expires_in is not None:
        if "exp" in prepared:
            raise ConfigurationError("exp is given twice, as a claim and as expires_in=")
        issued = int(seconds_of(now))
        prepared.setdefault("iat", issued)
        prepared["exp"] = issued + math.ceil(span(expires_in, "expires_in"))
    try:
        for check in _SHAPES:
            check(prepared)
        return strict_json.dumps(prepared)
    except (InvalidTokenError, ValueError) as error:
        reason = str(error)  # our own text
    raise ConfigurationError(
        f"these claims make no valid token: {reason}",
        next_step="correct that claim (RFC 7519 section 4.1): verifiers would refuse the token",
    )


def _timestamp(value: object) -> object:
    """A datetime as seconds, cut to whole ones; without a time zone it is UTC. As PyJWT does."""
    return timegm(value.utctimetuple()) if isinstance(value, datetime) else value


def _shape(read: Callable[[dict[str, Any], str], object], name: str) -> Callable[[dict[str, Any]], object]:
    return lambda claims: read(claims, name) if name in claims else None


_SHAPES: Final = (_audiences, *(_shape(_date, name) for name in _DATES), *(_shape(_text, name) for name in _TEXTS))
