"""msal: a confidential client's assertion, as the token endpoint receives it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

msal = pytest.importorskip("msal", reason="needs the package msal")
pytest.importorskip("requests", reason="needs the package requests")
import jwt as pyjwt
from cryptography.hazmat.primitives import hashes
from ecoserver import TOKEN, endpoint, session_to
from ecox509 import certificate, pem

LIBRARY, HOW = "msal", 'unmodified: client_credential={"private_key": ...}'
AUTHORITY = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555"
ANSWER = {
    **TOKEN,
    "issuer": f"{AUTHORITY}/v2.0",
    "authorization_endpoint": f"{AUTHORITY}/oauth2/v2.0/authorize",
    "token_endpoint": f"{AUTHORITY}/oauth2/v2.0/token",
}


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_a_client(any_key: Any, algorithm: str) -> None:
    """RS256 with a thumbprint, which is SHA-1's; PS256 with the certificate."""
    key = any_key(algorithm)
    own = certificate(key)
    thumbprint = {
        "RS256": {"thumbprint": own.fingerprint(hashes.SHA1()).hex()},
        "PS256": {"public_certificate": pem(own).decode()},
    }
    credential = {"private_key": key.as_private_key(), **thumbprint[algorithm]}
    with endpoint(ANSWER) as there:
        client = msal.ConfidentialClientApplication(
            "client", client_credential=credential, authority=AUTHORITY, http_client=session_to(there), instance_discovery=False
        )
        assert client.acquire_token_for_client(["https://vault.azure.net/.default"])["access_token"] == "opaque"
        assertion = there.form()["client_assertion"]
    claims = pyjwt.decode(assertion, key.public_key(), algorithms=[algorithm], audience=ANSWER["token_endpoint"])
    assert claims["sub"] == "client"
    name, hash_ = ("x5t", hashes.SHA1()) if algorithm == "RS256" else ("x5t#S256", hashes.SHA256())
    told = pyjwt.get_unverified_header(assertion)[name]
    assert base64.urlsafe_b64decode(f"{told}==") == own.fingerprint(hash_)
