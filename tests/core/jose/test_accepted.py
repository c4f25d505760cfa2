"""What is odd and valid all the same: strictness refuses nothing that a specification allows."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from attacks import EC_KEY, ED_KEY, ED_TOKEN, HEADER, KEYS, RSA_KEY, es256, ps256, rs256, seg, signed
from parsers import PARSERS, use

from farsign import jwk, jws, jwt
from farsign._base.encodings import b64url_encode

# RFC 7515 4: members that are not understood are ignored. What a token brings as a key is ignored, too, not refused.
HEADERS: dict[str, Any] = {
    "alg and kid": HEADER,
    "no kid": {"alg": "ES256"},
    "members in another order": {"kid": "k", "alg": "ES256"},
    "unknown members": HEADER | {"x": 1, "http://example.com/y": {"z": [None, True, 1.5]}},
    "64 members": HEADER | {f"m{number}": number for number in range(62)},
    "a jwk": HEADER | {"jwk": RSA_KEY.jwk()},
    "jku, x5u": HEADER | {"jku": "https://issuer.example/jwks.json", "x5u": "https://issuer.example/x5u"},
    "x5c, x5t": HEADER | {"x5c": ["MIIB"], "x5t": "x", "x5t#S256": "y"},
    "b64 true": HEADER | {"b64": True},
    "b64 true, critical": HEADER | {"b64": True, "crit": ["b64"]},
    "typ JOSE": HEADER | {"typ": "JOSE"},
    "cty": HEADER | {"cty": "application/json"},
    "typ empty": HEADER | {"typ": ""},
    "claims in the header": HEADER | {"iss": "me", "sub": "42", "aud": "api"},
    "kid of 1,024 characters": None,
    "an empty name": HEADER | {"": ""},
    "32 levels": None,
    "an integer of 4,300 digits": None,
    "spaces": ' \r\n\t{ "alg" : "ES256" ,\n"kid":"k" } ',
    "escapes": '{"\\u0061lg":"ES256","kid":"\\u006b"}',
    "no ASCII": '{"alg":"ES256","kid":"k","é":"日本語 😀"}',
    "a surrogate pair": '{"alg":"ES256","kid":"k","x":"\\ud83d\\ude00"}',
    "numbers": '{"alg":"ES256","kid":"k","x":[-0,0.0,1e5,1E-5,-1.5e+3,9007199254740993,1e308]}',
    "one name at two levels": '{"alg":"ES256","kid":"k","x":{"alg":"none","kid":"other"},"y":[{"alg":1},{"alg":2}]}',
    "commas and brackets in text": json.dumps(HEADER | {"x": ',,,[[[{{{"\\' * 40}),
}
HEADERS["32 levels"] = '{"alg":"ES256","kid":"k","x":' + "[" * 31 + "]" * 31 + "}"
HEADERS["an integer of 4,300 digits"] = '{"alg":"ES256","kid":"k","x":' + "7" * 4_300 + "}"
LONG = jwk.Key.from_public_key(EC_KEY.public_key(), kid="k" * 1_024)
HEADERS["kid of 1,024 characters"] = HEADER | {"kid": "k" * 1_024}


@pytest.mark.parametrize("parsers", PARSERS)
@pytest.mark.parametrize("case", HEADERS)
def test_headers(case: str, parsers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use(parsers, monkeypatch)
    key = LONG if case.startswith("kid of") else EC_KEY
    token = signed(HEADERS[case])
    for _ in range(2):  # the second time from the cache
        assert jws.verify(token, key).payload == b"{}"
        assert asyncio.run(jws.averify(token.encode(), key)).payload == b"{}"


PAYLOADS: dict[str, bytes] = {
    "nothing": b"",
    "a byte": b"\0",
    "bytes": bytes(range(256)),
    "text that looks like a token": b"eyJh.eyJh.AA",
    "47,000 bytes": b"x" * 47_000,
}


@pytest.mark.parametrize("case", PAYLOADS)
def test_payloads(case: str) -> None:
    assert jws.verify(signed(HEADER, PAYLOADS[case]), EC_KEY).payload == PAYLOADS[case]


CLAIMS: dict[str, bytes] = {
    "none": b"{}",
    "spaces": b' { "sub" : "42" } \n',
    "names of any kind": '{"":1,"é":2,"https://example.com/x":3,"a.b":4}'.encode(),
    "one name at two levels": b'{"sub":"42","act":{"sub":"43","act":{"sub":"44"}}}',
    "numbers": b'{"a":-0.0,"b":1e-300,"c":123456789012345678901234567890,"exp":4102444800.5,"iat":0,"nbf":-1}',
    "null where nothing is said of it": b'{"x":null,"y":[null]}',
    "32 levels": b'{"x":' + b"[" * 31 + b"]" * 31 + b"}",
    "a thousand lists": b'{"x":[' + b",".join([b"[1,2]"] * 1_000) + b"]}",
}


@pytest.mark.parametrize("parsers", PARSERS)
@pytest.mark.parametrize("case", CLAIMS)
def test_claims(case: str, parsers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use(parsers, monkeypatch)
    assert jwt.decode(signed(HEADER, CLAIMS[case]), EC_KEY) == json.loads(CLAIMS[case])


def test_what_stands_beside_a_signature_is_shown_apart() -> None:
    header, payload, signature = signed(HEADER).split(".")
    document = {
        "payload": payload,
        "protected": header,
        "signature": signature,
        "header": {"x": [1], "jku": "https://x"},
        "comment": 7,
    }
    for form in (document, json.dumps(document)):
        verified = jws.verify_json(form, EC_KEY)
        assert (verified.header, verified.unprotected) == (HEADER, {"x": [1], "jku": "https://x"})


def test_one_key_without_kid_takes_tokens_with_and_without() -> None:
    silent = jwk.Key.from_public_key(EC_KEY.public_key())
    for header in ({"alg": "ES256"}, HEADER, {"alg": "ES256", "kid": "any"}):
        assert jws.verify(signed(header), silent).payload == b"{}"


def test_a_set_finds_the_one_that_fits_by_algorithm() -> None:
    for header, sign in (({"alg": "RS256"}, rs256), ({"alg": "PS256"}, ps256)):
        assert jws.verify(signed(header, sign=sign), KEYS).key.algorithm == header["alg"]
    assert jws.verify(ED_TOKEN, ED_KEY).header["alg"] == "EdDSA"


def test_a_subclass_of_text_is_read_as_the_text_that_it_is() -> None:
    class Text(str):
        __slots__ = ()

        def encode(self, *_: object) -> bytes:  # type: ignore[override]  # a liar
            return b"a.b.c"

    class Octets(bytes):
        __slots__ = ()

    token = signed(HEADER)
    for odd in (Text(token), Octets(token.encode())):
        assert jws.verify(odd, EC_KEY).payload == b"{}"


def test_unencoded_payloads_may_hold_what_a_token_cannot() -> None:
    header = seg(HEADER | {"b64": False, "crit": ["b64"]})
    for payload in (b"", b"a.b.c", bytes(range(256)), b"x" * 100_000):
        signature = es256(header.encode() + b"." + payload)
        assert jws.verify_unencoded(f"{header}..{b64url_encode(signature)}", payload, EC_KEY).payload == payload
