"""boxsdk from 10 on, and what was box-sdk-gen: a JWT application's assertion."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("box_sdk_gen", reason="needs the package boxsdk, 4 or later")
import jwt as pyjwt
from box_sdk_gen import BoxJWTAuth, JWTConfig
from box_sdk_gen.networking.base_urls import BaseUrls
from box_sdk_gen.networking.network import NetworkSession
from ecoserver import endpoint

from farsign import errors
from farsign_contrib.box_sdk_gen import decryptor

LIBRARY, HOW = "boxsdk", "farsign_contrib.box_sdk_gen"


@pytest.mark.parametrize("algorithm", ["RS256"])
def test_an_assertion(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    config = JWTConfig("client", "secret", "k1", "", "", enterprise_id="7", private_key_decryptor=decryptor(key))
    with endpoint() as there:
        urls = BaseUrls(base_url=there.authority, upload_url=there.authority, oauth_2_url=there.authority)
        session = NetworkSession(base_urls=urls)
        assert BoxJWTAuth(config).refresh_token(network_session=session).access_token == "opaque"
        assertion = there.form()["assertion"]
    claims = pyjwt.decode(assertion, key.public_key(), algorithms=[algorithm], audience="https://api.box.com/oauth2/token")
    assert (claims["iss"], claims["sub"]) == ("client", "7")
    assert pyjwt.get_unverified_header(assertion)["kid"] == "k1"


def test_a_kind_that_box_has_not_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.AlgorithmNotSupported, match="Box has no keys"):
        decryptor(any_key("ES256"))
