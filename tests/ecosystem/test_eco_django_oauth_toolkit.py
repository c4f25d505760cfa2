"""django-oauth-toolkit: the authorization code flow of OpenID Connect, and the key set that its ID tokens verify with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

pytest.importorskip("oauth2_provider", reason="needs the package django-oauth-toolkit")
import jwt as pyjwt
from cryptography.hazmat.primitives import serialization
from ecodjango import OIDC, ready

ready()

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import override_settings
from oauth2_provider.models import get_application_model

LIBRARY, HOW = "django-oauth-toolkit", "farsign_contrib.jwcrypto, in an application model of your own"
REDIRECT = "https://app.example/callback"


@pytest.fixture
def _tables() -> Iterator[None]:
    call_command("migrate", run_syncdb=True, verbosity=0)
    yield
    connection.close()


@pytest.mark.usefixtures("_tables")
@pytest.mark.parametrize("algorithm", ["RS256"])
def test_a_login(any_key: Any, algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key, model = any_key(algorithm), get_application_model()
    monkeypatch.setattr(model, "signing", key)
    user = get_user_model().objects.create_user("user")
    options = {"client_type": "confidential", "authorization_grant_type": "authorization-code", "skip_authorization": True}
    application = model.objects.create(
        name="app", redirect_uris=REDIRECT, algorithm=algorithm, client_secret="secret", hash_client_secret=False, **options
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    browser = Client()
    browser.force_login(user)
    with override_settings(OAUTH2_PROVIDER={**OIDC, "OIDC_RSA_PRIVATE_KEY": public.decode()}):
        asked = {"response_type": "code", "client_id": application.client_id, "redirect_uri": REDIRECT, "scope": "openid"}
        (code,) = parse_qs(urlparse(browser.get("/o/authorize/", asked)["Location"]).query)["code"]
        grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
        credentials = {"client_id": application.client_id, "client_secret": "secret"}
        token = Client().post("/o/token/", {**grant, **credentials}).json()["id_token"]
        published = Client().get("/o/.well-known/jwks.json").json()
    (found,) = pyjwt.PyJWKSet.from_dict(published).keys
    claims = pyjwt.decode(token, found, algorithms=[algorithm], audience=application.client_id)
    assert claims["sub"] == str(user.pk)
    assert pyjwt.get_unverified_header(token)["kid"] == found.key_id == key.thumbprint
