"""google-auth: service-account tokens and self-signed JWTs."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

pytest.importorskip("google.auth", reason="needs the package google-auth")
import jwt as pyjwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from google.auth import crypt
from google.auth import jwt as google_jwt
from google.oauth2 import service_account

from farsign import errors
from farsign_contrib.google_auth import Signer

LIBRARY, HOW = "google-auth", "farsign_contrib.google_auth; RSASigner and EsSigner: unmodified"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_jwt(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    for signer in (Signer(key), Signer(key.as_private_key(), key_id="k1")):
        token = google_jwt.encode(signer, {"sub": "42", "aud": "api"})
        assert pyjwt.get_unverified_header(token) == {"typ": "JWT", "alg": algorithm, "kid": signer.key_id}
        assert pyjwt.decode(token, key.public_key(), algorithms=[algorithm], audience="api")["sub"] == "42"


def test_credentials_of_a_service_account(any_key: Any) -> None:
    key = any_key("RS256")
    credentials = service_account.Credentials(
        Signer(key, key_id="k1"), "a@p.iam.gserviceaccount.com", "https://oauth2.googleapis.com/token"
    )
    scoped = copy.deepcopy(credentials.with_scopes(["email"]).with_subject("user@example.com"))
    assertion = scoped._make_authorization_grant_assertion()  # what refresh() sends
    claims = pyjwt.decode(assertion, key.public_key(), algorithms=["RS256"], audience="https://oauth2.googleapis.com/token")
    assert claims["sub"] == "user@example.com"
    assert pickle.loads(pickle.dumps(scoped)).signer.key_id == "k1"
    key.public_key().verify(credentials.sign_bytes(b"blob"), b"blob", padding.PKCS1v15(), hashes.SHA256())


def test_self_signed_and_id_tokens(any_key: Any) -> None:
    key = any_key("RS256")
    signer, email = Signer(key, key_id="k1"), "a@p.iam.gserviceaccount.com"
    headers: dict[str, str] = {}
    direct = google_jwt.Credentials(signer, email, email, "https://pubsub.googleapis.com/")
    direct.before_request(None, "GET", "https://pubsub.googleapis.com/v1/projects/p", headers)
    token = headers["authorization"].removeprefix("Bearer ")
    claims = pyjwt.decode(token, key.public_key(), algorithms=["RS256"], audience="https://pubsub.googleapis.com/")
    assert claims["sub"] == email
    url = "https://oauth2.googleapis.com/token"
    identity = service_account.IDTokenCredentials(signer, email, url, target_audience="https://app.example")
    assertion = identity._make_authorization_grant_assertion()  # what refresh() sends
    claims = pyjwt.decode(assertion, key.public_key(), algorithms=["RS256"], audience=url)
    assert claims["target_audience"] == "https://app.example"


@pytest.mark.parametrize(("algorithm", "cls"), [("RS256", crypt.RSASigner), ("ES256", crypt.EsSigner)])
def test_its_own_signers_take_the_private_key_object(any_key: Any, algorithm: str, cls: Any) -> None:
    key = any_key(algorithm)
    token = google_jwt.encode(cls(key.as_private_key(), key_id="k1"), {"sub": "42"})
    assert pyjwt.decode(token, key.public_key(), algorithms=[algorithm])["sub"] == "42"


@pytest.mark.parametrize("kind", ["ES512", "ES256K", "EdDSA"])
def test_a_kind_that_it_has_not_is_refused(any_key: Any, kind: str) -> None:
    """google-auth itself signs as if any other curve were P-256."""
    with pytest.raises(errors.AlgorithmNotSupported, match="google-auth has no keys"):
        Signer(any_key(kind))


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("ES256") as key:
        google_jwt.encode(Signer(key), {"sub": "42"})
