"""PyGithub: a GitHub App's token."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("github", reason="needs the package PyGithub")
import jwt as pyjwt

from farsign import errors
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


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("RS256") as key:
        _ = AppAuth(42, key).token


def test_a_kind_that_github_has_not_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.AlgorithmNotSupported, match="GitHub has no keys"):
        AppAuth(42, any_key("ES256"))
