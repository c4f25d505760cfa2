"""twilio: public key client validation, each request signed."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("twilio", reason="needs the package twilio")
import jwt as pyjwt
from ecoserver import endpoint
from twilio.http.validation_client import ValidationClient

LIBRARY, HOW = "twilio", "unmodified: ValidationClient(private_key)"


@pytest.mark.parametrize("algorithm", ["RS256"])
def test_a_request(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    client = ValidationClient("AC1", "SK1", "CR1", key.as_private_key())
    with endpoint() as there:
        client.request("POST", f"{there.authority}/Messages", data={"Body": "hello"}, auth=("SK1", "secret"))
        token = there.requests[-1].headers["twilio-client-validation"]
    claims = pyjwt.decode(token, key.public_key(), algorithms=[algorithm])
    assert (claims["iss"], claims["sub"], claims["hrh"]) == ("SK1", "AC1", "authorization;host")
    assert pyjwt.get_unverified_header(token)["kid"] == "CR1"
