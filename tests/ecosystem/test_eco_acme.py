"""acme: an account's requests, and the answer to a challenge."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("acme", reason="needs the package acme")
import josepy
from acme import challenges, jws, messages

from farsign_contrib.josepy import JWK

LIBRARY, HOW = "acme", "farsign_contrib.josepy"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_an_account(any_key: Any, algorithm: str) -> None:
    key = JWK(any_key(algorithm))
    body = messages.NewRegistration.from_data(email="user@example.com", terms_of_service_agreed=True).json_dumps().encode()
    signed = jws.JWS.sign(body, key=key, alg=getattr(josepy, algorithm), nonce=b"nonce", url="https://ca.example/new-account")
    received = jws.JWS.json_loads(signed.json_dumps())
    assert received.verify()
    assert json.loads(received.payload)["termsOfServiceAgreed"] is True
    challenge = challenges.HTTP01(token=b"t" * 16)
    assert challenge.key_authorization(key) == challenge.key_authorization(key.public_key())
