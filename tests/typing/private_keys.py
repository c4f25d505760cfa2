"""Only type-checked: the private-key objects where libraries' own types ask for ``cryptography``'s."""

from __future__ import annotations

from typing import assert_type

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes, PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import SSHCertificateBuilder, pkcs7
from cryptography.x509 import ocsp

import farsign
from farsign._private_keys import RemoteEd25519PrivateKey, RemoteEllipticCurvePrivateKey, RemoteRSAPrivateKey

SHA256 = hashes.SHA256()


def any_kind(key: PrivateKeyTypes) -> None: ...


def any_issuer(key: CertificateIssuerPrivateKeyTypes) -> None: ...


def of_their_types(rsa_key: RemoteRSAPrivateKey, ec_key: RemoteEllipticCurvePrivateKey, ed_key: RemoteEd25519PrivateKey) -> None:
    for key in (rsa_key, ec_key, ed_key):
        any_kind(key)
        any_issuer(key)
        x509.CertificateSigningRequestBuilder().sign(key, SHA256)
        x509.CertificateRevocationListBuilder().sign(key, SHA256)
        x509.CertificateBuilder().sign(key, SHA256)
        ocsp.OCSPResponseBuilder().sign(key, SHA256)
        SSHCertificateBuilder().sign(key)
        assert_type(key.signing_key(), farsign.SigningKey)
    numbers: rsa.RSAPrivateKey = rsa_key
    points: ec.EllipticCurvePrivateKey = ec_key
    edwards: ed25519.Ed25519PrivateKey = ed_key
    assert_type(numbers.sign(b"m", padding.PKCS1v15(), SHA256), bytes)
    assert_type(points.sign(memoryview(b"m"), ec.ECDSA(SHA256)), bytes)
    assert_type(edwards.sign(bytearray(b"m")), bytes)
    assert_type(ec_key.curve, ec.EllipticCurve)
    assert_type(ec_key.key_size, int)


def where_libraries_take_them(
    rsa_key: RemoteRSAPrivateKey, ec_key: RemoteEllipticCurvePrivateKey, ed_key: RemoteEd25519PrivateKey, own: x509.Certificate
) -> None:
    assert_type(jwt.encode({"sub": "42"}, rsa_key, algorithm="RS256"), str)
    assert_type(jwt.encode({"sub": "42"}, ec_key, algorithm="ES256"), str)
    assert_type(jwt.encode({"sub": "42"}, ed_key, algorithm="EdDSA"), str)
    pkcs7.PKCS7SignatureBuilder().add_signer(own, rsa_key, SHA256).add_signer(own, ec_key, SHA256)


def as_users_write_it(signer: farsign.Signer) -> None:
    key: rsa.RSAPrivateKey = signer.key().as_private_key()
    assert_type(jwt.encode({"sub": "42"}, key, algorithm="RS256"), str)
    other: ec.EllipticCurvePrivateKey = signer.key().as_private_key(pss_max_length="digest")
    x509.CertificateSigningRequestBuilder().sign(other, SHA256)
