"""Authlib: its own jose, and private_key_jwt of its OAuth clients (RFC 7523)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest

pytest.importorskip("authlib", reason="needs the package Authlib")
pytest.importorskip("joserfc", reason="needs the package joserfc")
import jwt as pyjwt
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc7523 import PrivateKeyJWT

from farsign import errors
from farsign_contrib import authlib as adapter
from farsign_contrib import joserfc

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # authlib.jose is deprecated, and says so at import
LIBRARY, HOW = "Authlib", "farsign_contrib.authlib; OAuth clients: farsign_contrib.joserfc"
URL = "https://issuer.example/token"


def sign(key: Any, algorithm: str) -> bytes:
    from authlib.jose import JsonWebToken

    token: bytes = JsonWebToken([algorithm]).encode({"alg": algorithm}, {"sub": "42"}, adapter.key(key))
    return token


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_tokens(any_key: Any, algorithm: str) -> None:
    from authlib.jose import JsonWebKey, JsonWebToken

    key = any_key(algorithm)
    published = adapter.key(key).as_dict()
    assert "d" not in published
    assert published["kid"] == key.kid
    assert JsonWebToken([algorithm]).decode(sign(key, algorithm), JsonWebKey.import_key(published)) == {"sub": "42"}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_client_authenticates(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    auth = ClientAuth("client", joserfc.import_key(key), PrivateKeyJWT(URL, alg=algorithm))
    _, _, body = auth.prepare("POST", URL, {}, "grant_type=client_credentials")
    (assertion,) = parse_qs(body)["client_assertion"]
    assert pyjwt.decode(assertion, key.public_key(), algorithms=[algorithm], audience=URL)["sub"] == "client"


def test_a_kind_that_it_has_not_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.AlgorithmNotSupported, match="Authlib has no keys"):
        adapter.key(any_key("ML-DSA-44"))


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("ES256") as key:
        sign(key, "ES256")
