"""Tokens of every algorithm verify in libraries that we did not write, from the published key alone; and theirs in ours."""

from __future__ import annotations

import json
from typing import Any

import jwt as pyjwt
import panva
import pytest
from cryptography.hazmat.primitives import serialization
from josekeys import KEYS

import farsign_local
from farsign import Signer, jwk, jwt

CLAIMS = {"sub": "42", "aud": "api", "n": [1, {"é": None}]}
PYJWT = [name for name in KEYS if name != "Ed25519" and not name.startswith("ML-DSA")]
JOSERFC = [name for name in KEYS if not name.startswith("ML-DSA")]
PANVA = [name for name in KEYS if name in panva.ALGORITHMS]


def token_and_jwk(algorithm: str) -> tuple[str, dict[str, str]]:
    signer = Signer(farsign_local.opener(KEYS[algorithm]), alg=algorithm)
    return jwt.encode(CLAIMS, signer, expires_in=300), signer.key().jwk()


def without_times(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name not in ("iat", "exp")}


@pytest.mark.parametrize("algorithm", PYJWT)
def test_pyjwt(algorithm: str) -> None:
    token, published = token_and_jwk(algorithm)
    claims = pyjwt.decode(token, pyjwt.PyJWK(published), algorithms=[algorithm], audience="api")
    assert without_times(claims) == CLAIMS
    theirs = pyjwt.encode(CLAIMS, KEYS[algorithm], algorithm=algorithm, headers={"kid": published["kid"]})
    assert jwt.decode(theirs, jwk.KeySet.parse({"keys": [published]}), audience="api") == CLAIMS


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # joserfc's own advice; many verifiers know only that name
@pytest.mark.parametrize("algorithm", JOSERFC)
def test_joserfc(algorithm: str) -> None:
    library = pytest.importorskip("joserfc.jwt")
    from joserfc.jwk import import_key

    token, published = token_and_jwk(algorithm)
    claims = library.decode(token, import_key(published), algorithms=[algorithm]).claims
    assert without_times(claims) == CLAIMS


@pytest.mark.parametrize("algorithm", KEYS)
def test_jwcrypto(algorithm: str) -> None:
    pytest.importorskip("jwcrypto")
    from jwcrypto import jwk as their_jwk
    from jwcrypto import jws as their_jws

    token, published = token_and_jwk(algorithm)
    verifier = their_jws.JWS()
    verifier.allowed_algs = [algorithm]
    verifier.deserialize(token, their_jwk.JWK(**published))
    assert without_times(json.loads(verifier.payload)) == CLAIMS


def test_panva_jose_in_node() -> None:
    found = panva.claims_of([token_and_jwk(algorithm) for algorithm in PANVA])
    assert [without_times(claims) for claims in found] == [CLAIMS] * len(PANVA)


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_pem_of_the_public_key_is_enough(algorithm: str) -> None:
    token, published = token_and_jwk(algorithm)
    pem = KEYS[algorithm].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    key = jwk.Key.from_pem(pem, alg=algorithm)
    assert key.thumbprint == published["kid"]
    assert without_times(jwt.decode(token, jwk.Key.from_pem(pem, alg=algorithm, kid=published["kid"]), audience="api")) == CLAIMS
