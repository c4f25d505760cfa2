"""cryptojwt: JWS and key bundles."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("cryptojwt", reason="needs the package cryptojwt")
from cryptojwt.jwk.jwk import key_from_jwk_dict
from cryptojwt.jws.jws import JWS, factory
from cryptojwt.key_bundle import KeyBundle

from farsign import errors
from farsign_contrib import cryptojwt as adapter

LIBRARY, HOW = "cryptojwt", "farsign_contrib.cryptojwt"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_a_jws(any_key: Any, algorithm: str) -> None:
    signing = any_key(algorithm)
    key = adapter.key(signing)
    token = JWS('{"sub": "42"}', alg=algorithm).sign_compact([key])
    published = key.serialize()
    assert published["kid"] == signing.kid
    assert key.serialize(private=True) == published
    assert factory(token).verify_compact(token, [key_from_jwk_dict(published)]) == {"sub": "42"}


def test_it_lives_in_a_bundle(any_key: Any) -> None:
    key = adapter.key(any_key("ES256"))
    bundle = KeyBundle()
    bundle.append(key)
    assert bundle.get_key_with_kid(key.kid) == adapter.key(any_key("ES256").as_private_key())
    assert len({key, adapter.key(any_key("ES256"))}) == 1
    assert "d" not in json.loads(bundle.jwks(private=True))["keys"][0]


def test_a_kind_that_it_has_not_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.AlgorithmNotSupported, match="cryptojwt has no keys"):
        adapter.key(any_key("ML-DSA-44"))


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("ES256") as key:
        JWS('{"sub": "42"}', alg="ES256").sign_compact([adapter.key(key)])
