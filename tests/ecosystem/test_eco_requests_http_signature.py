"""requests-http-signature: signed requests (RFC 9421), verified as the server received them."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("requests_http_signature", reason="needs the package requests-http-signature")
import requests
from ecoserver import endpoint
from http_message_signatures import MappingKeyResolver
from requests_http_signature import HTTPSignatureAuth, InvalidSignature, algorithms

LIBRARY, HOW = "requests-http-signature", "unmodified: key="
NAMED = {
    "RS256": algorithms.RSA_V1_5_SHA256,
    "PS512": algorithms.RSA_PSS_SHA512,
    "ES256": algorithms.ECDSA_P256_SHA256,
    "EdDSA": algorithms.ED25519,
}


@pytest.mark.parametrize("algorithm", NAMED)
def test_a_request(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    auth = HTTPSignatureAuth(signature_algorithm=NAMED[algorithm], key=key.as_private_key(), key_id="k1")
    with endpoint() as there:
        requests.post(f"{there.authority}/orders", data=b"item=1", auth=auth, timeout=5)
        sent, url = there.requests[-1], f"{there.authority}/orders"
    keys = MappingKeyResolver(public_keys={"k1": key.public_key()}, private_keys={})
    for body, holds in ((sent.body, True), (b"item=2", False)):
        received = requests.Request("POST", url, headers=dict(sent.headers), data=body).prepare()
        try:
            HTTPSignatureAuth.verify(received, signature_algorithm=NAMED[algorithm], key_resolver=keys)
        except InvalidSignature:
            assert not holds
        else:
            assert holds
