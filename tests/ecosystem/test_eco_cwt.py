"""python-cwt: CBOR web tokens."""

from __future__ import annotations

from typing import Any

import pytest

cwt = pytest.importorskip("cwt", reason="needs the package cwt")
from cryptography.hazmat.primitives import serialization

from farsign import errors
from farsign_contrib.cwt import COSEKey

LIBRARY, HOW = "cwt", "farsign_contrib.cwt"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "ES512", "ES256K", "EdDSA"])
def test_a_token(any_key: Any, algorithm: str) -> None:
    signing = any_key(algorithm)
    key = COSEKey(signing)
    token = cwt.encode({"sub": "42"}, key)
    pem = signing.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    public = cwt.COSEKey.from_pem(pem.decode(), alg=algorithm, kid=signing.kid)
    assert cwt.decode(token, public)[2] == "42"
    assert cwt.decode(
        cwt.encode_and_sign({2: "42"}, COSEKey(signing, kid=b"k1")), cwt.COSEKey.from_pem(pem, alg=algorithm, kid="k1")
    )


def test_a_kind_that_it_has_not_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.AlgorithmNotSupported, match="cwt has no keys"):
        COSEKey(any_key("ML-DSA-44"))


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("ES256") as key:
        cwt.encode({"sub": "42"}, COSEKey(key))
