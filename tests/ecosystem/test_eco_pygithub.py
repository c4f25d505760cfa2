"""PyGithub: a GitHub App's token."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("github", reason="needs the package PyGithub")
import jwt as pyjwt

from farsign_contrib.pygithub import AppAuth

LIBRARY, HOW = "PyGithub", "farsign_contrib.pygithub"


@pytest.mark.parametrize("algorithm", ["RS256"])
def test_an_app(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    auth = AppAuth(42, key, jwt_expiry=300)
    claims = pyjwt.decode(auth.token, key.public_key(), algorithms=[algorithm])
    assert claims["iss"] == "42"
    assert claims["exp"] - claims["iat"] == 360
    assert auth.get_installation_auth(7).installation_id == 7
