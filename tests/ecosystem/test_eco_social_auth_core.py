"""social-auth-core: the client secret of "Sign in with Apple", which is a JWT."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import jwt as pyjwt
import pytest

pytestmark = [
    pytest.mark.skipif(not find_spec("social_core"), reason="needs the package social-auth-core"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of what it imports
]
LIBRARY, HOW = "social-auth-core", "unmodified: SOCIAL_AUTH_APPLE_ID_SECRET"


def apple(settings: dict[str, Any]) -> Any:
    from social_core.backends.apple import AppleIdAuth
    from social_core.storage import BaseStorage
    from social_core.strategy import BaseStrategy

    class Strategy(BaseStrategy):
        def get_setting(self, name: str) -> Any:
            return settings[name]

        def build_absolute_uri(self, path: str | None = None) -> str:
            return f"https://app.example{path or ''}"

        def request_data(self, merge: bool = True) -> dict[str, Any]:
            return {}

    return AppleIdAuth(Strategy(BaseStorage()))


@pytest.mark.parametrize("algorithm", ["ES256"])
def test_a_client_secret(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    names = {"CLIENT": "org.example.app", "TEAM": "T1", "KEY": "K1", "SECRET": key.as_private_key()}
    client, secret = apple({f"SOCIAL_AUTH_APPLE_ID_{name}": value for name, value in names.items()}).get_key_and_secret()
    claims = pyjwt.decode(secret, key.public_key(), algorithms=[algorithm], audience="https://appleid.apple.com")
    assert (client, claims["sub"], claims["iss"]) == ("org.example.app", "org.example.app", "T1")
    assert pyjwt.get_unverified_header(secret)["kid"] == "K1"
