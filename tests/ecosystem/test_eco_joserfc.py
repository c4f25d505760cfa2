"""joserfc: JWS and JWT through its key classes."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("joserfc", reason="needs the package joserfc")
from joserfc import jws, jwt
from joserfc.jwk import KeySet, import_key

from farsign import errors
from farsign_contrib import joserfc as adapter

LIBRARY, HOW = "joserfc", "farsign_contrib.joserfc"
ALGORITHMS = ["RS256", "RS512", "PS256", "ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519"]


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # its own advice
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_tokens(any_key: Any, algorithm: str) -> None:
    signing = any_key("EdDSA" if algorithm == "Ed25519" else algorithm)
    key = adapter.import_key(signing)
    token = jwt.encode({"alg": algorithm}, {"sub": "42"}, key, algorithms=[algorithm])
    public = import_key(key.as_dict())
    assert jwt.decode(token, public, algorithms=[algorithm]).claims == {"sub": "42"}
    assert key.thumbprint() == signing.thumbprint
    assert key.kid == signing.kid


def test_it_lives_in_a_key_set_and_publishes_the_public_part(any_key: Any) -> None:
    key = adapter.import_key(any_key("ES256"), alg="ES256")
    keys = KeySet([key])
    token = jws.serialize_compact({"alg": "ES256", "kid": key.kid}, b"payload", keys)
    published = KeySet.import_key_set(keys.as_dict())
    assert jws.deserialize_compact(token, published).payload == b"payload"
    assert {"d", "p", "q"}.isdisjoint(keys.as_dict()["keys"][0])
    with pytest.raises(errors.KeyNotExportable):
        key.as_pem(private=True)


def test_the_private_key_object_is_taken_as_well_and_anything_else_is_refused(any_key: Any) -> None:
    key = any_key("ES256")
    assert adapter.import_key(key.as_private_key()).as_dict() == adapter.import_key(key).as_dict()
    with pytest.raises(errors.InvalidKey, match="not str"):
        adapter.import_key("awskms:///alias/auth")
    with pytest.raises(errors.AlgorithmNotSupported, match="joserfc has no keys"):
        adapter.import_key(any_key("ML-DSA-65"))


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("ES256") as key:
        jwt.encode({"alg": "ES256"}, {"sub": "42"}, adapter.import_key(key))
