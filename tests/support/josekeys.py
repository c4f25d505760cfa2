"""A key of each algorithm, and the forms that it can be written in."""

from __future__ import annotations

import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

import farsign_local
from farsign import Signer, jwk, jws

RSA = rsa.generate_private_key(65537, 2048)
KEYS: dict[str, Any] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSA),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "ES256K": ec.generate_private_key(ec.SECP256K1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate(),
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate(),
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate(),
}
CERTIFIED = [alg for alg in KEYS if not alg.startswith(("ML-DSA", "PS"))]


def token(alg: str) -> str:
    return jws.sign(b"payload", Signer(farsign_local.opener(KEYS[alg]), alg=alg))


def public(alg: str, encoding: Encoding) -> bytes:
    encoded: bytes = KEYS[alg].public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def certificate(alg: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer.example")])
    now = datetime.datetime.now(datetime.UTC)
    digest = None if alg in ("EdDSA", "Ed25519") else hashes.SHA256()
    builder = x509.CertificateBuilder(name, name, KEYS[alg].public_key(), 1, now, now + datetime.timedelta(days=1))
    return builder.sign(KEYS[alg], digest)


EC_JWK = jwk.Key.from_pem(public("ES256", Encoding.PEM), kid="ec").jwk()
RSA_JWK = jwk.Key.from_pem(public("RS256", Encoding.PEM), alg="RS256", kid="rsa").jwk()
