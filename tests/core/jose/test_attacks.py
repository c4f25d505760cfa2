"""What strangers send. Each case names the attack, and where it is from; the row is that of the strict verifier's checklist.

A case is bytes or text that must not verify, whichever verifying function it is handed to, and nothing but InvalidToken comes out.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given
from hypothesis import strategies as st
from parsers import PARSERS, use

import farsign_local
from farsign import Signer, errors, jwk, jws, jwt
from farsign._base.encodings import b64url_encode, der_to_raw

EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
EC_KEY = jwk.Key.from_public_key(EC.public_key(), kid="k")
RSA_KEY = jwk.Key.from_public_key(RSA.public_key(), alg="RS256", kid="r")
SECRET = jwk.Key.from_secret(b"s" * 32, alg="HS256", kid="s")
KEYS = jwk.KeySet([EC_KEY, RSA_KEY])
PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
DER = RSA.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
HEADER = {"alg": "ES256", "kid": "k"}


def seg(value: object) -> str:
    data = value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else json.dumps(value).encode()
    return b64url_encode(data)


def es256(signing_input: str) -> bytes:
    return der_to_raw(EC.sign(signing_input.encode(), ec.ECDSA(hashes.SHA256())), "P-256")


def signed(header: object, payload: object = b"{}", sign: Callable[[str], bytes] = es256) -> str:
    """A token whose signature is good: only the rest is wrong."""
    signing_input = f"{header if isinstance(header, str) and header.startswith('!') else seg(header)}.{seg(payload)}".replace(
        "!", ""
    )
    return f"{signing_input}.{b64url_encode(sign(signing_input))}"


def mac(key: bytes) -> Callable[[str], bytes]:
    def sign(signing_input: str) -> bytes:
        state = hmac.HMAC(key, hashes.SHA256())
        state.update(signing_input.encode())
        return state.finalize()

    return sign


def raw(signature: bytes) -> Callable[[str], bytes]:
    return lambda _: signature


def rs256(signing_input: str) -> bytes:
    return RSA.sign(signing_input.encode(), padding.PKCS1v15(), hashes.SHA256())


def ps256(signing_input: str) -> bytes:
    return RSA.sign(signing_input.encode(), padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def respell(token: str, part: int, change: Callable[[str], str]) -> str:
    segments = token.split(".")
    segments[part] = change(segments[part])
    return ".".join(segments)


GOOD = signed(HEADER)
R, S = (
    int.from_bytes(base64.urlsafe_b64decode(GOOD.split(".")[2] + "==")[:32], "big"),
    int.from_bytes(base64.urlsafe_b64decode(GOOD.split(".")[2] + "==")[32:], "big"),
)


def pair(r: int, s: int, size: int = 32) -> bytes:
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


CASES: dict[str, Any] = {
    # 1: unsigned, or an alg that is none
    **{f"1 alg {alg!r} (2015)": signed({"alg": alg, "kid": "k"}) for alg in ("none", "None", "NONE", "nOnE", "", None, 7, True, ["ES256"], {"a": 1}, 1.5)},
    "1 alg missing": signed({"kid": "k"}),
    "1 none without a signature": f"{seg({'alg': 'none', 'kid': 'k'})}.{seg('{}')}.",
    "1 empty signature": f"{seg(HEADER)}.{seg('{}')}.",
    "1 alg unknown": signed({"alg": "ES257", "kid": "k"}),
    "1 alg in other case": signed({"alg": "es256", "kid": "k"}),
    # 2: a public key as a MAC key
    "2 HS256 with PEM (CVE-2022-29217)": signed({"alg": "HS256", "kid": "r"}, sign=mac(PEM)),
    "2 HS256 with DER (CVE-2024-37568)": signed({"alg": "HS256", "kid": "r"}, sign=mac(DER)),
    "2 HS256 with the JWK's text (CVE-2026-48526)": signed({"alg": "HS256", "kid": "r"}, sign=mac(json.dumps(RSA_KEY.jwk()).encode())),
    "2 HS256 with the JWKS' text": signed({"alg": "HS256", "kid": "r"}, sign=mac(json.dumps({"keys": [RSA_KEY.jwk()]}).encode())),
    "2 HS256 with nothing": signed({"alg": "HS256", "kid": "k"}, sign=mac(b"")),
    # 3, 4: the algorithm is the key's
    "3 PS256 for an RS256 key (CVE-2026-48523)": signed({"alg": "PS256", "kid": "r"}, sign=ps256),
    "3 RS512 said, RS256 signed": signed({"alg": "RS512", "kid": "r"}, sign=rs256),
    "3 PSS under the name RS256": signed({"alg": "RS256", "kid": "r"}, sign=ps256),
    "3 another key's kid": signed({"alg": "RS256", "kid": "k"}, sign=rs256),
    "4 ES384 for a P-256 key": signed({"alg": "ES384", "kid": "k"}),
    "4 ES256K for a P-256 key": signed({"alg": "ES256K", "kid": "k"}),
    # 5, 6: ECDSA signatures
    "5 r = s = 0 (CVE-2022-21449)": signed(HEADER, sign=raw(bytes(64))),
    "5 r = 0": signed(HEADER, sign=raw(pair(0, S))),
    "5 s = 0": signed(HEADER, sign=raw(pair(R, 0))),
    "5 r = s = 1": signed(HEADER, sign=raw(pair(1, 1))),
    "5 r = n": signed(HEADER, sign=raw(pair(ORDER, S))),
    "5 s = n": signed(HEADER, sign=raw(pair(R, ORDER))),
    "5 all ones": signed(HEADER, sign=raw(b"\xff" * 64)),
    "6 63 bytes": respell(GOOD, 2, lambda s: b64url_encode(base64.urlsafe_b64decode(s + "==")[:63])),
    "6 65 bytes": respell(GOOD, 2, lambda s: b64url_encode(base64.urlsafe_b64decode(s + "==") + b"\0")),
    "6 66 bytes, padded halves": respell(GOOD, 2, lambda _: b64url_encode(pair(R, S, 33))),
    "6 128 bytes, padded halves": respell(GOOD, 2, lambda _: b64url_encode(pair(R, S, 64))),
    "6 DER": signed(HEADER, sign=lambda i: EC.sign(i.encode(), ec.ECDSA(hashes.SHA256()))),
    "6 halves swapped": respell(GOOD, 2, lambda _: b64url_encode(pair(S, R))),
    # 8: other spellings of the same bytes
    **{f"8 padding in segment {part} (GHSA-hxm8)": respell(GOOD, part, lambda s: s + "=" * (-len(s) % 4 or 4)) for part in range(3)},
    **{f"8 {name} in segment {part}": respell(GOOD, part, lambda s, junk=junk: s[:4] + junk + s[4:])
       for part in range(3) for name, junk in {"space": " ", "newline": "\n", "junk": "!", "NUL": "\0", "plus": "+", "slash": "/"}.items()},
    "8 unused bits of the signature": respell(GOOD, 2, lambda s: s[:-1] + chr(ord(s[-1]) + 1)),
    "8 unused bits of the payload": respell(GOOD, 1, lambda s: s[:-1] + chr(ord(s[-1]) + 1)),
    "8 trailing newline": GOOD + "\n",
    "8 leading space": " " + GOOD,
    # 9, 10: JSON that two readers read differently
    "9 alg twice": signed('{"alg":"ES256","kid":"k","alg":"ES256"}'),
    "9 alg twice, escaped": signed('{"alg":"ES256","kid":"k","\\u0061lg":"none"}'),
    "9 kid twice": signed('{"alg":"ES256","kid":"k","kid":"r"}'),
    "10 header in UTF-16": signed(json.dumps(HEADER).encode("utf-16")),
    "10 header in UTF-32": signed(json.dumps(HEADER).encode("utf-32")),
    "10 header with a BOM": signed(b"\xef\xbb\xbf" + json.dumps(HEADER).encode()),
    "10 header in Latin-1": signed(b'{"alg":"ES256","kid":"k","x":"\xe9"}'),
    "10 NaN in the header": signed('{"alg":"ES256","kid":"k","x":NaN}'),
    "10 Infinity in the header": signed('{"alg":"ES256","kid":"k","x":-Infinity}'),
    "10 lone surrogate": signed('{"alg":"ES256","kid":"k","x":"\\ud800"}'),
    "10 ten thousand digits": signed('{"alg":"ES256","kid":"k","x":' + "1" * 5_000 + "}"),
    "10 trailing text": signed('{"alg":"ES256","kid":"k"}x'),
    "10 single quotes": signed("{'alg':'ES256','kid':'k'}"),
    "10 a comment": signed('{"alg":"ES256"/**/,"kid":"k"}'),
    **{f"10 the header is {text}": signed(text) for text in ("[]", "null", "7", '"ES256"', "", "{", "true")},
    # 11, 12: depth and size
    "11 nested 100,000 deep (GHSA-8wjv)": f"{seg(b'[' * 100_000)}.{seg('{}')}.AA",
    "11 nested 40 deep": signed('{"alg":"ES256","kid":"k","x":' + "[" * 40 + "]" * 40 + "}"),
    "12 a header of 1 MB (CVE-2025-65015)": f"{seg(b'{' + b' ' * 1_000_000)}.{seg('{}')}.AA",
    "12 a payload of 5 MB": f"{seg(HEADER)}.{'A' * 5_000_000}.AA",
    "12 a thousand members": signed(HEADER | {f"m{n}": n for n in range(1_000)}),
    "12 ten million dots": "." * 60_000,
    # 13, 14: crit and b64
    **{f"13 crit {crit!r} (CVE-2026-32597)": signed(HEADER | {"crit": crit})
       for crit in (["x"], [], "b64", None, ["alg"], ["exp"], [7], {"a": 1}, ["b64", "b64"], ["kid"], True)},
    "13 crit names what is not there": signed(HEADER | {"crit": ["b64"]}),
    "14 b64 false without crit (CVE-2026-48525)": signed(HEADER | {"b64": False}),
    **{f"14 b64 {b64!r}": signed(HEADER | {"b64": b64, "crit": ["b64"]}) for b64 in ("false", 0, None, [], "true")},
    "14 b64 false in a compact token": signed(HEADER | {"b64": False, "crit": ["b64"]}),
    # 15: keys that a token brings
    **{f"15 {name} with the attacker's key (CVE-2026-27962)": signed(
        {"alg": "RS256", "kid": "x", name: value}, sign=rs256) for name, value in
        {"jwk": RSA_KEY.jwk(), "jku": "https://evil.example/jwks.json", "x5u": "file:///etc/passwd", "x5c": [base64.b64encode(DER).decode()]}.items()},
    # 16: kid
    **{f"16 kid {str(kid)[:20]!r}": signed({"alg": "ES256", "kid": kid}) for kid in
       (7, None, ["k"], {"k": 1}, "", "../../k", "k\0", "K", " k", "k" * 2_000, True, "' OR 1=1 --")},
    "16 no kid, and two keys fit": None,
    # 24: other formats
    "24 flattened JSON": json.dumps({"payload": seg("{}"), "protected": seg(HEADER), "signature": GOOD.split(".")[2]}),
    "24 general JSON": json.dumps({"payload": seg("{}"), "signatures": [{"protected": seg(HEADER), "signature": GOOD.split(".")[2]}]}),
    "24 general JSON without signatures": json.dumps({"payload": seg("{}"), "signatures": []}),
    "24 JWE (CVE-2022-3102)": "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAA.AAAA.AAAA",
    "24 enc in a signed header": signed(HEADER | {"enc": "A128GCM"}),
    "24 two segments": GOOD.rpartition(".")[0],
    "24 four segments": GOOD + ".AA",
    "24 detached": f"{GOOD.split('.')[0]}..{GOOD.split('.')[2]}",
    "24 payload changed": respell(GOOD, 1, lambda _: seg('{"admin":true}')),
    "24 header of another token": respell(GOOD, 0, lambda _: seg({"kid": "k", "alg": "ES256"})),
    **{f"0 {type(thing).__name__} {str(thing)[:8]!r}": thing for thing in
       (None, 7, 1.5, [], {}, object(), ("a", "b", "c"), bytearray(b"a.b.c"), memoryview(b"a.b.c"), "", b"", ".", "..", "é.é.é", "\ud800..", b"\xff.\xff.\xff")},
}  # fmt: skip
CASES.pop("16 no kid, and two keys fit")


@pytest.fixture(params=PARSERS)
def _parsers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    use(request.param, monkeypatch)


def test_the_tokens_that_the_cases_are_made_from_are_good() -> None:
    assert jws.verify(GOOD, KEYS).payload == b"{}"
    assert jwt.decode(signed({"alg": "RS256", "kid": "r"}, sign=rs256), KEYS) == {}
    assert len(CASES) >= 130


@pytest.mark.usefixtures("_parsers")
@pytest.mark.parametrize("case", CASES)
def test_no_compact_function_accepts_it(case: str) -> None:
    for keys in (KEYS, EC_KEY, RSA_KEY, SECRET):
        for verify in (jws.verify, jwt.decode):
            with pytest.raises(errors.InvalidToken) as caught:
                verify(CASES[case], keys)
            assert "eyJ" not in caught.value.diagnostics()
        for averify in (jws.averify, jwt.adecode):
            with pytest.raises(errors.InvalidToken):
                asyncio.run(averify(CASES[case], keys))


@pytest.mark.parametrize("case", CASES)
def test_no_other_function_accepts_it(case: str) -> None:
    token = CASES[case]
    if case.startswith(("24 flattened", "24 general JSON")):
        return  # good in the format that they are
    functions = (
        lambda: jws.verify_json(token, EC_KEY),
        lambda: jws.verify_general(token, EC_KEY),
        lambda: jws.verify_unencoded_json(token, EC_KEY),
        lambda: jws.verify_unencoded(token, b"other", EC_KEY),
        lambda: jws.verify_detached(token, b"other", EC_KEY),
    )
    for verify in functions:
        with pytest.raises(errors.FarsignError):
            verify()


def test_without_a_kid_one_key_has_to_fit() -> None:
    two = jwk.KeySet([EC_KEY, jwk.Key.from_public_key(ec.generate_private_key(ec.SECP256R1()).public_key(), kid="other")])
    nameless = signed({"alg": "ES256"})
    assert jws.verify(nameless, KEYS).key is EC_KEY
    with pytest.raises(jwt.UnknownKey):
        jws.verify(nameless, two)


@pytest.mark.parametrize(
    "secret",
    [PEM, DER, json.dumps(RSA_KEY.jwk()).encode(), json.dumps({"keys": [RSA_KEY.jwk()]}).encode(), b" " + PEM, b"short", b""],
)
def test_no_public_key_becomes_a_secret(secret: bytes) -> None:
    """Checklist 2 and 20."""
    with pytest.raises(errors.InvalidKey):
        jwk.Key.from_secret(secret, alg="HS256")


MUTATIONS = st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.characters(codec="ascii")), min_size=1, max_size=4)


@given(MUTATIONS)
def test_a_token_changed_anywhere_is_refused(changes: list[tuple[int, str]]) -> None:
    token = list(GOOD)
    for position, character in changes:
        token[position] = character
    if "".join(token) == GOOD:
        return
    with pytest.raises(errors.InvalidToken):
        jws.verify("".join(token), KEYS)


@given(st.text() | st.binary() | st.text(alphabet="eyJ.AZaz09-_=", max_size=200))
def test_only_our_errors_come_out(token: str | bytes) -> None:
    for verify in (jws.verify, jwt.decode):
        with pytest.raises(errors.InvalidToken):
            verify(token, KEYS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "k", "alg", "kid", "use", "key_ops", "keys", "pub", "x5c"]) | st.text(max_size=4), inner, max_size=6),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_key_sets_of_any_shape_raise_our_errors_only(document: object) -> None:
    for parse in (jwk.KeySet.parse, jwk.Key.parse):
        try:
            parse(document)
        except errors.FarsignError:
            continue


def test_rules_30_general_json_holds_four_signatures_at_most() -> None:
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(5)]
    sources = [Signer(farsign_local.opener(key)) for key in keys]
    verifiers = jwk.KeySet([source.key() for source in sources])
    four = jws.sign_general(b"{}", sources[:4])
    assert len(jws.verify_general(four, verifiers)) == 4
    with pytest.raises(errors.ConfigurationError):
        jws.sign_general(b"{}", sources)
    extra = jws.sign_general(b"{}", sources[4:])["signatures"]
    with pytest.raises(errors.InvalidToken):
        jws.verify_general({**four, "signatures": [*four["signatures"], *extra]}, verifiers)


@pytest.mark.parametrize(
    ("bits", "exponent"), [(1024, 65537), (2048, 1), (2048, 2), (2048, 65536), (2048, 2**32 + 1), (2048, 2**33 + 1)]
)
def test_rules_30_rsa_keys_that_are_too_weak_or_odd_are_refused(bits: int, exponent: int) -> None:
    modulus = (
        RSA.public_key().public_numbers().n
        if bits == 2048
        else rsa.generate_private_key(65537, 1024).public_key().public_numbers().n
    )
    members = {"kty": "RSA", "alg": "RS256", "n": _number(modulus), "e": _number(exponent)}
    with pytest.raises(errors.InvalidKey):
        jwk.Key.parse(members)


def test_rules_30_an_exponent_of_three_warns() -> None:
    members = {"kty": "RSA", "alg": "RS256", "n": RSA_KEY.jwk()["n"], "e": _number(3)}
    with pytest.warns(jwk.WeakKeyWarning, match="exponent 3"):
        jwk.Key.parse(members)


def _number(value: int) -> str:
    return b64url_encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
