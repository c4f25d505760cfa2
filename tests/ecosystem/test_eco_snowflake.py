"""snowflake-connector-python below 5: key-pair authentication, as the service receives it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from typing import Any

import pytest

pytest.importorskip("snowflake.connector", reason="needs the package snowflake-connector-python, below 5")
import jwt as pyjwt
import snowflake.connector
from cryptography.hazmat.primitives import serialization
from ecoserver import endpoint

LIBRARY, HOW = "snowflake-connector-python", "unmodified below 5: connect(private_key=...)"
SESSION = {"token": "t", "masterToken": "m", "sessionId": 1, "parameters": [], "sessionInfo": {}}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384"])
def test_a_login(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    with endpoint({"data": SESSION, "success": True}) as there:
        host, port = there.host.split(":")
        where = {"protocol": "http", "host": host, "port": int(port), "account": "account", "login_timeout": 5}
        snowflake.connector.connect(user="user", private_key=key.as_private_key(), **where).close()
        (sent,) = [request.body for request in there.requests if request.path == "/session/v1/login-request"]
    token = json.loads(gzip.decompress(sent))["data"]["TOKEN"]
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims = pyjwt.decode(token, key.public_key(), algorithms=[algorithm])
    assert claims["sub"] == "ACCOUNT.USER"
    assert claims["iss"] == f"ACCOUNT.USER.SHA256:{base64.b64encode(hashlib.sha256(public).digest()).decode()}"
