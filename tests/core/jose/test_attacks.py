"""What strangers send, against every function that verifies: nothing of it is accepted, and nothing but InvalidToken comes out."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from attacks import (
    CASES,
    EC_KEY,
    ED_KEY,
    ED_TOKEN,
    GOOD,
    HEADER,
    KEYS,
    PSS_KEY,
    RSA_KEY,
    SECRET,
    es256,
    rs256,
    seg,
    signed,
)
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from parsers import PARSERS, use

import farsign_local
from farsign import Signer, errors, jwk, jws, jwt
from farsign._base.encodings import b64url_encode


@pytest.fixture(params=PARSERS)
def _parsers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    use(request.param, monkeypatch)


def test_the_tokens_that_the_cases_are_made_from_are_good() -> None:
    assert jws.verify(GOOD, KEYS).payload == b"{}"
    assert jwt.decode(signed({"alg": "RS256", "kid": "r"}, sign=rs256), KEYS) == {}
    assert jws.verify(ED_TOKEN, KEYS).payload == b"{}"
    assert len(CASES) >= 150


@pytest.mark.usefixtures("_parsers")
@pytest.mark.parametrize("case", CASES)
def test_no_compact_function_accepts_it(case: str) -> None:
    """Nor does anything but InvalidToken come out, and no text of it shows a token (checklist 28, CVE-2025-65015)."""
    for keys in (KEYS, EC_KEY, RSA_KEY, PSS_KEY, ED_KEY, SECRET):
        for verify in (jws.verify, jwt.decode):
            with pytest.raises(errors.InvalidToken) as caught:
                verify(CASES[case], keys)
            assert "eyJ" not in caught.value.diagnostics()
        for averify in (jws.averify, jwt.adecode):
            with pytest.raises(errors.InvalidToken):
                asyncio.run(averify(CASES[case], keys))


def segments(token: object) -> list[str] | None:
    """Of a token that has the shape of one."""
    parts = token.split(".") if isinstance(token, str) else []
    return parts if len(parts) == 3 else None


def flattened(parts: list[str]) -> dict[str, str]:
    return {"protected": parts[0], "payload": parts[1], "signature": parts[2]}


def general(parts: list[str]) -> dict[str, Any]:
    return {"payload": parts[1], "signatures": [{"protected": parts[0], "signature": parts[2]}]}


def content(segment: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(segment[: MAX_CONTENT - MAX_CONTENT % 4] + "==")
    except ValueError:
        return b"{}"


MAX_CONTENT = 80_000
PAYLOAD_ONLY = ("8 padding in segment 1", "8 space in segment 1", "8 newline in segment 1", "8 junk in segment 1", "8 NUL in segment 1",
                "8 plus in segment 1", "8 slash in segment 1", "8 unused bits of the payload", "12 a payload of 5 MB", "24 detached")  # fmt: skip
OTHERS: dict[str, Callable[[list[str], jwk.KeySource], Any]] = {
    "verify_json": lambda parts, key: jws.verify_json(flattened(parts), key),
    "verify_json, text": lambda parts, key: jws.verify_json(json.dumps(flattened(parts)), key),
    "verify_json, payload beside it": lambda parts, key: jws.verify_json(
        {name: value for name, value in flattened(parts).items() if name != "payload"}, key, payload=content(parts[1])
    ),
    "verify_general": lambda parts, key: jws.verify_general(general(parts), key),
    "verify_general, one is enough": lambda parts, key: jws.verify_general(json.dumps(general(parts)), key, minimum=1),
    "verify_detached": lambda parts, key: jws.verify_detached(f"{parts[0]}..{parts[2]}", content(parts[1]), key),
    "verify_unencoded": lambda parts, key: jws.verify_unencoded(".".join(parts), None, key),
    "verify_unencoded, payload beside it": lambda parts, key: jws.verify_unencoded(
        f"{parts[0]}..{parts[2]}", parts[1].encode(errors="replace"), key
    ),
    "verify_unencoded_json": lambda parts, key: jws.verify_unencoded_json(flattened(parts), key),
    "averify_json": lambda parts, key: asyncio.run(jws.averify_json(flattened(parts), key)),
    "averify_general": lambda parts, key: asyncio.run(jws.averify_general(general(parts), key)),
    "averify_detached": lambda parts, key: asyncio.run(jws.averify_detached(f"{parts[0]}..{parts[2]}", content(parts[1]), key)),
    "averify_unencoded": lambda parts, key: asyncio.run(jws.averify_unencoded(".".join(parts), None, key)),
    "averify_unencoded_json": lambda parts, key: asyncio.run(jws.averify_unencoded_json(flattened(parts), key)),
}


def refused(verify: Callable[..., object], parts: list[str], key: object, case: str) -> errors.InvalidToken:
    try:
        verify(parts, key)
    except errors.InvalidToken as error:
        return error
    pytest.fail(f"{case}: accepted")


@pytest.mark.parametrize("function", OTHERS)
def test_no_other_function_accepts_it(function: str) -> None:
    """Each case once more, in the form that the function reads: the same header, payload and signature."""
    done = 0
    for case, token in CASES.items():
        parts = segments(token)
        if parts is None or (case.startswith(PAYLOAD_ONLY) and ("detached" in function or "beside" in function)):
            continue  # no token at all, or what is wrong is in what that form leaves out
        if case == "14 b64 false in a compact token" and "unencoded" in function:
            continue  # good there: the payload is the text itself
        done += 1
        for key in (KEYS, EC_KEY, RSA_KEY, PSS_KEY, ED_KEY):
            assert "eyJ" not in refused(OTHERS[function], parts, key, case).diagnostics()
    assert done >= 110


@pytest.mark.parametrize("function", OTHERS)
def test_and_the_good_one_is_accepted_in_the_form_that_it_reads(function: str) -> None:
    """Or the functions above could be refusing everything."""
    payload = b"{}" if "unencoded" not in function else b"text"
    if "unencoded" in function:
        signed = signed_unencoded(HEADER | {"b64": False, "crit": ["b64"]}, "text")
        assert OTHERS[function](signed, EC_KEY).payload == payload
    else:
        verified = OTHERS[function](GOOD.split("."), EC_KEY)
        assert (verified[0] if isinstance(verified, tuple) else verified).payload == payload


def signed_unencoded(header: dict[str, Any], text: str) -> list[str]:
    return [seg(header), text, b64url_encode(es256(f"{seg(header)}.{text}"))]


@pytest.mark.parametrize("token", [token for case, token in CASES.items() if case.startswith("24 ") and segments(token) is None])
def test_what_is_no_compact_token_is_none_elsewhere_either(token: str) -> None:
    for verify in (jws.verify_detached, jws.verify_unencoded):
        with pytest.raises(errors.InvalidToken):
            verify(token, b"{}", EC_KEY)
    other = jws.verify_general if "signatures" not in token else jws.verify_json
    with pytest.raises(errors.InvalidToken):
        other(token, EC_KEY)


@pytest.mark.parametrize("members", [
    {"payload": "e30", "signatures": []}, {"payload": "e30"}, {"payload": "e30", "signatures": {}}, {"payload": "e30", "signatures": [None]},
    {"payload": "e30", "signatures": ["e30"]}, {"payload": "e30", "signatures": [{}]}, {"payload": 7, "signatures": [{}]}, {},
    {"ciphertext": "", "recipients": [{}]}, {"payload": "e30", "signature": "", "signatures": [{}]},
])  # fmt: skip
def test_general_documents_that_sign_nothing(members: dict[str, Any]) -> None:
    """Checklist 24 (CVE-2022-3102, joserfc 1.7.4): no signature is not zero bad signatures."""
    for document in (members, json.dumps(members)):
        for verify in (jws.verify_general, jws.verify_json):
            with pytest.raises(errors.InvalidToken):
                verify(document, KEYS)


@pytest.mark.parametrize("text", [
    '{"payload":"e30","payload":"e30","protected":"P","signature":"S"}', '{"payload":"e30","protected":"P","signature":"S","\\u0070ayload":"e30"}',
    '{"payload":"e30","protected":"P","signature":"S","header":{"x":1,"x":2}}', '[{"payload":"e30","protected":"P","signature":"S"}]',
    '\ufeff{"payload":"e30","protected":"P","signature":"S"}', '{"payload":"e30","protected":"P","signature":"S"} x', '{"payload":"e30","protected":"P","signature":"S","x":NaN}',
])  # fmt: skip
def test_documents_that_two_readers_read_differently(text: str) -> None:
    """Checklist 9 and 10, in the document itself."""
    header, _, signature = GOOD.split(".")
    filled = text.replace('"P"', f'"{header}"').replace('"S"', f'"{signature}"')
    with pytest.raises(errors.InvalidToken):
        jws.verify_json(filled, KEYS)


@pytest.mark.parametrize(
    "unprotected",
    [
        {"alg": "ES256"},
        {"kid": "k"},
        {"crit": ["b64"]},
        {"b64": False},
        {"enc": "x"},
        [],
        "x",
        {"x": 1, "y": None} | {"alg": "none"},
    ],
)
def test_what_stands_outside_the_signature_decides_nothing(unprotected: Any) -> None:
    """A member in both headers, and crit or b64 in the unprotected one, are refused (RFC 7515 7.2.1, RFC 7797 6)."""
    with pytest.raises(errors.InvalidToken):
        jws.verify_json({**flattened(GOOD.split(".")), "header": unprotected}, EC_KEY)


def test_without_a_kid_one_key_has_to_fit() -> None:
    two = jwk.KeySet([EC_KEY, jwk.Key.from_public_key(ec.generate_private_key(ec.SECP256R1()).public_key(), kid="other")])
    nameless = signed({"alg": "ES256"})
    assert jws.verify(nameless, KEYS).key is EC_KEY
    with pytest.raises(jwt.UnknownKey):
        jws.verify(nameless, two)


MUTATIONS = st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.characters(codec="ascii")), min_size=1, max_size=4)


@pytest.mark.parametrize("case", CASES)
def test_looking_at_a_header_raises_nothing_else_either(case: str) -> None:
    try:
        header = jws.unverified_header(CASES[case])
    except errors.InvalidToken:
        return
    assert isinstance(header["alg"], str)


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
