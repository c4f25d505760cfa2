"""signxml: XML signatures and XAdES, verified by its own verifiers."""

from __future__ import annotations

from typing import Any

import pytest

signxml = pytest.importorskip("signxml", reason="needs the package signxml")
from ecox509 import certificate
from lxml import etree
from signxml.xades import XAdESSigner, XAdESVerifier

LIBRARY, HOW = "signxml", "unmodified: key="
METHOD = {
    "RS256": "RSA_SHA256",
    "RS512": "RSA_SHA512",
    "PS256": "SHA256_RSA_MGF1",
    "ES256": "ECDSA_SHA256",
    "ES384": "ECDSA_SHA384",
}
DOCUMENT = "<order><item>1</item></order>"


def signed(signer: Any, key: Any, own: Any) -> bytes:
    made = signer.sign(etree.fromstring(DOCUMENT), key=key.as_private_key(), cert=[own])
    return bytes(etree.tostring(made))


@pytest.mark.parametrize("algorithm", METHOD)
def test_a_document(any_key: Any, algorithm: str) -> None:
    key, method = any_key(algorithm), signxml.SignatureMethod[METHOD[algorithm]]
    own = certificate(key)
    document = signed(signxml.XMLSigner(signature_algorithm=method), key, own)
    expected = signxml.SignatureConfiguration(signature_methods=frozenset([method]))
    verified = signxml.XMLVerifier().verify(document, x509_cert=own, expect_config=expected)
    assert etree.tostring(verified.signed_xml).decode() == DOCUMENT
    with pytest.raises(signxml.InvalidDigest):
        signxml.XMLVerifier().verify(document.replace(b"<item>1", b"<item>2"), x509_cert=own, expect_config=expected)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_xades(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    own = certificate(key)
    document = signed(XAdESSigner(signature_algorithm=signxml.SignatureMethod[METHOD[algorithm]]), key, own)
    signature, *_ = XAdESVerifier().verify(document, x509_cert=own, expect_references=3)
    assert etree.tostring(signature.signed_xml).decode() == DOCUMENT


def test_the_provider_refuses(trouble: Any, any_key: Any) -> None:
    with trouble("ES256") as key:
        own = certificate(any_key("ES256"))
        signxml.XMLSigner(signature_algorithm=signxml.SignatureMethod.ECDSA_SHA256).sign(
            etree.fromstring(DOCUMENT), key=key.as_private_key(), cert=[own]
        )
