"""Keys and key sets that must not be trusted (checklist 2 and 16 to 20, RULES 25, 30)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from josekeys import EC_JWK, KEYS, RSA, RSA_JWK, certificate, public, token

from farsign import errors, jwk, jws, jwt
from farsign._base.encodings import b64url_decode, b64url_encode

# -- checklist 16, 17: sets -----------------------------------------------------------------------------------------------

OCT_JWK = {"kty": "oct", "k": b64url_encode(bytes(range(32))), "alg": "HS256", "kid": "oct"}
SKIPPED: dict[str, dict[str, Any]] = {
    "use enc": RSA_JWK | {"use": "enc"},
    "use no text": RSA_JWK | {"use": ["sig"]},
    "use null": RSA_JWK | {"use": None},
    "key_ops without verify": RSA_JWK | {"key_ops": ["sign"]},
    "key_ops twice": RSA_JWK | {"key_ops": ["verify", "verify"]},
    "key_ops empty": RSA_JWK | {"key_ops": []},
    "key_ops no list": RSA_JWK | {"key_ops": "verify"},
    "kty unknown": RSA_JWK | {"kty": "DSA"},
    "kty missing": {name: value for name, value in RSA_JWK.items() if name != "kty"},
    "kty no text": RSA_JWK | {"kty": 7},
    "alg unknown": RSA_JWK | {"alg": "RS257"},
    "alg for encryption": RSA_JWK | {"alg": "RSA-OAEP"},
    "alg of another kind": RSA_JWK | {"alg": "ES256"},
    "alg none": RSA_JWK | {"alg": "none"},
    "alg null": RSA_JWK | {"alg": None},
    "alg missing": {name: value for name, value in RSA_JWK.items() if name != "alg"},
    "kid empty": RSA_JWK | {"kid": ""},
    "kid a number": RSA_JWK | {"kid": 7},
    "kid null": RSA_JWK | {"kid": None},
    "kid too long": RSA_JWK | {"kid": "k" * 1_025},
    "curve unknown": EC_JWK | {"crv": "P-257", "kid": "x"},
    "curve of another kind": EC_JWK | {"crv": "Ed25519", "kid": "x"},
    "X25519": {"kty": "OKP", "crv": "X25519", "x": b64url_encode(bytes(32)), "kid": "x"},
    "too many members": RSA_JWK | {f"m{number}": number for number in range(64)},
    "n with padding": RSA_JWK | {"n": RSA_JWK["n"] + "=="},
    "n with a leading zero": RSA_JWK | {"n": b64url_encode(b"\0" + b64url_decode(RSA_JWK["n"]))},
    "n with a space": RSA_JWK | {"n": " " + RSA_JWK["n"]},
    "n a number": RSA_JWK | {"n": 7},
    "n empty": RSA_JWK | {"n": ""},
    "e missing": {name: value for name, value in RSA_JWK.items() if name != "e"},
    "x of 31 bytes": EC_JWK | {"x": b64url_encode(b64url_decode(EC_JWK["x"])[1:]), "kid": "x"},
    "x of 33 bytes": EC_JWK | {"x": b64url_encode(b"\0" + b64url_decode(EC_JWK["x"])), "kid": "x"},
    "ML-DSA without alg": {"kty": "AKP", "pub": "AAAA", "kid": "x"},
    "ML-DSA too short": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "x"},
}  # fmt: skip


@pytest.mark.parametrize("case", SKIPPED)
def test_keys_that_cannot_verify_here_are_skipped_with_a_reason(case: str) -> None:
    """Checklist 16 to 19: alone they are an error, beside a good key they are left out."""
    with pytest.raises(errors.ConfigurationError):
        jwk.KeySet.parse({"keys": [SKIPPED[case]]})
    with pytest.raises(errors.ConfigurationError):
        jwk.Key.parse(SKIPPED[case])
    keys = jwk.KeySet.parse({"keys": [SKIPPED[case], EC_JWK]})
    assert [key.kid for key in keys] == ["ec"]
    ((where, reason),) = keys.skipped
    assert where == "keys[0]"
    assert reason


HOSTILE: dict[str, Any] = {
    "a kid twice": {"keys": [EC_JWK | {"kid": "rsa"}, RSA_JWK]},
    "a kid twice, one of them unusable": {"keys": [EC_JWK, RSA_JWK | {"kid": "ec", "use": "enc"}]},
    "the same key twice": {"keys": [EC_JWK, EC_JWK]},
    "a secret among public keys": {"keys": [OCT_JWK, EC_JWK]},
    "a secret among public keys, unusable": {"keys": [OCT_JWK | {"alg": "A128GCM"}, EC_JWK]},
    **{f"a private member ({name})": {"keys": [RSA_JWK | {name: "AQAB"}, EC_JWK]} for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "priv", "k")},
    "a private member in an unusable key": {"keys": [RSA_JWK | {"use": "enc", "d": "AQAB"}, EC_JWK]},
    "101 keys": {"keys": [EC_JWK | {"kid": str(number)} for number in range(101)]},
    "no keys": {"keys": []},
    "keys missing": {},
    "keys no list": {"keys": EC_JWK},
    "keys null": {"keys": None},
    "a JWK": EC_JWK,
    "only what is no object": {"keys": [7, None, "x", []]},
    "text": "x",
    "a list": [EC_JWK],
    "a member twice": f'{{"keys":[],"keys":[{json.dumps(EC_JWK)}]}}',
    "a member of a key twice": f'{{"keys":[{json.dumps(EC_JWK)[:-1]},"kid":"other"}}]}}',
    "too much text": json.dumps({"keys": [EC_JWK], "x": " " * 262_144}),
    "UTF-16": json.dumps({"keys": [EC_JWK]}).encode("utf-16"),
    "no JSON": b"<html>",
    "nothing": b"",
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_sets_are_refused_whole(case: str) -> None:
    """Checklist 17: who mixes secrets with public keys, publishes private ones or uses a kid twice is not to be trusted with the rest."""
    with pytest.raises(errors.ConfigurationError) as caught:
        jwk.KeySet.parse(HOSTILE[case])
    assert "AQAB" not in caught.value.diagnostics()


def test_the_key_of_the_kid_verifies_and_no_other() -> None:
    keys = jwk.KeySet([jwk.Key.from_pem(public(alg, Encoding.PEM), alg=alg) for alg in ("ES256", "ES384", "RS256", "EdDSA")])
    for alg in ("ES256", "ES384", "RS256", "EdDSA"):
        assert jws.verify(token(alg), keys).key.algorithm == alg
    with pytest.raises(jwt.UnknownKey) as caught:
        jws.verify(token("ES512"), keys)
    assert caught.value.kid


def test_a_token_without_kid_against_a_hundred_keys_costs_no_verification_at_all() -> None:
    """RULES 25: no trial verification, so no lever for strangers."""
    checked: list[bytes] = []
    keys = [
        jwk.Key.from_public_key(ec.derive_private_key(number, ec.SECP256R1()).public_key(), kid=str(number))
        for number in range(1, 101)
    ]
    for key in keys:
        object.__setattr__(key, "check", lambda signature, data: checked.append(data))
    nameless = jws.sign(b"{}", jwk.Key.from_secret(b"s" * 32, alg="HS256"))
    header = b64url_encode(b'{"alg":"ES256"}')
    with pytest.raises(jwt.UnknownKey):
        jws.verify(".".join([header, *nameless.split(".")[1:]]), jwk.KeySet(keys))
    assert checked == []


# -- checklist 18, 19, 20 -------------------------------------------------------------------------------------------------


def ec_jwk(x: int, y: int, size: int = 32, crv: str = "P-256") -> dict[str, str]:
    return {"kty": "EC", "crv": crv, "x": b64url_encode(x.to_bytes(size, "big")), "y": b64url_encode(y.to_bytes(size, "big"))}


POINT = KEYS["ES256"].public_key().public_numbers()
P256 = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF


@pytest.mark.parametrize("members", [
    ec_jwk(POINT.x, POINT.y ^ 1), ec_jwk(0, 0), ec_jwk(1, 1), ec_jwk(P256, POINT.y), ec_jwk(POINT.x, P256 - 1), ec_jwk(POINT.y, POINT.x),
    ec_jwk(POINT.x, POINT.y, 33), ec_jwk(POINT.x, POINT.y, crv="secp256k1"), ec_jwk(POINT.x, POINT.y, 48, "P-384"),
])  # fmt: skip
def test_points_that_are_on_no_curve_are_refused(members: dict[str, str]) -> None:
    """Checklist 19 (RFC 8725 3.4)."""
    with pytest.raises(errors.InvalidKey):
        jwk.Key.parse(members)


P25519 = 2**255 - 19
SMALL = (0, 1, P25519 - 1, 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7, 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826)  # fmt: skip
NOT_CANONICAL = (P25519, P25519 + 1, 2**255 - 1)


@pytest.mark.parametrize("y", [*SMALL, *NOT_CANONICAL, 2])
@pytest.mark.parametrize("sign", [0, 1])
def test_ed25519_points_that_anybody_can_sign_for_are_refused(y: int, sign: int) -> None:
    """Checklist 19: small order, or another encoding of a point. (2 is the y of no point.)"""
    raw = (y | sign << 255).to_bytes(32, "little")
    for make in (
        lambda: jwk.Key.parse({"kty": "OKP", "crv": "Ed25519", "x": b64url_encode(raw)}),
        lambda: jwk.Key.from_public_key(ed25519.Ed25519PublicKey.from_public_bytes(raw)),
    ):
        with pytest.raises(errors.InvalidKey):
            make()


def test_the_identity_key_would_verify_everything() -> None:
    """Why: with the identity as public key, R = S*B is a signature of any message. cryptography takes it."""
    identity = ed25519.Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little"))
    identity.verify((1).to_bytes(32, "little") + bytes(32), b"anything")


def roca_modulus() -> int:
    """Of the form that the faulty generator makes: k*M + 65537^a mod M, for each factor (CVE-2017-15361)."""
    product = 1
    for prime in range(2, 168):
        if all(prime % divisor for divisor in range(2, int(prime**0.5) + 1)):
            product *= prime
    return (1 << 2047) // product * product + product + pow(65537, 1234, product)


def test_rules_30_roca_keys_are_refused() -> None:
    members = {"kty": "RSA", "alg": "RS256", "e": "AQAB", "n": b64url_encode(roca_modulus().to_bytes(256, "big"))}
    with pytest.raises(errors.InvalidKey, match="ROCA"):
        jwk.Key.parse(members)


@pytest.mark.parametrize(("bits", "exponent"), [(1024, 65537), (2047, 65537), (8193, 65537), (2048, 1), (2048, 2), (2048, 65536), (2048, 2**32 + 1), (2048, 2**33 + 1)])  # fmt: skip
def test_rules_30_rsa_keys_that_are_too_weak_or_odd_are_refused(bits: int, exponent: int) -> None:
    """Checklist 18."""
    modulus = RSA.public_key().public_numbers().n if bits == 2048 else (1 << bits) - 1 - 2**20
    with pytest.raises(errors.InvalidKey):
        jwk.Key.parse({"kty": "RSA", "alg": "RS256", "n": number(modulus), "e": number(exponent)})


def test_rules_30_an_exponent_of_three_warns() -> None:
    with pytest.warns(jwk.WeakKeyWarning, match="exponent 3"):
        jwk.Key.parse({"kty": "RSA", "alg": "RS256", "n": RSA_JWK["n"], "e": number(3)})


def test_rules_30_an_even_modulus_is_no_key() -> None:
    with pytest.raises(errors.InvalidKey):
        jwk.Key.parse({"kty": "RSA", "alg": "RS256", "n": number(RSA.public_key().public_numbers().n - 1), "e": "AQAB"})


def number(value: int) -> str:
    return b64url_encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@pytest.mark.parametrize(("alg", "least"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_is_as_long_as_the_hash(alg: str, least: int) -> None:
    """Checklist 20 (RFC 7518 3.2)."""
    secret = bytes(range(200, 200 + least % 256)) if least < 56 else bytes(index % 251 for index in range(least))
    key = jwk.Key.from_secret(secret, alg=alg)
    assert jws.verify(jws.sign(b"x", key), key).payload == b"x"
    for wrong in (secret[:-1], b"", b"x" * 4_097):
        with pytest.raises(errors.InvalidKey):
            jwk.Key.from_secret(wrong, alg=alg)
    with pytest.raises(errors.InvalidKey):
        jwk.Key.parse({"kty": "oct", "alg": alg, "k": b64url_encode(secret[:-1])})


SSH = KEYS["EdDSA"].public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
KEY_TEXTS: dict[str, bytes] = {
    "PEM": public("RS256", Encoding.PEM),
    "PEM, indented": b" \n" + public("RS256", Encoding.PEM),
    "PEM of PKCS#1": RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1),
    "DER": public("RS256", Encoding.DER),
    "DER of PKCS#1": RSA.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1),
    "DER, EC": public("ES256", Encoding.DER),
    "certificate, PEM": certificate("ES256").public_bytes(Encoding.PEM),
    "certificate, DER": certificate("ES256").public_bytes(Encoding.DER),
    "private key, PEM": RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    "private key, DER": RSA.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    "OpenSSH": SSH,
    "JWK": json.dumps(RSA_JWK).encode(),
    "JWK, broken": json.dumps(RSA_JWK).encode() + b"x",
    "JWKS": json.dumps({"keys": [RSA_JWK]}).encode(),
    "JWKS, indented": json.dumps({"keys": [RSA_JWK]}, indent=2).encode(),
}


@pytest.mark.parametrize("form", KEY_TEXTS)
def test_no_text_of_a_public_key_becomes_a_secret(form: str) -> None:
    """Checklist 2 (CVE-2022-29217, CVE-2024-33663, CVE-2024-37568, CVE-2026-48526)."""
    for secret in (KEY_TEXTS[form], KEY_TEXTS[form] + b"\n"):
        with pytest.raises(errors.InvalidKey):
            jwk.Key.from_secret(secret, alg="HS256")
    with pytest.raises(errors.InvalidKey):
        jwk.Key.parse({"kty": "oct", "alg": "HS256", "k": b64url_encode(KEY_TEXTS[form])})
    with pytest.raises(errors.InvalidKey):
        jwk.Key.from_secret(KEY_TEXTS[form].decode("latin-1"), alg="HS256")  # type: ignore[arg-type]  # text is no secret


def test_base64_in_the_standard_alphabet_is_no_jwk() -> None:
    """Checklist 8, in a JWK: + and / are not of base64url."""
    text = base64.b64encode(b64url_decode(RSA_JWK["n"])).decode()
    assert set("+/=") & set(text)
    with pytest.raises(errors.InvalidKey):
        jwk.Key.parse(RSA_JWK | {"n": text})
