"""box-sdk-gen: a JWT application's assertion."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest

pytest.importorskip("box_sdk_gen", reason="needs the package box-sdk-gen")
import jwt as pyjwt
from box_sdk_gen import BoxJWTAuth, JWTConfig
from box_sdk_gen.networking.base_urls import BaseUrls
from box_sdk_gen.networking.network import NetworkSession

from farsign.testing._http import HttpServer
from farsign.testing.emulator import Reply, Request
from farsign_contrib.box_sdk_gen import decryptor

LIBRARY, HOW = "box-sdk-gen", "farsign_contrib.box_sdk_gen"


@pytest.mark.parametrize("algorithm", ["RS256"])
def test_an_assertion(any_key: Any, algorithm: str) -> None:
    key, requests = any_key(algorithm), []

    def answer(request: Request) -> Reply:
        requests.append(request)
        return Reply(200, b'{"access_token": "opaque", "expires_in": 3600}', {"Content-Type": "application/json"})

    server = HttpServer(answer)
    server.start()
    try:
        config = JWTConfig("client", "secret", "k1", "", "", enterprise_id="7", private_key_decryptor=decryptor(key))
        url = f"http://127.0.0.1:{server.port}"
        session = NetworkSession(base_urls=BaseUrls(base_url=url, upload_url=url, oauth_2_url=url))
        assert BoxJWTAuth(config).refresh_token(network_session=session).access_token == "opaque"
    finally:
        server.close()
    (assertion,) = parse_qs(requests[-1].body.decode())["assertion"]
    claims = pyjwt.decode(assertion, key.public_key(), algorithms=[algorithm], audience="https://api.box.com/oauth2/token")
    assert (claims["iss"], claims["sub"]) == ("client", "7")
    assert pyjwt.get_unverified_header(assertion)["kid"] == "k1"
