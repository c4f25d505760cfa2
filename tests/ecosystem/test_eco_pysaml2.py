"""pysaml2: signed queries (HTTP-Redirect), and XML signatures (HTTP-POST), verified by signxml and by xmlsec1 where it is installed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

pytest.importorskip("saml2", reason="needs the package pysaml2")
signxml = pytest.importorskip("signxml", reason="verifies with the package signxml")
from ecox509 import certificate, pem
from lxml import etree
from saml2 import BINDING_HTTP_POST, xmldsig
from saml2.client import Saml2Client
from saml2.config import SPConfig
from saml2.pack import http_redirect_message
from saml2.sigver import CryptoBackendXmlSec1, RSACrypto, verify_redirect_signature

from farsign import errors
from farsign_contrib import pysaml2 as adapter

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own
LIBRARY, HOW = "pysaml2", "farsign_contrib.pysaml2"
SIGNATURE = {"RS256": xmldsig.SIG_RSA_SHA256, "RS512": xmldsig.SIG_RSA_SHA512}


def a_client(place: Path, own: Any, **options: Any) -> Saml2Client:
    (place / "own.pem").write_bytes(pem(own))
    url = "https://sp.example/acs"
    endpoints = {"assertion_consumer_service": [(url, BINDING_HTTP_POST)]}
    config = {
        "entityid": "https://sp.example",
        "cert_file": str(place / "own.pem"),
        "service": {"sp": {"endpoints": endpoints}},
        **options,
    }
    return Saml2Client(SPConfig().load({"crypto_backend": "XMLSecurity", **config}))


@pytest.mark.parametrize("algorithm", SIGNATURE)
def test_post(any_key: Any, algorithm: str, tmp_path: Path) -> None:
    key = any_key(algorithm)
    own = certificate(key)
    client = a_client(tmp_path, own)
    client.sec.crypto = adapter.CryptoBackend(key, client.sec.crypto)
    options = {"sign": True, "sign_alg": SIGNATURE[algorithm], "digest_alg": xmldsig.DIGEST_SHA256}
    _, xml = client.create_authn_request("https://idp.example/sso", binding=BINDING_HTTP_POST, **options)
    config = signxml.SignatureConfiguration(location="./", require_x509=False, expect_references=1)
    verified = signxml.XMLVerifier().verify(str(xml).encode(), x509_cert=own, id_attribute="ID", expect_config=config)
    assert etree.QName(verified.signed_xml).localname == "AuthnRequest"
    if tool := shutil.which("xmlsec1"):
        name = "urn:oasis:names:tc:SAML:2.0:protocol:AuthnRequest"
        assert CryptoBackendXmlSec1(tool).validate_signature(str(xml), str(tmp_path / "own.pem"), "pem", name, None)


def test_sha1_is_refused(any_key: Any, tmp_path: Path) -> None:
    client = a_client(tmp_path, certificate(any_key("RS256")))
    client.sec.crypto = adapter.CryptoBackend(any_key("RS256"), client.sec.crypto)
    with pytest.raises(errors.AlgorithmNotSupported, match="rsa-sha1"):
        client.create_authn_request(
            "https://idp.example/sso", binding=BINDING_HTTP_POST, sign=True, sign_alg=xmldsig.SIG_RSA_SHA1
        )


@pytest.mark.parametrize("algorithm", ["RS256"])
def test_redirect(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    backend = adapter.RSACrypto(key)
    options = {"sign": True, "sigalg": SIGNATURE[algorithm], "backend": backend}
    sent = dict(http_redirect_message("<Request/>", "https://idp.example/sso", **options)["headers"])["Location"]
    query = {name: values[0] for name, values in parse_qs(urlparse(sent).query).items()}
    assert verify_redirect_signature(query, RSACrypto(None), sigkey=key.public_key())


def test_a_kind_that_it_has_not_is_refused(any_key: Any) -> None:
    for make in (lambda key: adapter.CryptoBackend(key, None), adapter.RSACrypto):
        with pytest.raises(errors.AlgorithmNotSupported, match="pysaml2 has no keys"):
            make(any_key("ES256"))
