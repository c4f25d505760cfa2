"""http-message-signatures: RFC 9421, all its asymmetric algorithms; signing at once, and with asyncio in between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("http_message_signatures", reason="needs the package http-message-signatures")
import requests
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    InvalidSignature,
    MappingKeyResolver,
    algorithms,
)

LIBRARY, HOW = "http-message-signatures", "unmodified: private_keys=; asyncio: prepare and apply"
NAMED = {
    "RS256": algorithms.RSA_V1_5_SHA256,
    "PS512": algorithms.RSA_PSS_SHA512,
    "ES256": algorithms.ECDSA_P256_SHA256,
    "ES384": algorithms.ECDSA_P384_SHA384,
    "EdDSA": algorithms.ED25519,
}


def a_request() -> Any:
    return requests.Request("POST", "https://api.example/orders", data=b"item=1").prepare()


def check(request: Any, key: Any, algorithm: str) -> None:
    keys = MappingKeyResolver(public_keys={"k1": key.public_key()}, private_keys={})
    verifier = HTTPMessageVerifier(signature_algorithm=NAMED[algorithm], key_resolver=keys)
    (result,) = verifier.verify(request)
    assert result.parameters["keyid"] == "k1"
    request.url = "https://api.example/refunds"
    with pytest.raises(InvalidSignature):
        verifier.verify(request)


@pytest.mark.parametrize("algorithm", NAMED)
def test_a_request(any_key: Any, algorithm: str) -> None:
    key, request = any_key(algorithm), a_request()
    keys = MappingKeyResolver(public_keys={}, private_keys={"k1": key.as_private_key()})
    HTTPMessageSigner(signature_algorithm=NAMED[algorithm], key_resolver=keys).sign(request, key_id="k1")
    check(request, key, algorithm)


@pytest.mark.parametrize("algorithm", ["ES256"])
def test_asyncio(any_key: Any, algorithm: str) -> None:
    key, request = any_key(algorithm), a_request()
    signer = HTTPMessageSigner(signature_algorithm=NAMED[algorithm])
    prepared = signer.prepare(request, key_id="k1")
    signer.apply(request, prepared, asyncio.run(key.asign(prepared.signature_base)))
    check(request, key, algorithm)
