"""Only type-checked, by test_eco_types.py: where libraries' own types ask for ``cryptography``'s keys."""

from __future__ import annotations

from aioquic.quic.configuration import QuicConfiguration
from cryptography import x509
from http_message_signatures.resolvers import MappingKeyResolver
from joserfc.jwk import ECKey, OKPKey, RSAKey
from securesystemslib.signer._crypto_signer import CryptoSigner
from signxml.signer import XMLSigner

from farsign._private_keys import RemoteEd25519PrivateKey, RemoteEllipticCurvePrivateKey, RemoteRSAPrivateKey


def they_take_them(
    rsa: RemoteRSAPrivateKey, ec: RemoteEllipticCurvePrivateKey, ed: RemoteEd25519PrivateKey, own: x509.Certificate
) -> None:
    RSAKey(rsa, {"kty": "RSA"})
    ECKey(ec, {"kty": "EC"})
    OKPKey(ed, {"kty": "OKP"})
    CryptoSigner(rsa)
    CryptoSigner(ec)
    CryptoSigner(ed)
    QuicConfiguration(is_client=False, certificate=own, private_key=rsa)
    QuicConfiguration(is_client=False, certificate=own, private_key=ec)
    MappingKeyResolver(public_keys={}, private_keys={"a": rsa, "b": ec, "c": ed})
    XMLSigner().sign("<order/>", key=rsa, cert=[own])
    XMLSigner().sign("<order/>", key=ec, cert=[own])
