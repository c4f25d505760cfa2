"""The RFCs' own examples: those that can be reproduced are, byte for byte; the others verify."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from published import folder, load

import farsign_local
from farsign import InvalidToken, Signer, jwk, jws
from farsign._base.encodings import b64url_decode, b64url_encode

RFC_7520 = "ietf-jose-cookbook/jws/"


def public(members: dict[str, Any], **more: str) -> jwk.Key:
    return jwk.Key.parse(
        {name: value for name, value in members.items() if name not in ["d", "p", "q", "dp", "dq", "qi", "priv"]} | more
    )


def number(text: str) -> int:
    return int.from_bytes(b64url_decode(text), "big")


def rsa_signer(members: dict[str, Any], alg: str) -> Signer:
    n, e, d, p, q = (number(members[name]) for name in ["n", "e", "d", "p", "q"])
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), rsa.RSAPublicNumbers(e, n)
    )
    return Signer(farsign_local.opener(numbers.private_key()), alg=alg, kid=members["kid"])


@pytest.mark.parametrize("name", ["4_1.rsa_v15_signature", "4_2.rsa-pss_signature", "4_3.ecdsa_signature"])
def test_rfc_7520_compact(name: str) -> None:
    example = load(f"{RFC_7520}{name}.json")
    key = public(example["input"]["key"], alg=example["input"]["alg"])
    assert jws.verify(example["output"]["compact"], key).payload.decode() == example["input"]["payload"]
    assert jws.verify_json(example["output"]["json_flat"], key).payload.decode() == example["input"]["payload"]


def test_rfc_7520_4_1_byte_for_byte() -> None:
    example = load(f"{RFC_7520}4_1.rsa_v15_signature.json")
    signer = rsa_signer(example["input"]["key"], "RS256")
    assert jws.sign(example["input"]["payload"].encode(), signer) == example["output"]["compact"]
    assert jws.sign_json(example["input"]["payload"].encode(), signer) == example["output"]["json_flat"]


def test_rfc_7520_4_4_and_4_5_byte_for_byte() -> None:
    example = load(f"{RFC_7520}4_4.hmac-sha2_integrity_protection.json")
    key = jwk.Key.parse(example["input"]["key"])
    payload = example["input"]["payload"].encode()
    assert jws.sign(payload, key) == example["output"]["compact"]
    detached = load(f"{RFC_7520}4_5.signature_with_detached_content.json")
    assert jws.sign_detached(payload, key) == detached["output"]["compact"]
    assert jws.verify_detached(detached["output"]["compact"], payload, key).payload == payload


@pytest.mark.parametrize("name", ["4_6.protecting_specific_header_fields", "4_7.protecting_content_only"])
def test_rfc_7520_unprotected_headers(name: str) -> None:
    """What stands outside the signature decides nothing: the key is the caller's, and with it the algorithm."""
    example = load(f"{RFC_7520}{name}.json")
    key = jwk.Key.parse(example["input"]["key"])
    verified = jws.verify_json(example["output"]["json_flat"], key)
    assert verified.payload.decode() == example["input"]["payload"]
    assert "kid" in verified.unprotected
    assert "kid" not in verified.header


@pytest.mark.parametrize("size", ["44", "65", "87"])
def test_rfc_9964(size: str) -> None:
    example = load(f"cose-dilithium-draft/examples/jose/examples/ML_DSA_{size}.jose.json")
    key = public(example["jwk"])
    assert key.thumbprint == example["jwk"]["kid"]
    assert jws.verify(example["jws"], key).payload
    with pytest.raises(InvalidToken):
        jws.verify(example["jws"][:-2] + ("AA" if example["jws"][-2:] != "AA" else "AB"), key)


def test_rfc_8037_a_3_and_a_4() -> None:
    example = load("ietf-jose-cookbook/curve25519/jws.json")
    members = example["input"]["key"]
    key = public(members)
    assert key.thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert jws.verify(example["output"]["compact"], key).payload.decode() == example["input"]["payload"]
    private = ed25519.Ed25519PrivateKey.from_private_bytes(b64url_decode(members["d"]))
    signature = Signer(farsign_local.opener(private)).key().sign(example["signing"]["sig-input"].encode())
    assert b64url_encode(signature) == example["signing"]["sig"]


def test_rfc_7638_3_1() -> None:
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W"
        "-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qN"
        "Lyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    key = jwk.Key.parse({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256"})
    assert key.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


KEYS = {
    "RS": "rsa-openssl-public.pem",
    "PS": "rsa-openssl-public.pem",
    "ES256": "ec-p256-public.pem",
    "ES384": "ec-p384-public.pem",
    "ES512": "ec-p512-public.pem",
    "ES256K": "ec-secp256k1-public.pem",
}


def test_joserfcs_examples_in_every_serialization() -> None:
    """Made by another library, for each algorithm whose key it publishes."""
    example, count = load("joserfc-fixtures/jws_examples.json"), 0
    for test in example["tests"]:
        alg = test.get("protected", {}).get("alg", "")
        name = KEYS.get(alg) or KEYS.get(alg[:2])
        if name is None or "compact" not in test:
            continue
        key = jwk.Key.from_pem((folder() / "joserfc-fixtures" / "keys" / name).read_bytes(), alg=alg)
        try:
            verified = jws.verify(test["compact"], key)
        except InvalidToken as error:
            pytest.fail(f"{test['name']}: {error}")
        assert verified.payload.decode() == example["payload"]
        if "flattened_json" in test:
            assert jws.verify_json(test["flattened_json"], key).payload == verified.payload
        if "general_json" in test:
            (first, *_) = jws.verify_general(test["general_json"], key)
            assert first.payload == verified.payload
        count += 1
    assert count >= 3


def test_every_example_is_for_its_own_key_only() -> None:
    token = load(f"{RFC_7520}4_3.ecdsa_signature.json")["output"]["compact"]
    other = jwk.Key.from_public_key(ec.generate_private_key(ec.SECP521R1()).public_key(), kid="bilbo.baggins@hobbiton.example")
    with pytest.raises(InvalidToken):
        jws.verify(token, other)
