"""jwcrypto: JWS and JWT through a JWK."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("jwcrypto", reason="needs the package jwcrypto")
from jwcrypto import jwk, jws, jwt

from farsign import errors
from farsign_contrib import jwcrypto as adapter

LIBRARY, HOW = "jwcrypto", "farsign_contrib.jwcrypto"


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "ES256", "ES384", "ES512", "ES256K", "EdDSA", "ML-DSA-65"])
def test_tokens(any_key: Any, algorithm: str) -> None:
    signing = any_key(algorithm)
    key = adapter.jwk(signing, alg=algorithm)
    signer = jws.JWS(json.dumps({"sub": "42"}))
    signer.allowed_algs = [algorithm]
    signer.add_signature(key, None, json.dumps({"alg": algorithm, "kid": key["kid"]}))
    verifier = jws.JWS()
    verifier.allowed_algs = [algorithm]
    verifier.deserialize(signer.serialize(compact=True), jwk.JWK(**key.export_public(as_dict=True)))
    assert json.loads(verifier.payload) == {"sub": "42"}
    assert key.thumbprint() == signing.thumbprint


def test_it_exports_the_public_part_only(any_key: Any) -> None:
    key = adapter.jwk(any_key("ES256"))
    assert "d" not in json.loads(key.export())
    keys = jwk.JWKSet()
    keys["keys"].add(key)
    assert "d" not in json.loads(keys.export())["keys"][0]
    assert key.has_private
    assert not key.public().has_private


def test_it_keeps_the_checks_of_use(any_key: Any) -> None:
    key = adapter.jwk(any_key("RS256"))
    with pytest.raises(jwk.InvalidJWKUsage):
        key.get_op_key("decrypt")
    token = jwt.JWT(header={"alg": "RS256"}, claims={"sub": "42"})
    token.make_signed_token(key)
    assert jwt.JWT(key=key, jwt=token.serialize()).claims == '{"sub":"42"}'


def test_anything_but_a_key_is_refused() -> None:
    with pytest.raises(errors.InvalidKey, match="not dict"):
        adapter.jwk({})


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("ES256") as key:
        jwt.JWT(header={"alg": "ES256"}, claims={"sub": "42"}).make_signed_token(adapter.jwk(key))
