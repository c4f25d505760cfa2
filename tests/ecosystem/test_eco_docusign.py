"""docusign-esign: the JWT grant, for a user and for an application."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("docusign_esign", reason="needs the package docusign-esign")
import jwt as pyjwt
from docusign_esign import ApiClient, Configuration
from ecoserver import endpoint

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # its own
LIBRARY, HOW = "docusign-esign", "unmodified: private_key_bytes="


@pytest.mark.parametrize("algorithm", ["RS256"])
def test_both_grants(any_key: Any, algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = any_key(algorithm)
    with endpoint(tls=True) as there:
        monkeypatch.setattr(Configuration(), "ssl_ca_cert", there.ca_file)
        client = ApiClient()
        client.request_jwt_user_token("client", "user", there.host, key.as_private_key(), 600)
        assertion = there.form()["assertion"]
        claims = pyjwt.decode(assertion, key.public_key(), algorithms=[algorithm], audience=there.host)
        assert (claims["iss"], claims["sub"]) == ("client", "user")
        client.request_jwt_application_token("client", there.host, key.as_private_key(), 600)
        assertion = there.form()["assertion"]
        assert "sub" not in pyjwt.decode(assertion, key.public_key(), algorithms=[algorithm], audience=there.host)
