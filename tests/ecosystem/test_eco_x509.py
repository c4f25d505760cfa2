"""cryptography's builders: requests, certificates, CRLs, OCSP responses, CMS, SSH certificates; checked by openssl and ssh-keygen."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cryptography
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from farsign import errors

LIBRARY, HOW = "cryptography", "unmodified: X.509, CRL, OCSP, CMS and SSH certificate builders"
ALGORITHMS = ["RS256", "ES256", "ES384", "EdDSA"]
HASH = {"RS256": hashes.SHA256(), "ES256": hashes.SHA256(), "ES384": hashes.SHA384(), "EdDSA": None}
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "farsign CA")])
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)


def certificate(key: Any, hash_: Any, **options: Any) -> x509.Certificate:
    builder = x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hash_, **options)


def openssl(place: Path, *command: str) -> str:
    done = subprocess.run(["openssl", *command], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def pem(place: Path, name: str, thing: Any) -> None:
    (place / name).write_bytes(thing.public_bytes(serialization.Encoding.PEM))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_ca(any_key: Any, algorithm: str, tmp_path: Path) -> None:
    key, hash_ = any_key(algorithm).as_private_key(), HASH[algorithm]
    ca = certificate(key, hash_)
    request = x509.CertificateSigningRequestBuilder().subject_name(NAME).sign(key, hash_)
    revoked = x509.RevokedCertificateBuilder().serial_number(7).revocation_date(NOW).build()
    crl = x509.CertificateRevocationListBuilder().issuer_name(NAME).last_update(NOW - DAY).next_update(NOW + DAY)
    crl = crl.add_revoked_certificate(revoked).sign(key, hash_)
    for name, thing in {"ca.pem": ca, "request.pem": request, "crl.pem": crl}.items():
        pem(tmp_path, name, thing)
    openssl(tmp_path, "verify", "-check_ss_sig", "-CAfile", "ca.pem", "ca.pem")
    openssl(tmp_path, "req", "-verify", "-noout", "-in", "request.pem")
    assert "verify OK" in openssl(tmp_path, "crl", "-noout", "-CAfile", "ca.pem", "-in", "crl.pem")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_ocsp_response(any_key: Any, algorithm: str, tmp_path: Path) -> None:
    key, hash_ = any_key(algorithm).as_private_key(), HASH[algorithm]
    ca = certificate(key, hash_)
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=ca, issuer=ca, algorithm=hashes.SHA256(), cert_status=ocsp.OCSPCertStatus.GOOD, this_update=NOW - DAY,
        next_update=NOW + DAY, revocation_time=None, revocation_reason=None,
    )  # fmt: skip
    response = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, ca).sign(key, hash_)
    pem(tmp_path, "ca.pem", ca)
    (tmp_path / "response.der").write_bytes(response.public_bytes(serialization.Encoding.DER))
    assert "Response verify OK" in openssl(
        tmp_path, "ocsp", "-respin", "response.der", "-CAfile", "ca.pem", "-verify_other", "ca.pem"
    )


@pytest.mark.skipif(int(cryptography.__version__.partition(".")[0]) < 49, reason="X.509 with ML-DSA came with cryptography 49")
@pytest.mark.parametrize("algorithm", ["ML-DSA-65"])
def test_ml_dsa(any_key: Any, algorithm: str) -> None:
    """RFC 9881; openssl knows it from 3.5 on, so cryptography verifies."""
    key = any_key(algorithm).as_private_key()
    ca = certificate(key, None)
    ca.verify_directly_issued_by(ca)
    assert x509.CertificateSigningRequestBuilder().subject_name(NAME).sign(key, None).is_signature_valid
    crl = x509.CertificateRevocationListBuilder().issuer_name(NAME).last_update(NOW - DAY).next_update(NOW + DAY)
    for serial_number in range(1, 200):  # together more than AWS KMS takes as a message
        revoked = x509.RevokedCertificateBuilder().serial_number(serial_number).revocation_date(NOW)
        crl = crl.add_revoked_certificate(revoked.build())
    assert crl.sign(key, None).is_signature_valid(key.public_key())


@pytest.mark.parametrize("algorithm", ["PS256"])
def test_pss_certificates_and_cms(any_key: Any, algorithm: str, tmp_path: Path) -> None:
    key = any_key(algorithm).as_private_key()
    ca = certificate(key, hashes.SHA256(), rsa_padding=PSS)
    pem(tmp_path, "ca.pem", ca)
    openssl(tmp_path, "verify", "-check_ss_sig", "-CAfile", "ca.pem", "ca.pem")
    pem(tmp_path, "r.pem", x509.CertificateSigningRequestBuilder().subject_name(NAME).sign(key, hashes.SHA256(), rsa_padding=PSS))
    openssl(tmp_path, "req", "-verify", "-noout", "-in", "r.pem")
    signed = pkcs7.PKCS7SignatureBuilder().set_data(b"data").add_signer(ca, key, hashes.SHA256(), rsa_padding=PSS)
    (tmp_path / "s.der").write_bytes(signed.sign(serialization.Encoding.DER, []))
    openssl(tmp_path, "cms", "-verify", "-inform", "DER", "-in", "s.der", "-CAfile", "ca.pem", "-purpose", "any", "-out", "out")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384"])
def test_cms(any_key: Any, algorithm: str, tmp_path: Path) -> None:
    key, hash_ = any_key(algorithm).as_private_key(), HASH[algorithm]
    ca = certificate(key, hash_)
    pem(tmp_path, "ca.pem", ca)
    signed = pkcs7.PKCS7SignatureBuilder().set_data(b"data").add_signer(ca, key, hash_)
    (tmp_path / "s.der").write_bytes(signed.sign(serialization.Encoding.DER, []))
    (tmp_path / "s.smime").write_bytes(signed.sign(serialization.Encoding.SMIME, []))
    for form in ("der", "smime"):
        read = ("-inform", form, "-in", f"s.{form}", "-CAfile", "ca.pem", "-purpose", "any", "-out", "out")
        openssl(tmp_path, "cms", "-verify", *read)
        assert (tmp_path / "out").read_bytes() == b"data"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_ssh_certificates(any_key: Any, algorithm: str, tmp_path: Path) -> None:
    key, user = any_key(algorithm).as_private_key(), any_key("EdDSA", "user")
    builder = serialization.SSHCertificateBuilder().public_key(user.public_key()).serial(1).key_id(b"user")
    builder = builder.type(serialization.SSHCertificateType.USER).valid_principals([b"user"])
    made = builder.valid_after(int(NOW.timestamp())).valid_before(int((NOW + DAY).timestamp())).sign(key)
    made.verify_cert_signature()
    assert made.signature_key() == key.public_key()
    if tool := shutil.which("ssh-keygen"):
        (tmp_path / "id-cert.pub").write_bytes(made.public_bytes())
        told = subprocess.run([tool, "-L", "-f", "id-cert.pub"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        assert "user" in told


def test_a_hash_that_the_key_has_not_is_refused_with_the_right_one(any_key: Any) -> None:
    with pytest.raises(errors.AlgorithmNotSupported, match="cannot sign ECDSA-P384-SHA256") as caught:
        certificate(any_key("ES384").as_private_key(), hashes.SHA256())
    assert "use hashes.SHA384()" in caught.value.next_step


def test_pss_with_the_longest_salt_is_refused(any_key: Any) -> None:
    """A certificate states the salt's length: signing with another would be a certificate that nobody accepts."""
    longest = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
    with pytest.raises(errors.AlgorithmNotSupported, match="DIGEST_LENGTH"):
        certificate(any_key("PS256").as_private_key(), hashes.SHA256(), rsa_padding=longest)


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("ES256") as key:
        certificate(key.as_private_key(), hashes.SHA256())
