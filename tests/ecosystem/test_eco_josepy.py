"""josepy: JWS with an account key."""

from __future__ import annotations

from typing import Any

import pytest

josepy = pytest.importorskip("josepy", reason="needs the package josepy")
import jwt as pyjwt

from farsign import errors
from farsign_contrib.josepy import JWK

LIBRARY, HOW = "josepy", "farsign_contrib.josepy"


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "ES256", "ES384", "ES512"])
def test_a_jws(any_key: Any, algorithm: str) -> None:
    signing = any_key(algorithm)
    key = JWK(signing)
    signed = josepy.JWS.sign(payload=b"payload", key=key, alg=getattr(josepy, algorithm), protect={"alg", "jwk"})
    received = josepy.JWS.json_loads(signed.json_dumps())
    assert received.verify()
    assert received.payload == b"payload"
    assert josepy.encode_b64jose(key.thumbprint()) == signing.thumbprint
    assert "d" not in key.to_json()
    assert received.signature.combined.jwk == key.public_key()


def test_ps256_with_the_salt_that_providers_sign(any_key: Any) -> None:
    signing = any_key("PS256")
    with pytest.raises(errors.AlgorithmNotSupported, match="32 bytes"):
        josepy.JWS.sign(payload=b"{}", key=JWK(signing), alg=josepy.PS256)
    key = JWK(signing.as_private_key(pss_max_length="digest"))
    compact = josepy.JWS.sign(payload=b"{}", key=key, alg=josepy.PS256, protect={"alg"}).to_compact()
    assert pyjwt.decode(compact, signing.public_key(), algorithms=["PS256"]) == {}


def test_a_kind_that_it_has_not_is_refused(any_key: Any) -> None:
    for kind in ("EdDSA", "ES256K"):
        with pytest.raises(errors.AlgorithmNotSupported, match="josepy has no keys"):
            JWK(any_key(kind))


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("ES256") as key:
        josepy.JWS.sign(payload=b"payload", key=JWK(key), alg=josepy.ES256)
