"""flask-jwt-extended: a login and a protected view."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("flask_jwt_extended", reason="needs the package flask-jwt-extended")
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, get_jwt_identity, jwt_required

LIBRARY, HOW = "flask-jwt-extended", "unmodified: JWT_PRIVATE_KEY"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_a_view(any_key: Any, algorithm: str) -> None:
    key, app = any_key(algorithm), Flask("app")
    app.config.update(JWT_ALGORITHM=algorithm, JWT_PRIVATE_KEY=key.as_private_key(), JWT_PUBLIC_KEY=key.public_key())
    JWTManager(app)

    @app.post("/login")
    def login() -> str:
        return str(create_access_token("42"))

    @app.get("/me")
    @jwt_required()
    def me() -> str:
        return str(get_jwt_identity())

    client = app.test_client()
    token = client.post("/login").text
    header, payload, signature = token.split(".")
    assert client.get("/me", headers={"Authorization": f"Bearer {token}"}).text == "42"
    forged = f"Bearer {header}.{payload}.{signature[:-8]}AAAAAAAA"
    assert client.get("/me", headers={"Authorization": forged}).status_code == 422
