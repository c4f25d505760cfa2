"""Keys: every form that they come in and go out in, and both names of Ed25519 (RULES 27)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from josekeys import CERTIFIED, EC_JWK, KEYS, RSA, certificate, public, token

import farsign_local
from farsign import Signer, errors, jwk, jws, jwt
from farsign._base.encodings import b64url_decode


def verifies(key: jwk.Key, alg: str) -> bool:
    named = jws.unverified_header(token(alg))["kid"]
    return key.kid in (None, named) and jws.verify(token(alg), key).payload == b"payload"


# -- in -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", KEYS)
def test_public_keys_come_as_pem_der_object_and_jwk(alg: str) -> None:
    pem, der = public(alg, Encoding.PEM), public(alg, Encoding.DER)
    keys = [
        jwk.Key.from_pem(pem, alg=alg),
        jwk.Key.from_pem(pem.decode(), alg=alg),
        jwk.Key.from_der(der, alg=alg),
        jwk.Key.from_public_key(KEYS[alg].public_key(), alg=alg),
    ]
    members = keys[0].jwk()
    keys += [jwk.Key.parse(members), jwk.Key.parse(json.dumps(members)), jwk.Key.parse(json.dumps(members).encode())]
    assert all(verifies(key, alg) for key in keys)
    assert {key.thumbprint for key in keys} == {keys[0].thumbprint}
    assert {key.algorithm for key in keys} == {alg}


@pytest.mark.parametrize("alg", CERTIFIED)
def test_and_in_certificates(alg: str) -> None:
    cert = certificate(alg)
    pem, der = cert.public_bytes(Encoding.PEM), cert.public_bytes(Encoding.DER)
    for key in (
        jwk.Key.from_certificate(cert, alg=alg),
        jwk.Key.from_certificate(pem, alg=alg),
        jwk.Key.from_certificate(pem.decode(), alg=alg),
        jwk.Key.from_certificate(der, alg=alg),
        jwk.Key.from_pem(pem, alg=alg),
        jwk.Key.from_der(der, alg=alg),
        jwk.Key.from_public_key(cert, alg=alg),  # type: ignore[arg-type]  # taken for what it holds
    ):
        assert verifies(key, alg)


def test_a_signing_key_is_what_verifies_its_own_signatures() -> None:
    key = Signer(farsign_local.opener(KEYS["ES256"])).key()
    assert jws.verify(token("ES256"), key).key.kid == key.kid
    assert jwk.Key.of(key).jwk() == key.jwk()


@pytest.mark.parametrize("alg", ["RS256", None])
def test_rsa_needs_its_algorithm_said_once(alg: str | None) -> None:
    members = {**jwk.Key.from_pem(public("RS256", Encoding.PEM), alg="RS256").jwk()}
    del members["alg"]
    if alg:
        assert jwk.Key.parse(members, alg=alg).algorithm == alg
        return
    for make in (lambda: jwk.Key.from_pem(public("RS256", Encoding.PEM)), lambda: jwk.Key.parse(members)):
        with pytest.raises(errors.AlgorithmRequired):
            make()


@pytest.mark.parametrize(("alg", "wrong"), [("ES256", "ES384"), ("ES256", "RS256"), ("RS256", "ES256"), ("EdDSA", "ES256"), ("RS256", "HS256"), ("ES256", "none"), ("ES256", ""), ("ES256", 7), ("ML-DSA-44", "ML-DSA-65")])  # fmt: skip
def test_an_algorithm_that_does_not_fit_is_refused(alg: str, wrong: Any) -> None:
    """Checklist 4."""
    with pytest.raises(errors.InvalidKey):
        jwk.Key.from_pem(public(alg, Encoding.PEM), alg=wrong)


@pytest.mark.parametrize("make", [
    lambda: jwk.Key.from_pem(RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), alg="RS256"),
    lambda: jwk.Key.from_pem(RSA.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()), alg="RS256"),
    lambda: jwk.Key.from_der(RSA.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), alg="RS256"),
    lambda: jwk.Key.from_public_key(RSA, alg="RS256"),
    lambda: jwk.Key.from_pem(public("ES256", Encoding.PEM) * 2),
    lambda: jwk.Key.from_pem(b""),
    lambda: jwk.Key.from_pem(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
    lambda: jwk.Key.from_pem("x" * 100_000),
    lambda: jwk.Key.from_pem(None),  # type: ignore[arg-type]  # a wrong call
    lambda: jwk.Key.from_der(b"\x30\x00"),
    lambda: jwk.Key.from_certificate(b"\x30\x00"),
    lambda: jwk.Key.from_public_key(object()),
    lambda: jwk.Key.from_public_key(x25519.X25519PrivateKey.generate().public_key()),
    lambda: jwk.Key.from_public_key(ed448.Ed448PrivateKey.generate().public_key()),
    lambda: jwk.Key.from_public_key(dsa.generate_private_key(2048).public_key()),
    lambda: jwk.Key.from_public_key(ec.generate_private_key(ec.BrainpoolP256R1()).public_key()),
    lambda: jwk.Key.from_public_key(rsa.generate_private_key(65537, 1024).public_key(), alg="RS256"),
    lambda: jwk.Key.from_der(x25519.X25519PrivateKey.generate().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
])  # fmt: skip
def test_what_is_no_public_key_is_refused_and_says_what_to_do(make: Any) -> None:
    with pytest.raises(errors.InvalidKey) as caught:
        make()
    assert caught.value.next_step
    assert "BEGIN" not in str(caught.value)


# -- out ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", KEYS)
def test_exported_keys_are_complete(alg: str) -> None:
    key = jwk.Key.from_pem(public(alg, Encoding.PEM), alg=alg)
    members = key.jwk()
    assert members["alg"] == alg
    assert members["kid"] == key.thumbprint
    assert members["use"] == "sig"
    assert not {"d", "p", "q", "dp", "dq", "qi", "priv", "k"} & members.keys()
    again = jwk.KeySet.parse(json.dumps(jwk.document([key], include="all")))
    assert [other.thumbprint for other in again] == [key.thumbprint]
    native = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert native == public(alg, Encoding.DER)


def test_coordinates_keep_their_leading_zeros() -> None:
    """RFC 7518 6.2.1.2: 3 in 1,000 keys have a coordinate that starts with a zero octet; libraries have dropped it."""
    private = next(
        key
        for number in range(1, 5_000)
        if (key := ec.derive_private_key(number, ec.SECP256R1())).public_key().public_numbers().x >> 248 == 0
    )
    members = jwk.Key.from_public_key(private.public_key()).jwk()
    assert len(b64url_decode(members["x"])) == 32
    assert jwk.Key.parse(members).public_key() == private.public_key()


def test_a_shared_secret_is_never_exported() -> None:
    key = jwk.Key.from_secret(b"s" * 32, alg="HS256")
    for export in (key.jwk, key.public_key, lambda: key.thumbprint, lambda: jwk.document([key])):
        with pytest.raises(errors.ConfigurationError):
            export()
    assert "ssss" not in repr(key) + str(key)


# -- both names of Ed25519 (RULES 27) -------------------------------------------------------------------------------------


def test_rules_27_both_names_verify_with_a_key_that_says_neither() -> None:
    """RFC 9864 renames EdDSA. A key with alg is for that name alone; a key without is for both."""
    private = KEYS["EdDSA"]
    tokens = {alg: jws.sign(b"payload", Signer(farsign_local.opener(private), alg=alg)) for alg in ("EdDSA", "Ed25519")}
    silent = jwk.Key.from_public_key(private.public_key())
    assert silent.algorithm == "EdDSA"
    for alg, other in (("EdDSA", "Ed25519"), ("Ed25519", "EdDSA")):
        assert jws.verify(tokens[alg], silent).header["alg"] == alg
        told = jwk.Key.from_public_key(private.public_key(), alg=alg)
        assert jws.verify(tokens[alg], told).header["alg"] == alg
        with pytest.raises(jwt.InvalidAlgorithmError):
            jws.verify(tokens[other], told)


def test_rules_27_the_curve_decides_for_a_jwk_without_alg() -> None:
    for alg in ("ES256", "ES384", "ES512", "ES256K", "EdDSA"):
        members = jwk.Key.from_pem(public(alg, Encoding.PEM)).jwk()
        del members["alg"]
        assert jwk.Key.parse(members).algorithm == alg


@pytest.mark.parametrize("thing", [public("ES256", Encoding.PEM), "secret", b"s" * 32, None, 7, {}, {"keys": []}, [], EC_JWK, object(), KEYS["ES256"], KEYS["ES256"].public_key()])  # fmt: skip
def test_what_is_no_key_says_what_to_make_of_it(thing: Any) -> None:
    """Checklist 2: no function takes text for a key, so none has to guess what kind it is."""
    for verify in (jws.verify, jwt.decode):
        with pytest.raises(errors.ConfigurationError) as caught:
            verify(token("ES256"), thing)
        assert caught.value.next_step
