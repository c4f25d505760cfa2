"""The private-key objects keep pyca's contract, and their errors are not the kind that libraries swallow."""

from __future__ import annotations

import copy
import datetime
import hashlib
import subprocess
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed
from cryptography.x509.oid import NameOID
from fakekms import FakeClock, FakeDriver, FakeKMS

from farsign import errors
from farsign._signer.signer import Signer

RSA_INPUTS = {name: {"digest": None} for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")}
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "farsign")])
SHA256 = hashes.SHA256()


def scene(algorithm: str, inputs: dict[str, Any] | None = None, **options: Any) -> tuple[FakeKMS, Any]:
    kms = FakeKMS(algorithm, inputs=RSA_INPUTS if algorithm == "RS256" and inputs is None else inputs)
    return kms, Signer(lambda: FakeDriver(kms), clock=FakeClock(), name="k").key().as_private_key(**options)


def _has_mldsa() -> bool:
    try:
        return bool(mldsa.MLDSA65PrivateKey.generate())
    except UnsupportedAlgorithm:
        return False


needs_mldsa = pytest.mark.skipif(not _has_mldsa(), reason="this cryptography has no ML-DSA; 48 has")
needs_mu = pytest.mark.skipif(not hasattr(mldsa.MLDSA65PrivateKey, "sign_mu"), reason="this cryptography has no mu; 49 has")


@pytest.mark.parametrize(
    ("algorithm", "abc"),
    [("RS256", rsa.RSAPrivateKey), ("ES256", ec.EllipticCurvePrivateKey), ("EdDSA", ed25519.Ed25519PrivateKey),
     pytest.param("ML-DSA-65", mldsa.MLDSA65PrivateKey, marks=needs_mldsa)],
)  # fmt: skip
def test_every_kind_is_an_instance_with_a_native_public_key(algorithm: str, abc: type) -> None:
    kms, key = scene(algorithm)
    assert isinstance(key, abc)
    assert key.public_key() == kms.latest.private.public_key()
    assert key.public_key() is key.public_key()
    assert copy.copy(key) is key
    assert copy.deepcopy({"k": key})["k"] is key
    assert key == key.signing_key().as_private_key()
    assert len({key, key.signing_key().as_private_key()}) == 1
    assert key != scene(algorithm)[1]
    for name in {"private_bytes", "private_bytes_raw", "private_numbers"} & set(dir(abc)):
        with pytest.raises(errors.KeyNotExportable, match="never leaves the provider"):
            getattr(key, name)()
    assert kms.count("sign") == 0


@pytest.mark.parametrize("hash_", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_rsa_signs_pkcs1_and_pss_with_messages_and_digests(hash_: hashes.HashAlgorithm) -> None:
    _, key = scene("RS256")
    salt = padding.PSS(padding.MGF1(hash_), hash_.digest_size)
    for pad in (padding.PKCS1v15(), salt, copy.deepcopy(padding.PSS(padding.MGF1(hash_), padding.PSS.DIGEST_LENGTH))):
        check = padding.PKCS1v15() if isinstance(pad, padding.PKCS1v15) else salt
        key.public_key().verify(key.sign(b"m", pad, hash_), b"m", check, hash_)
        digest = hashlib.new(hash_.name, b"m").digest()
        key.public_key().verify(key.sign(digest, pad, Prehashed(hash_)), b"m", check, hash_)


def test_ec_signs_der_with_messages_and_digests() -> None:
    _, key = scene("ES256")
    assert key.curve.name == "secp256r1"
    assert key.key_size == 256
    key.public_key().verify(key.sign(data=b"m", signature_algorithm=ec.ECDSA(SHA256)), b"m", ec.ECDSA(SHA256))
    digest = hashlib.sha256(b"m").digest()
    key.public_key().verify(key.sign(bytearray(digest), ec.ECDSA(Prehashed(SHA256))), b"m", ec.ECDSA(SHA256))


def test_names_without_jose_sign_too() -> None:
    _, key = scene("ES384", {"ES384": {"digest": None}, "ECDSA-P384-SHA256": {"digest": None}})
    key.public_key().verify(key.sign(b"m", ec.ECDSA(SHA256)), b"m", ec.ECDSA(SHA256))


@needs_mu
def test_mldsa_signs_messages_and_mu_but_no_context() -> None:
    kms, key = scene("ML-DSA-65", {"ML-DSA-65": {"message": 4096, "mu": 64}})
    for size in (1, 4096, 4097, 100_000):
        key.public_key().verify(key.sign(bytes(size)), bytes(size))
    mu = hashlib.shake_256(b"any").digest(64)
    key.public_key().verify_mu(key.sign_mu(mu), mu)
    before = kms.count("sign")
    with pytest.raises(UnsupportedAlgorithm, match="context"):
        key.sign(b"m", b"context")
    with pytest.raises(UnsupportedAlgorithm, match="64 bytes"):
        key.sign_mu(b"short")
    assert kms.count("sign") == before


MGF = padding.MGF1(SHA256)
REFUSED = {
    "pss maximum salt": ("RS256", lambda k: k.sign(b"m", padding.PSS(MGF, padding.PSS.MAX_LENGTH), SHA256), "32 bytes"),
    "pss salt 10": ("RS256", lambda k: k.sign(b"m", padding.PSS(MGF, 10), SHA256), "32 bytes"),
    "pss auto": ("RS256", lambda k: k.sign(b"m", padding.PSS(MGF, padding.PSS.AUTO), SHA256), "32 bytes"),
    "pss other mgf": ("RS256", lambda k: k.sign(b"m", padding.PSS(padding.MGF1(hashes.SHA1()), 32), SHA256), "MGF1"),
    "rsa sha1": ("RS256", lambda k: k.sign(b"m", padding.PKCS1v15(), hashes.SHA1()), "SHA1"),
    "rsa short digest": ("RS256", lambda k: k.sign(b"m", padding.PKCS1v15(), Prehashed(SHA256)), "SHA256 has 32"),
    "rsa ready digest info": ("RS256", lambda k: k.sign(b"m", padding.PKCS1v15(), NoDigestInfo()), "NoDigestInfo"),
    "rsa no padding": ("RS256", lambda k: k.sign(b"m", None, SHA256), "NoneType"),
    "rsa encryption padding": ("RS256", lambda k: k.sign(b"m", padding.OAEP(MGF, SHA256, None), SHA256), "OAEP"),
    "rsa sha3": ("RS256", lambda k: k.sign(b"m", padding.PKCS1v15(), hashes.SHA3_256()), "SHA3-256"),
    "rsa decrypt": ("RS256", lambda k: k.decrypt(b"c", padding.PKCS1v15()), "decrypt"),
    "ec sha384": ("ES256", lambda k: k.sign(b"m", ec.ECDSA(hashes.SHA384())), "cannot sign ECDSA-P256-SHA384"),
    "ec sha1": ("ES256", lambda k: k.sign(b"m", ec.ECDSA(hashes.SHA1())), "SHA1"),
    "ec deterministic": ("ES256", lambda k: k.sign(b"m", ec.ECDSA(SHA256, deterministic_signing=True)), "RFC 6979"),
    "ec short digest": ("ES256", lambda k: k.sign(b"m", ec.ECDSA(Prehashed(SHA256))), "SHA256 has 32"),
    "ec no scheme": ("ES256", lambda k: k.sign(b"m", None), "NoneType"),
    "ec text": ("ES256", lambda k: k.sign("m", ec.ECDSA(SHA256)), "sign str: data is bytes"),
    "ec number": ("ES256", lambda k: k.sign(7, ec.ECDSA(SHA256)), "sign int: data is bytes"),
    "ec exchange": ("ES256", lambda k: k.exchange(ec.ECDH(), k.public_key()), "exchange"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_key_cannot_do_raises_before_any_call_and_says_what_it_can(case: str) -> None:
    algorithm, call, text = REFUSED[case]
    kms, key = scene(algorithm)
    with pytest.raises(errors.AlgorithmNotSupported, match=text) as caught:
        call(key)
    assert not isinstance(caught.value, (ValueError, TypeError, AttributeError))
    assert "it signs" in caught.value.next_step
    assert kms.count("sign") == 0


def test_pss_maximum_salt_can_be_replaced_where_the_caller_says_so() -> None:
    _, key = scene("RS256", pss_max_length="digest")
    signature = key.sign(b"m", padding.PSS(MGF, padding.PSS.MAX_LENGTH), SHA256)
    key.public_key().verify(signature, b"m", padding.PSS(MGF, 32), SHA256)


@pytest.mark.parametrize("code", ["throttled", "denied", "unavailable"])
def test_a_provider_error_leaves_as_it_is(code: str) -> None:
    kms, key = scene("ES256")
    kms.errors["sign"].extend([code] * 20)
    with pytest.raises(errors.ProviderError) as caught:
        key.sign(b"m", ec.ECDSA(SHA256))
    assert caught.value.code == code
    assert not isinstance(caught.value, (ValueError, TypeError, AttributeError))


def test_an_rsa_key_without_alg_signs_with_all_that_the_provider_takes() -> None:
    """RULES 7: JWS needs to know the algorithm; the private-key object is told by each call."""
    _, key = scene("RS256")
    with pytest.raises(errors.AlgorithmRequired):
        _ = key.signing_key().algorithm
    for name in RSA_INPUTS:
        assert pyjwt.decode(pyjwt.encode({}, key, algorithm=name), key.public_key(), algorithms=[name]) == {}


def test_a_ready_digest_is_refused_where_the_provider_takes_messages_only() -> None:
    kms, key = scene("ES256", {"ES256": {"message": None}})
    with pytest.raises(errors.AlgorithmNotSupported, match="does not sign a ready digest"):
        key.sign(hashlib.sha256(b"m").digest(), ec.ECDSA(Prehashed(SHA256)))
    assert kms.count("sign") == 0


def test_one_object_is_one_version_for_life() -> None:
    """RULES 1."""
    kms, key = scene("ES256")
    kms.rotate()
    key.signing_key()._signer.invalidate()
    signature = key.sign(b"m", ec.ECDSA(SHA256))
    kms.all[0].private.public_key().verify(signature, b"m", ec.ECDSA(SHA256))


@pytest.mark.parametrize(("algorithm", "name"), [("RS256", "RS256"), ("RS256", "PS512"), ("ES256", "ES256"), ("EdDSA", "EdDSA")])
def test_pyjwt_signs_with_it_unmodified(algorithm: str, name: str) -> None:
    _, key = scene(algorithm)
    token = pyjwt.encode({"sub": "42"}, key, algorithm=name)
    assert pyjwt.decode(token, key.public_key(), algorithms=[name]) == {"sub": "42"}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_x509_requests_and_certificates_verify_with_openssl(algorithm: str, tmp_path: Path) -> None:
    _, key = scene(algorithm)
    chosen = None if algorithm == "EdDSA" else SHA256
    request = x509.CertificateSigningRequestBuilder().subject_name(NAME).sign(key, chosen)
    assert request.is_signature_valid
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, chosen)
    )  # fmt: skip
    (tmp_path / "r.pem").write_bytes(request.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "c.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    for command in (["req", "-verify", "-noout", "-in", "r.pem"], ["verify", "-CAfile", "c.pem", "c.pem"]):
        done = subprocess.run(["openssl", *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
