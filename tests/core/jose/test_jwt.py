"""jwt.encode and jwt.decode: PyJWT's semantics for what is well formed, strictness for what is not (RULES 25-29, 34)."""

from __future__ import annotations

import asyncio
import base64
import hmac
import inspect
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt as pyjwt
import pytest
from fakekms import FakeDriver, FakeKMS
from parsers import PARSERS, use

from farsign import errors, jwk, jws, jwt
from farsign._base.encodings import b64url_decode, b64url_encode
from farsign._signer.signer import Signer

NOW = 1_800_000_000
SECRET = jwk.Key.from_secret(b"k" * 32, alg="HS256")
FAKE = FakeKMS()
SIGNER = Signer(lambda: FakeDriver(FAKE))


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(b64url_decode(token.split(".")[1]))
    return claims


def made(claims: dict[str, Any], **options: Any) -> str:
    """A token as another issuer could make it: PyJWT does not check what it encodes as strictly."""
    return pyjwt.encode(claims, b"k" * 32, algorithm="HS256", **options)


def test_expires_in_sets_exp_and_iat_and_nothing_else_does() -> None:
    for given in (300, timedelta(minutes=5), 299.5):
        claims = claims_of(jwt.encode({"sub": "42"}, SECRET, expires_in=given, now=NOW))
        assert claims == {"sub": "42", "iat": NOW, "exp": NOW + 300}
    assert claims_of(jwt.encode({"sub": "42"}, SECRET)) == {"sub": "42"}
    assert claims_of(jwt.encode({"iat": 5}, SECRET, expires_in=1, now=NOW)) == {"iat": 5, "exp": NOW + 1}


def test_datetimes_become_seconds_as_in_pyjwt() -> None:
    for moment in (datetime(2027, 1, 15, 8, tzinfo=UTC), datetime(2027, 1, 15, 8), datetime(2027, 1, 15, 8, 0, 0, 900_000, UTC)):
        assert claims_of(jwt.encode({"exp": moment}, SECRET)) == claims_of(made({"exp": moment}))


def test_header_typ_and_headers() -> None:
    assert jws.unverified_header(jwt.encode({}, SIGNER)) == {"alg": "ES256", "typ": "JWT", "kid": SIGNER.key().kid}
    assert jws.unverified_header(jwt.encode({}, SIGNER, typ="at+jwt"))["typ"] == "at+jwt"
    assert "typ" not in jws.unverified_header(jwt.encode({}, SIGNER, typ=None))
    assert jws.unverified_header(jwt.encode({}, SIGNER, headers={"x": 1}))["x"] == 1


@pytest.mark.parametrize("name", ["alg", "kid", "jwk", "jku", "x5u", "x5c", "crit", "b64"])
def test_rules_26_callers_may_not_add_what_the_key_decides(name: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=name):
        jwt.encode({}, SIGNER, headers={name: "x"})


@pytest.mark.parametrize(
    "claims",
    [{"exp": "1700"}, {"exp": True}, {"exp": float("nan")}, {"iat": None}, {"sub": 42}, {"iss": ["a"]}, {"aud": 7}, {"jti": 1}, {"x": {1, 2}}, {"x": "\ud800"}],
)  # fmt: skip
def test_claims_that_no_verifier_should_accept_are_not_signed(claims: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigurationError):
        jwt.encode(claims, SECRET)


def test_the_claim_to_correct_is_named() -> None:
    with pytest.raises(errors.ConfigurationError, match="sub has to be text") as caught:
        jwt.encode({"sub": 42}, SECRET)
    assert "correct that claim" in str(caught.value.next_step)


@pytest.mark.parametrize("word", ["Bearer ", "bearer "])
def test_the_word_bearer_before_a_token_is_named(word: str) -> None:
    """And nothing of the token is (RULES 16)."""
    token = jwt.encode({}, SECRET)
    with pytest.raises(errors.InvalidToken, match='the word "Bearer"') as caught:
        jwt.decode(word + token, SECRET)
    assert "Authorization" in str(caught.value.next_step)
    assert token[:8] not in caught.value.diagnostics()


@pytest.mark.parametrize("wrong", [-1, True, "5m", float("inf")])
def test_wrong_spans_are_refused(wrong: Any) -> None:
    with pytest.raises(errors.ConfigurationError):
        jwt.encode({}, SECRET, expires_in=wrong)


GOOD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({"sub": "42"}, {}),
    "audience": ({"aud": "api"}, {"audience": "api"}),
    "one of several audiences": ({"aud": ["a", "api"]}, {"audience": "api"}),
    "audience among those accepted": ({"aud": "b"}, {"audience": ["a", "b"]}),
    "issuer": ({"iss": "me"}, {"issuer": "me"}),
    "issuer among those accepted": ({"iss": "me"}, {"issuer": ["you", "me"]}),
    "not yet expired": ({"exp": NOW + 1}, {}),
    "expired within leeway": ({"exp": NOW - 5}, {"leeway": 10}),
    "leeway as timedelta": ({"exp": NOW - 5}, {"leeway": timedelta(seconds=10)}),
    "valid since now": ({"nbf": NOW, "iat": NOW}, {}),
    "float dates": ({"exp": NOW + 0.5, "iat": NOW - 0.5}, {}),
    "subject": ({"sub": "42"}, {"subject": "42"}),
    "required and there": ({"exp": NOW + 9, "sub": "x"}, {"options": {"require": ["exp", "sub"]}}),
    "short enough": ({"iat": NOW, "exp": NOW + 60}, {"max_lifetime": 60}),
    "young enough": ({"iat": NOW - 60}, {"max_age": 60}),
    "any audience, knowingly": ({"aud": "other"}, {"any_audience": True}),
}
BAD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "expired": ({"exp": NOW}, {}, "ExpiredSignatureError"),
    "not before": ({"nbf": NOW + 1}, {}, "ImmatureSignatureError"),
    "issued in the future": ({"iat": NOW + 1}, {}, "ImmatureSignatureError"),
    "audience missing": ({}, {"audience": "api"}, "MissingRequiredClaimError"),
    "audience of another": ({"aud": "stranger"}, {"audience": "api"}, "InvalidAudienceError"),
    "audience not expected": ({"aud": "api"}, {}, "InvalidAudienceError"),
    "audience is a substring": ({"aud": "api"}, {"audience": "ap"}, "InvalidAudienceError"),
    "audience holds a number": ({"aud": ["api", 1]}, {"audience": "api"}, "InvalidAudienceError"),
    "issuer missing": ({}, {"issuer": "me"}, "MissingRequiredClaimError"),
    "issuer of another": ({"iss": "you"}, {"issuer": "me"}, "InvalidIssuerError"),
    "issuer prefix (CVE-2024-53861)": ({"iss": "me"}, {"issuer": "me-too"}, "InvalidIssuerError"),
    "subject of another": ({"sub": "1"}, {"subject": "2"}, "InvalidSubjectError"),
    "required and missing": ({}, {"options": {"require": ["exp"]}}, "MissingRequiredClaimError"),
    "required and null": ({"exp": None}, {"options": {"require": ["exp"]}}, "MissingRequiredClaimError"),
    "lives too long": ({"iat": NOW, "exp": NOW + 61}, {"max_lifetime": 60}, "InvalidLifetimeError"),
    "lifetime without iat": ({"exp": NOW + 61}, {"max_lifetime": 60}, "MissingRequiredClaimError"),
    "age without iat": ({}, {"max_age": 60}, "MissingRequiredClaimError"),
    "leeway exceeded": ({"exp": NOW - 10}, {"leeway": 10}, "ExpiredSignatureError"),
    "issuer not among those accepted": ({"iss": "me"}, {"issuer": ["you", "them"]}, "InvalidIssuerError"),
    "issuer in other case": ({"iss": "ME"}, {"issuer": "me"}, "InvalidIssuerError"),
    "audiences without ours": ({"aud": ["a", "b"]}, {"audience": ["c", "d"]}, "InvalidAudienceError"),
    "audience empty": ({"aud": []}, {"audience": "api"}, "MissingRequiredClaimError"),
    "subject missing": ({}, {"subject": "42"}, "MissingRequiredClaimError"),
    "too old": ({"iat": NOW - 61}, {"max_age": 60}, "ExpiredSignatureError"),
}


@pytest.mark.parametrize("case", GOOD)
def test_accepted(case: str) -> None:
    claims, options = GOOD[case]
    assert jwt.decode(made(claims), SECRET, now=NOW, **options) == claims


@pytest.mark.parametrize("case", BAD)
def test_refused_by_pyjwts_class_without_the_value(case: str) -> None:
    claims, options, name = BAD[case]
    with pytest.raises(errors.InvalidToken) as caught:
        jwt.decode(made(claims), SECRET, now=NOW, **options)
    assert isinstance(caught.value, getattr(pyjwt.exceptions, name, pyjwt.InvalidTokenError))
    assert isinstance(caught.value, getattr(jwt, name))
    assert caught.value.code


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value", ['"1700"', "true", "NaN", "1e400", "[]", "null", '{"a":1}', "1" * 400, "-1e300", "9007199254740994"]
)
def test_dates_are_numbers(name: str, value: str) -> None:
    """CVE class of joserfc 1.8.0 and PyJWT 2.15: text, booleans, NaN and infinity are no dates."""
    payload = f'{{"{name}":{value}}}'
    with pytest.raises(errors.InvalidToken):
        jwt.decode(jws.sign(payload.encode(), SECRET), SECRET, now=1)


def test_typ_is_jwt_or_missing_unless_asked() -> None:
    for typ in ("JWT", "jwt", "application/jwt"):
        jwt.decode(made({}, headers={"typ": typ}), SECRET)
    access = made({}, headers={"typ": "at+jwt"})
    with pytest.raises(jwt.InvalidTypeError):
        jwt.decode(access, SECRET)
    for typ in ("at+jwt", "application/AT+JWT", ["JWT", "at+jwt"]):
        jwt.decode(access, SECRET, typ=typ)
    with pytest.raises(jwt.InvalidTypeError):
        jwt.decode(made({}, headers={"typ": "dpop+jwt"}), SECRET, typ="at+jwt")


def test_algorithms_only_narrow() -> None:
    token = made({})
    jwt.decode(token, SECRET, algorithms=["HS256", "RS256"])
    with pytest.raises(jwt.InvalidAlgorithmError):
        jwt.decode(token, SECRET, algorithms=["RS256"])


def test_rules_29_nothing_switches_a_check_off() -> None:
    with pytest.raises(errors.ConfigurationError, match="verify_signature") as caught:
        jwt.decode(made({}), SECRET, options={"verify_signature": False})
    assert "unverified_header" in caught.value.next_step
    for name in ("verify_exp", "verify_aud", "nonsense"):
        with pytest.raises(errors.ConfigurationError):
            jwt.decode(made({}), SECRET, options={name: False})


def padded(claims: dict[str, Any]) -> str:
    """As AWS load balancers write: every segment padded, and the signature over the padded text."""
    head, payload = (segment + "=" * (-len(segment) % 4) for segment in made(claims).split(".")[:2])
    signature = base64.urlsafe_b64encode(hmac.digest(b"k" * 32, f"{head}.{payload}".encode(), "sha256")).decode()
    return f"{head}.{payload}.{signature}"


def test_lenient_padding_is_named_and_narrow() -> None:
    """RULES 29: it lets in what it says, and nothing beside."""
    token = padded({"sub": "42"})
    assert "=" in token
    for verify in (jwt.decode, jws.verify):
        with pytest.raises(errors.InvalidToken):
            verify(token, SECRET)
        assert verify(token, SECRET, lenient_padding=True)
        assert verify(made({"sub": "42"}), SECRET, lenient_padding=True)
        for wrong in (
            token + "=",
            token + "==",
            token + "\n",
            token.replace("=", " "),
            token.replace("=", "+", 1),
            token[:-1] + "===",
        ):
            with pytest.raises(errors.InvalidToken):
                verify(wrong, SECRET, lenient_padding=True)


@pytest.mark.parametrize("name", ["iss", "sub", "jti", "aud"])
@pytest.mark.parametrize("value", ["7", "true", "null", '{"a":1}', "[1]", "[null]", "[[]]", "1.5", '["a",{}]'])
def test_texts_are_text(name: str, value: str) -> None:
    """RFC 7519 4.1: iss, sub and jti are text, aud text or a list of text, whatever is expected of them."""
    token = jws.sign(f'{{"{name}":{value}}}'.encode(), SECRET)
    for options in ({}, {"any_audience": True} if name != "aud" else {"audience": "a"}):
        with pytest.raises(errors.InvalidToken) as caught:
            jwt.decode(token, SECRET, **options)  # type: ignore[arg-type]  # of several kinds
        assert name in str(caught.value) or name == "aud"


@pytest.mark.parametrize("name", ["iss", "sub", "jti"])
def test_a_list_of_issuers_is_none(name: str) -> None:
    """Checklist 22 (CVE-2024-53861): ["me"] is not "me", and neither is part of the other."""
    token = jws.sign(f'{{"{name}":["me"]}}'.encode(), SECRET)
    with pytest.raises(errors.InvalidToken):
        jwt.decode(token, SECRET, issuer="me" if name == "iss" else None, subject="me" if name == "sub" else None)


@pytest.mark.parametrize("payload", [
    b"", b"[]", b"null", b"7", b'"x"', b"{", b"{}x", b"x", b"\xff", b'{"sub":"1","sub":"1"}', b'{"sub":"1","\\u0073ub":"2"}', b'{"x":{"y":1,"y":2}}', b'{"x":[{"y":1,"y":1}]}',
    b'{"x":NaN}', b'{"x":Infinity}', b'{"x":1e400}', b'{"x":"\\ud800"}', b'{"x":' + b"1" * 5_000 + b"}", b"\xef\xbb\xbf{}", '{"sub":"é"}'.encode("utf-16"), '{"sub":"é"}'.encode("utf-32"),
    '{"sub":"é"}'.encode("latin-1"), b'{"x":' + b"[" * 33 + b"]" * 33 + b"}", b'{"x":' + b"[" * 20_000, b"{'sub':1}", b'{"a":1,}', b'{"a":01}', b'{"a":.5}', b"\0", b'{"a":"\x01"}',
])  # fmt: skip
@pytest.mark.parametrize("parsers", PARSERS)
def test_claims_that_two_readers_read_differently(payload: bytes, parsers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checklist 9, 10 and 11, under a good signature."""
    use(parsers, monkeypatch)
    with pytest.raises(errors.InvalidToken) as caught:
        jwt.decode(jws.sign(payload, SECRET), SECRET)
    assert caught.value.__context__ is None, "an error of the reader's would hold the claims"


def test_an_empty_expectation_expects_something() -> None:
    """An unset environment variable must not switch a check off."""
    for options in ({"audience": ""}, {"audience": []}, {"issuer": ""}, {"issuer": []}, {"subject": ""}):
        with pytest.raises(errors.InvalidToken):
            jwt.decode(made({"sub": "42", "iss": "me", "aud": "api"}), SECRET, **options)
    with pytest.raises(errors.InvalidToken):
        jwt.decode(made({"aud": ""}), SECRET, audience="")


@pytest.mark.parametrize("options", [
    {"audience": 7}, {"audience": [7]}, {"audience": b"api"}, {"issuer": 7}, {"issuer": [b"me"]}, {"leeway": -1}, {"leeway": "5m"}, {"leeway": True}, {"leeway": float("nan")},
    {"now": "today"}, {"now": True}, {"now": datetime(2027, 1, 1)}, {"max_age": -1}, {"max_lifetime": "1h"}, {"algorithms": 7}, {"algorithms": [None]}, {"typ": 7},
    {"options": {"require": 7}}, {"options": ["exp"]}, {"options": {"strict_aud": True}}, {"audience": "api", "any_audience": True},
])  # fmt: skip
def test_a_wrong_call_is_no_bad_token(options: dict[str, Any]) -> None:
    """Who calls wrongly is told so, and does not answer 401 for ever."""
    token = jwt.encode({"aud": "other", "iss": "other", "exp": NOW, "iat": 1}, SECRET)
    with pytest.raises(errors.ConfigurationError):
        jwt.decode(token, SECRET, **options)


def test_no_message_shows_what_a_token_says() -> None:
    """Checklist 28: the claim is named, its value is not."""
    for claims, options, _ in BAD.values():
        token = made({**claims, "secret": "sesame"}, headers={"x": "sesame"})
        with pytest.raises(errors.InvalidToken) as caught:
            jwt.decode(token, SECRET, now=NOW, **options)
        shown = caught.value.diagnostics() + repr(caught.value)
        said = {str(value) for value in claims.values() if len(str(value)) > 4}
        assert not any(text in shown for text in {"sesame", str(NOW), "eyJ", *said})


def test_a_jwt_has_no_b64() -> None:
    """RFC 7797 7, even where b64 is true and changes nothing (joserfc 1.8.0 verified a JWT with b64 false)."""
    for b64 in (True, False):
        head = b64url_encode(json.dumps({"alg": "HS256", "b64": b64, "crit": ["b64"]}).encode()) + ".e30"
        token = f"{head}.{b64url_encode(hmac.digest(b'k' * 32, head.encode(), 'sha256'))}"
        with pytest.raises(errors.InvalidToken, match="b64"):
            jwt.decode(token, SECRET)


def test_a_nested_token_is_refused() -> None:
    with pytest.raises(errors.InvalidToken, match="cty"):
        jwt.decode(made({}, headers={"cty": "JWT"}), SECRET)


def test_sync_and_async_are_the_same_function_twice() -> None:
    assert inspect.signature(jwt.encode) == inspect.signature(jwt.aencode)
    assert inspect.signature(jwt.decode) == inspect.signature(jwt.adecode)

    async def work() -> None:
        token = await jwt.aencode({"aud": "a"}, SIGNER, expires_in=60)
        assert (await jwt.adecode(token, SIGNER.key(), audience="a"))["aud"] == "a"
        with pytest.raises(jwt.ExpiredSignatureError):
            await jwt.adecode(made({"exp": 1}), SECRET)

    asyncio.run(work())


def test_rules_34_frozen_clocks_work() -> None:
    token = jwt.encode({}, SIGNER, expires_in=60, now=NOW)
    assert jwt.decode(token, SIGNER.key(), now=NOW + 59)["exp"] == NOW + 60
    assert jwt.decode(token, SIGNER.key(), now=datetime.fromtimestamp(NOW, UTC))
    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(token, SIGNER.key(), now=NOW + 60)
