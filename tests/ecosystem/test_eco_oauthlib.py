"""oauthlib: OAuth 1.0 with RSA, and OAuth 2.0's JWT bearer grant (RFC 7523)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest

pytest.importorskip("oauthlib", reason="needs the package oauthlib")
import jwt as pyjwt
from ecooauth import verified
from oauthlib import oauth1
from oauthlib.oauth1.rfc5849 import signature
from oauthlib.oauth2 import ServiceApplicationClient

from farsign import errors

LIBRARY, HOW = "oauthlib", "unmodified: rsa_key=, private_key="
URL = "https://api.example/photos?size=original"
METHOD = {"RS256": oauth1.SIGNATURE_RSA_SHA256, "RS512": oauth1.SIGNATURE_RSA_SHA512}
VERIFY = {"RS256": signature.verify_rsa_sha256, "RS512": signature.verify_rsa_sha512}


@pytest.mark.parametrize("algorithm", METHOD)
def test_oauth_1(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    client = oauth1.Client("client", rsa_key=key.as_private_key(), signature_method=METHOD[algorithm])
    url, headers, _ = client.sign(URL)
    assert verified(key, VERIFY[algorithm], url, headers["Authorization"])
    assert not verified(key, VERIFY[algorithm], f"{url}&page=2", headers["Authorization"])


def test_sha1_is_refused(any_key: Any) -> None:
    client = oauth1.Client("client", rsa_key=any_key("RS256").as_private_key(), signature_method=oauth1.SIGNATURE_RSA_SHA1)
    with pytest.raises(errors.AlgorithmNotSupported, match="SHA1"):
        client.sign(URL)


@pytest.mark.parametrize("algorithm", ["RS256"])
def test_a_service_account(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    client = ServiceApplicationClient("client", private_key=key.as_private_key())
    body = client.prepare_request_body(issuer="client", subject="user", audience="https://issuer.example")
    (assertion,) = parse_qs(body)["assertion"]
    claims = pyjwt.decode(assertion, key.public_key(), algorithms=[algorithm], audience="https://issuer.example")
    assert (claims["iss"], claims["sub"]) == ("client", "user")
