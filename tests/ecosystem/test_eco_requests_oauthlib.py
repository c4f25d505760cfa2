"""requests-oauthlib: signed requests, verified as the server received them."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("requests_oauthlib", reason="needs the package requests-oauthlib")
from ecooauth import verified
from ecoserver import endpoint
from oauthlib import oauth1
from oauthlib.oauth1.rfc5849 import signature
from requests_oauthlib import OAuth1Session

LIBRARY, HOW = "requests-oauthlib", "unmodified: rsa_key="


@pytest.mark.parametrize("algorithm", ["RS256"])
def test_a_request(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    options = {"rsa_key": key.as_private_key(), "signature_method": oauth1.SIGNATURE_RSA_SHA256}
    with endpoint() as there, OAuth1Session("client", **options) as session:
        url = f"{there.authority}/photos"
        session.post(url, data={"size": "original"})
        sent = there.requests[-1]
    for body, holds in ((sent.body.decode(), True), ("size=small", False)):
        authorization = sent.headers["authorization"]
        assert verified(key, signature.verify_rsa_sha256, url, authorization, method="POST", body=body) is holds
