"""firebase-admin: custom tokens."""

from __future__ import annotations

from typing import Any

import pytest

firebase_admin = pytest.importorskip("firebase_admin", reason="needs the package firebase-admin")
import jwt as pyjwt
from firebase_admin import auth

from farsign import errors
from farsign_contrib.firebase_admin import credential

LIBRARY, HOW = "firebase-admin", "farsign_contrib.firebase_admin"
EMAIL = "app@project.iam.gserviceaccount.com"


@pytest.mark.parametrize("algorithm", ["RS256"])
def test_a_custom_token(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    app = firebase_admin.initialize_app(credential(key, EMAIL, key_id="k1"), {"projectId": "project"}, name="test")
    try:
        token = auth.create_custom_token("user", {"admin": True}, app=app)
    finally:
        firebase_admin.delete_app(app)
    claims = pyjwt.decode(token, key.public_key(), algorithms=[algorithm], options={"verify_aud": False})
    assert (claims["iss"], claims["uid"], claims["claims"]) == (EMAIL, "user", {"admin": True})
    assert pyjwt.get_unverified_header(token)["kid"] == "k1"


def test_a_kind_that_service_accounts_have_not_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.AlgorithmNotSupported, match="service account has no keys"):
        credential(any_key("ES256"), EMAIL)
