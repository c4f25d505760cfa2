"""Certificates for ecosystem tests: a self-signed one of any key, in the shape that document signers ask for."""

from __future__ import annotations

import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def certificate(key: Any, *, ca: bool = True, issuer: tuple[Any, x509.Certificate] | None = None, usage: Any = None) -> Any:
    """Of a SigningKey; signed by itself, or by ``issuer``: its key and certificate."""
    public = key.public_key()
    name = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "farsign"), x509.NameAttribute(NameOID.COMMON_NAME, key.kid[:20])]
    )
    signing, by = (issuer[0], issuer[1].subject) if issuer else (key, name)
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(by).public_key(public)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - DAY).not_valid_after(now + DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    builder = builder.add_extension(authority, critical=False)
    uses = x509.KeyUsage(True, True, False, False, False, ca, ca, False, False)
    builder = builder.add_extension(uses, critical=True)
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage or ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    curve = getattr(getattr(signing.public_key(), "curve", None), "name", "")
    chosen = {"secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}.get(curve, hashes.SHA256())
    hashless = not hasattr(signing.public_key(), "key_size")
    return builder.sign(signing.as_private_key(), None if hashless else chosen)


def pem(certificate_: Any) -> bytes:
    return bytes(certificate_.public_bytes(serialization.Encoding.PEM))
