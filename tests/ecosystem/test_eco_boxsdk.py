"""boxsdk below 10: a JWT application's assertion."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("boxsdk", reason="needs the package boxsdk, below 10")
import jwt as pyjwt
from boxsdk import JWTAuth
from boxsdk.config import API
from ecoserver import endpoint

LIBRARY, HOW = "boxsdk", "unmodified below 10: rsa_private_key_data="


@pytest.mark.parametrize("algorithm", ["RS256", "RS512"])
def test_an_assertion(any_key: Any, algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = any_key(algorithm)
    with endpoint() as there:
        monkeypatch.setattr(API, "OAUTH2_API_URL", there.authority)
        auth = JWTAuth("client", "secret", "7", "k1", rsa_private_key_data=key.as_private_key(), jwt_algorithm=algorithm)
        assert auth.authenticate_instance() == "opaque"
        assertion = there.form()["assertion"]
    claims = pyjwt.decode(assertion, key.public_key(), algorithms=[algorithm], audience="https://api.box.com/oauth2/token")
    assert (claims["iss"], claims["sub"]) == ("client", "7")
    assert pyjwt.get_unverified_header(assertion)["kid"] == "k1"
