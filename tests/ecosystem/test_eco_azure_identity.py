"""azure-identity: an application's assertion, as the token endpoint receives it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

pytest.importorskip("azure.identity", reason="needs the package azure-identity")
import jwt as pyjwt
from cryptography.hazmat.primitives import hashes
from ecoserver import endpoint
from ecox509 import certificate

from farsign import errors
from farsign_contrib.azure_identity import credential

LIBRARY, HOW = "azure-identity", "farsign_contrib.azure_identity"


@pytest.mark.parametrize("algorithm", ["PS256"])
def test_an_assertion(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    own = certificate(key)
    with endpoint(tls=True) as there:
        options = {"authority": there.authority, "connection_verify": there.ca_file}
        with credential(key, own, "tenant", "client", **options) as made:
            assert made.get_token("https://vault.azure.net/.default").token == "opaque"
        assertion = there.form()["client_assertion"]
    audience = f"{there.authority}/tenant/oauth2/v2.0/token"
    claims = pyjwt.decode(assertion, key.public_key(), algorithms=[algorithm], audience=audience, issuer="client")
    assert claims["sub"] == "client"
    thumbprint = base64.urlsafe_b64encode(own.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
    assert pyjwt.get_unverified_header(assertion)["x5t#S256"] == thumbprint


def test_a_certificate_of_another_key_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.KeyMismatch):
        credential(any_key("RS256"), certificate(any_key("ES256")), "tenant", "client")


def test_a_kind_that_entra_has_not_is_refused(any_key: Any) -> None:
    key = any_key("ES256")
    with pytest.raises(errors.AlgorithmNotSupported, match="Entra has no keys"):
        credential(key, certificate(key), "tenant", "client")
