"""djangorestframework-simplejwt: the private-key object as SIGNING_KEY."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("rest_framework_simplejwt", reason="needs the package djangorestframework-simplejwt")
import jwt as pyjwt
from ecodjango import ready

ready()

from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken

LIBRARY, HOW = "djangorestframework-simplejwt", "unmodified: SIGNING_KEY"


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "ES256", "ES384"])
def test_a_backend_signs_and_verifies(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    backend = TokenBackend(algorithm, key.as_private_key(), key.public_key(), audience="api")
    token = backend.encode({"sub": "42", "token_type": "access"})
    assert pyjwt.decode(token, key.public_key(), algorithms=[algorithm], audience="api")["sub"] == "42"
    assert backend.decode(token)["sub"] == "42"


def test_it_is_a_setting(any_key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    key = any_key("ES256")
    monkeypatch.setattr(AccessToken, "_token_backend", TokenBackend("ES256", key.as_private_key(), key.public_key()))
    token = AccessToken()
    token[api_settings.USER_ID_CLAIM] = "42"
    assert pyjwt.decode(str(token), key.public_key(), algorithms=["ES256"])[api_settings.USER_ID_CLAIM] == "42"
    assert AccessToken(str(token))[api_settings.USER_ID_CLAIM] == "42"


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("ES256") as key:
        TokenBackend("ES256", key.as_private_key(), key.public_key()).encode({"sub": "42"})
