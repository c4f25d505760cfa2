"""jwskate: JWS and JWT."""

from __future__ import annotations

from typing import Any

import pytest

jwskate = pytest.importorskip("jwskate", reason="needs the package jwskate")

from farsign import errors
from farsign_contrib.jwskate import Jwk

LIBRARY, HOW = "jwskate", "farsign_contrib.jwskate"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_a_jwt(any_key: Any, algorithm: str) -> None:
    signing = any_key(algorithm)
    key = Jwk(signing, alg=algorithm)
    token = jwskate.Jwt.sign({"sub": "42"}, key)
    assert token.verify_signature(jwskate.Jwk(signing.jwk()))
    assert token.claims == {"sub": "42"}
    assert jwskate.JwsCompact.sign(b"payload", key).verify_signature(jwskate.Jwk(signing.jwk()))
    assert "d" not in key
    assert key.thumbprint() == signing.thumbprint


def test_a_kind_that_it_has_not_is_refused(any_key: Any) -> None:
    for kind in ("ML-DSA-44", "ES256K"):
        with pytest.raises(errors.AlgorithmNotSupported, match="jwskate has no keys"):
            Jwk(any_key(kind))


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("ES256") as key:
        jwskate.Jwt.sign({"sub": "42"}, Jwk(key, alg="ES256"))
