"""The RFCs' examples of formats: RFC 7515 appendix A, RFC 7520 3 and 4.8, RFC 7797."""

from __future__ import annotations

import json
from typing import Any

import pytest
from published import load

from farsign import InvalidToken, errors, jwk, jws, jwt

# RFC 7515 A.1, A.2, A.3 and A.5: the payload is the same.
PAYLOAD = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
CLAIMS = {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True}
OCT = {
    "kty": "oct",
    "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    "alg": "HS256",
}
RFC_7515: dict[str, tuple[dict[str, str], str, str]] = {
    "A.1": (OCT, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    "A.2": (
        {"kty": "RSA", "alg": "RS256", "e": "AQAB",
         "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
        "eyJhbGciOiJSUzI1NiJ9",
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    ),
    "A.3": (
        {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
        "eyJhbGciOiJFUzI1NiJ9",
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RFC_7515)
def test_rfc_7515_compact(name: str) -> None:
    members, header, signature = RFC_7515[name]
    key = jwk.Key.parse(members)
    assert jwt.decode(f"{header}.{PAYLOAD}.{signature}", key, now=1300819379) == CLAIMS
    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(f"{header}.{PAYLOAD}.{signature}", key)


def test_rfc_7515_a_5_is_unsigned_and_refused() -> None:
    for key in (jwk.Key.parse(members) for members, *_ in RFC_7515.values()):
        with pytest.raises(InvalidToken):
            jws.verify(f"eyJhbGciOiJub25lIn0.{PAYLOAD}.", key)


def general() -> tuple[dict[str, Any], jwk.KeySet]:
    """A.6: RS256 and ES256, each kid in an unprotected header."""
    (rsa, head_1, signature_1), (ec, head_2, signature_2) = RFC_7515["A.2"], RFC_7515["A.3"]
    kids = ("2010-12-29", "e9bc097a-ce51-4036-9562-d2ade882db0d")
    entries = zip((head_1, head_2), kids, (signature_1, signature_2), strict=True)
    document = {"payload": PAYLOAD, "signatures": [{"protected": head, "header": {"kid": kid}, "signature": signature} for head, kid, signature in entries]}  # fmt: skip
    return document, jwk.KeySet(jwk.Key.parse(members | {"kid": kid}) for members, kid in zip((rsa, ec), kids, strict=True))


def test_rfc_7515_a_6_general() -> None:
    document, keys = general()
    both = jws.verify_general(json.dumps(document), keys)
    assert [verified.header for verified in both] == [{"alg": "RS256"}, {"alg": "ES256"}]
    assert {json.dumps(json.loads(verified.payload)) for verified in both} == {json.dumps(CLAIMS)}
    only = jwk.KeySet([next(key for key in keys if key.algorithm == "ES256")])
    with pytest.raises(jwt.UnknownKey):
        jws.verify_general(document, only)
    (one,) = jws.verify_general(document, only, minimum=1)
    assert one.key.algorithm == "ES256"


def test_rfc_7515_a_7_flattened() -> None:
    document, keys = general()
    signature = document["signatures"][1]
    assert jws.verify_json({"payload": document["payload"], **signature}, keys).header == {"alg": "ES256"}


# RFC 7797 4.1 and 4.2, and two more by joserfc, with the key of RFC 7515 A.1.
UNENCODED = "joserfc-fixtures/jws_rfc7797.json"


@pytest.mark.parametrize("number", range(4))
def test_rfc_7797(number: int) -> None:
    file = load(UNENCODED)
    test, key = file["tests"][number], jwk.Key.parse(OCT)
    text = test.get("payload", file["payload"])
    if test["protected"].get("b64", True):
        assert jws.verify(test["compact"], key).payload == text.encode()
        assert jws.verify_json(test["flattened_json"], key).payload == text.encode()
        with pytest.raises(InvalidToken):
            jws.verify_unencoded(test["compact"], None, key)
        return
    header, held, signature = test["compact"].split(".")
    assert jws.verify_unencoded(test["compact"], None if held else text.encode(), key).payload == text.encode()
    assert jws.verify_unencoded_json(test["flattened_json"], key).payload == text.encode()
    for refuse in (jws.verify, jwt.decode, jws.verify_json, jws.verify_general):
        with pytest.raises(InvalidToken):
            refuse(test["compact"], key)
    with pytest.raises(InvalidToken):
        jws.verify_unencoded(f"{header}..{signature}", b"another", key)


def test_rfc_7797_4_2_byte_for_byte() -> None:
    assert jws.sign_unencoded_json("$.02", jwk.Key.parse(OCT)) == load(UNENCODED)["tests"][1]["flattened_json"]
    assert jws.sign_unencoded(b"$.02", jwk.Key.parse(OCT)) == load(UNENCODED)["tests"][1]["compact"]


def test_the_cookbooks_two_of_rfc_7797() -> None:
    """One is good in both forms. The other's header, as printed there, has b64 false without crit, which RFC 7797 6 forbids."""
    example, key = load("ietf-jose-cookbook/rfc7797/hmac-sha2_b64_false.json"), jwk.Key.parse(OCT)
    output, payload = example["output"], example["input"]["payload"].encode()
    assert jws.verify_unencoded(output["compact"], None, key).payload == payload
    assert jws.verify_unencoded_json(output["json_flat"], key).payload == payload
    with pytest.raises(InvalidToken):
        jws.verify(output["compact"], key)
    with pytest.raises(InvalidToken, match="critical"):
        jws.verify_unencoded_json(load("ietf-jose-cookbook/rfc7797/4.2.hmac-sha2_b64_false.json")["output"]["json_flat"], key)


def test_rfc_7520_4_8_three_signatures() -> None:
    example = load("ietf-jose-cookbook/jws/4_8.multiple_signatures.json")
    private = {"d", "p", "q", "dp", "dq", "qi"}
    keys = [jwk.Key.parse({name: value for name, value in members.items() if name not in private}, alg=alg)
            for members, alg in zip(example["input"]["key"], ("RS256", "ES512", "HS256"), strict=True)]  # fmt: skip
    payload = example["input"]["payload"].encode()
    document = example["output"]["json"]
    for key, signature in zip(keys, document["signatures"], strict=True):
        (verified,) = jws.verify_general({"payload": document["payload"], "signatures": [signature]}, key)
        assert verified.payload == payload
    with pytest.raises(errors.KeyIDConflict):
        jwk.KeySet(keys[:2])  # the example gives two keys one kid
    named = [jwk.Key.from_public_key(key.public_key(), alg=key.algorithm, kid=key.algorithm) for key in keys[:2]]
    with pytest.raises(InvalidToken):
        jws.verify_general(document, jwk.KeySet(named), minimum=1)  # whose kids the signatures do not name


@pytest.mark.parametrize("name", ["3_1.ec_public_key", "3_3.rsa_public_key", "3_5.symmetric_key_mac_computation"])
def test_rfc_7520_3_keys(name: str) -> None:
    members = load(f"ietf-jose-cookbook/jwk/{name}.json")
    key = jwk.Key.parse(members, alg="RS256" if members["kty"] == "RSA" else None)
    assert key.kid == members["kid"]
    if members["kty"] != "oct":
        exported = key.jwk()
        assert {name: exported[name] for name in members} == members


@pytest.mark.parametrize("name", ["3_2.ec_private_key", "3_4.rsa_private_key", "3_6.symmetric_key_encryption"])
def test_rfc_7520_3_keys_that_do_not_verify(name: str) -> None:
    with pytest.raises(errors.ConfigurationError):
        jwk.Key.parse(load(f"ietf-jose-cookbook/jwk/{name}.json"), alg=None)
