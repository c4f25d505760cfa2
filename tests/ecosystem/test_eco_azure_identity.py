"""azure-identity: an application's assertion, as the token endpoint receives it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

pytest.importorskip("azure.identity", reason="needs the package azure-identity")
import jwt as pyjwt
from cryptography.hazmat.primitives import hashes
from ecox509 import certificate

from farsign import errors
from farsign.testing._http import HttpServer
from farsign.testing._tls import server_certificate
from farsign.testing.emulator import Reply, Request
from farsign_contrib.azure_identity import credential

LIBRARY, HOW = "azure-identity", "farsign_contrib.azure_identity"


class TokenEndpoint:
    """On loopback, over TLS, since azure-identity speaks nothing else."""

    def __init__(self) -> None:
        self.certificate = server_certificate(("127.0.0.1", "localhost"))
        self.requests: list[Request] = []
        self.server = HttpServer(self.answer, tls=self.certificate.context)
        self.server.start()
        self.authority = f"https://localhost:{self.server.port}"

    def answer(self, request: Request) -> Reply:
        self.requests.append(request)
        body = json.dumps({"access_token": "opaque", "expires_in": 3600, "token_type": "Bearer"})
        return Reply(200, body.encode(), {"Content-Type": "application/json"})


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    made = TokenEndpoint()
    yield made
    made.server.close()


@pytest.mark.parametrize("algorithm", ["PS256"])
def test_an_assertion(any_key: Any, algorithm: str, endpoint: TokenEndpoint) -> None:
    key = any_key(algorithm)
    own = certificate(key)
    options = {"authority": endpoint.authority, "connection_verify": endpoint.certificate.ca_file}
    with credential(key, own, "tenant", "client", **options) as made:
        assert made.get_token("https://vault.azure.net/.default").token == "opaque"
    form = parse_qs(endpoint.requests[-1].body.decode())
    (assertion,) = form["client_assertion"]
    audience = f"{endpoint.authority}/tenant/oauth2/v2.0/token"
    claims = pyjwt.decode(assertion, key.public_key(), algorithms=[algorithm], audience=audience, issuer="client")
    assert claims["sub"] == "client"
    thumbprint = base64.urlsafe_b64encode(own.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
    assert pyjwt.get_unverified_header(assertion)["x5t#S256"] == thumbprint


def test_a_certificate_of_another_key_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.KeyMismatch):
        credential(any_key("RS256"), certificate(any_key("ES256")), "tenant", "client")
