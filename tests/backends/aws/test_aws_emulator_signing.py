"""The AWS emulator, driven by the real boto3: signatures, checked with ``cryptography`` from the public key alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from boto import client, refused
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from farsign._base.primitives import mu
from farsign.testing.emulator import LIES
from farsign_aws._emulator import AwsEmulator

RSA = {f"RSASSA_{scheme}_SHA_{bits}": (scheme, bits) for scheme in ("PKCS1_V1_5", "PSS") for bits in (256, 384, 512)}
EC = {"ECC_NIST_P256": 256, "ECC_NIST_P384": 384, "ECC_NIST_P521": 512, "ECC_SECG_P256K1": 256}
HASH = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsEmulator]:
    with AwsEmulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def kms(aws: AwsEmulator) -> Any:
    return client(aws.url)


@pytest.fixture(scope="module")
def keys(kms: Any) -> dict[str, str]:
    specs = ["RSA_2048", *EC, "ECC_NIST_EDWARDS25519", "ML_DSA_44", "ML_DSA_65", "ML_DSA_87"]
    return {spec: kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"] for spec in specs}


@pytest.fixture(autouse=True)
def no_faults(aws: AwsEmulator) -> Iterator[None]:
    yield
    aws.faults.clear()


def public(kms: Any, key_id: str) -> Any:
    return load_der_public_key(kms.get_public_key(KeyId=key_id)["PublicKey"])


def check(key: Any, signature: bytes, message: bytes, algorithm: str) -> None:
    """From the public key alone; PSS with an explicit salt length, which MAX_LENGTH and AUTO would not check."""
    if algorithm in RSA:
        scheme, bits = RSA[algorithm]
        hash_ = HASH[bits]
        pad = padding.PSS(padding.MGF1(hash_), bits // 8) if scheme == "PSS" else padding.PKCS1v15()
        key.verify(signature, message, pad, hash_)
    elif algorithm.startswith("ECDSA"):
        key.verify(signature, message, ec.ECDSA(HASH[int(algorithm[-3:])]))
    else:
        key.verify(signature, message)


CASES = [("RSA_2048", algorithm) for algorithm in RSA] + [(spec, f"ECDSA_SHA_{bits}") for spec, bits in EC.items()]


@pytest.mark.parametrize(("spec", "algorithm"), CASES)
def test_raw_and_digest_sign_the_same_message(kms: Any, keys: dict[str, str], spec: str, algorithm: str) -> None:
    """A DIGEST is not hashed again, and the PSS salt is as long as the digest: both are what other emulators get wrong."""
    key_id, message = keys[spec], b"message"
    digest = hashlib.new(f"sha{algorithm[-3:]}", message).digest()
    for data, kind in ((message, "RAW"), (digest, "DIGEST")):
        reply = kms.sign(KeyId=key_id, Message=data, MessageType=kind, SigningAlgorithm=algorithm)
        assert reply["SigningAlgorithm"] == algorithm
        check(public(kms, key_id), reply["Signature"], message, algorithm)
        for again, other in ((message, "RAW"), (digest, "DIGEST")):
            verified = kms.verify(
                KeyId=key_id, Message=again, MessageType=other, SigningAlgorithm=algorithm, Signature=reply["Signature"]
            )
            assert verified["SignatureValid"] is True
        if reply["Signature"][-1] != 0:
            bad = (reply["Signature"][:-1] + b"\0",)
            assert refused(kms.verify, KeyId=key_id, Message=message, SigningAlgorithm=algorithm, Signature=bad[0]) == (
                "KMSInvalidSignatureException",
                "",
                400,
            )
    assert refused(kms.sign, KeyId=key_id, Message=digest[:-1], MessageType="DIGEST", SigningAlgorithm=algorithm) == (
        "ValidationException",
        f"Digest is invalid length for algorithm {algorithm}.",
        400,
    )


@pytest.mark.parametrize("bits", [3072, 4096])
def test_longer_rsa_keys(kms: Any, bits: int) -> None:
    made = kms.create_key(KeySpec=f"RSA_{bits}", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    assert made["SigningAlgorithms"] == list(RSA)
    signature = kms.sign(KeyId=made["KeyId"], Message=b"m", SigningAlgorithm="RSASSA_PSS_SHA_512")["Signature"]
    assert len(signature) == bits // 8
    check(public(kms, made["KeyId"]), signature, b"m", "RSASSA_PSS_SHA_512")


def test_ed25519_signs_raw_messages_only(kms: Any, keys: dict[str, str]) -> None:
    key_id, arguments = keys["ECC_NIST_EDWARDS25519"], {"SigningAlgorithm": "ED25519_SHA_512"}
    described = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert described["SigningAlgorithms"] == ["ED25519_SHA_512", "ED25519_PH_SHA_512"]
    assert "CustomerMasterKeySpec" not in described
    signature = kms.sign(KeyId=key_id, Message=b"m", **arguments)["Signature"]
    assert len(signature) == 64
    check(public(kms, key_id), signature, b"m", "ED25519_SHA_512")
    text = "Message type DIGEST is incompatible with algorithm ED25519_SHA_512."
    refusal = refused(kms.sign, KeyId=key_id, Message=bytes(64), MessageType="DIGEST", **arguments)
    assert refusal == ("ValidationException", text, 400)
    prehashed = {"KeyId": key_id, "Message": bytes(64), "SigningAlgorithm": "ED25519_PH_SHA_512"}
    assert refused(kms.sign, MessageType="RAW", **prehashed)[0] == "ValidationException"
    assert refused(kms.sign, MessageType="DIGEST", **prehashed)[0] == "UnsupportedOperationException"


@pytest.mark.parametrize(("spec", "size"), [("ML_DSA_44", 2420), ("ML_DSA_65", 3309), ("ML_DSA_87", 4627)])
def test_ml_dsa_signs_messages_and_external_mu_alike(kms: Any, keys: dict[str, str], spec: str, size: int) -> None:
    key_id, algorithm = keys[spec], "ML_DSA_SHAKE_256"
    key = public(kms, key_id)
    for data, kind in ((b"m", "RAW"), (mu(key, b"m"), "EXTERNAL_MU")):
        signature = kms.sign(KeyId=key_id, Message=data, MessageType=kind, SigningAlgorithm=algorithm)["Signature"]
        assert len(signature) == size
        check(key, signature, b"m", algorithm)
        kms.verify(KeyId=key_id, Message=data, MessageType=kind, SigningAlgorithm=algorithm, Signature=signature)
    for data, kind, text in (
        (bytes(63), "EXTERNAL_MU", "External Mu is invalid length for algorithm ML_DSA_SHAKE_256."),
        (bytes(64), "DIGEST", f"Message type DIGEST is incompatible with key spec {spec}."),
    ):
        refusal = refused(kms.sign, KeyId=key_id, Message=data, MessageType=kind, SigningAlgorithm=algorithm)
        assert refusal == ("ValidationException", text, 400)


def test_sizes(kms: Any, keys: dict[str, str]) -> None:
    arguments = {"KeyId": keys["ECC_NIST_P256"], "SigningAlgorithm": "ECDSA_SHA_256"}
    kms.sign(Message=bytes(4096), **arguments)
    limit = "1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length "
    assert refused(kms.sign, Message=bytes(4097), **arguments) == (
        "ValidationException",
        f"{limit}less than or equal to 4096",
        400,
    )
    assert refused(kms.sign, Message=b"", **arguments) == ("ValidationException", f"{limit}greater than or equal to 1", 400)


def test_misuse(kms: Any, keys: dict[str, str]) -> None:
    ec_key = keys["ECC_NIST_P256"]
    answered = refused(kms.sign, KeyId=ec_key, Message=b"m", SigningAlgorithm="RSASSA_PSS_SHA_256")
    assert answered == (
        "InvalidKeyUsageException",
        "Algorithm RSASSA_PSS_SHA_256 is incompatible with key spec ECC_NIST_P256.",
        400,
    )
    for bad in ({"SigningAlgorithm": "NONE"}, {"SigningAlgorithm": "ECDSA_SHA_256", "MessageType": "X"}):
        code, text, _ = refused(kms.sign, KeyId=ec_key, Message=b"m", **bad)
        assert code == "ValidationException"
        assert "Member must satisfy enum value set: [" in text
    for spec, usage in (
        ("RSA_2048", "ENCRYPT_DECRYPT"),
        ("HMAC_256", "GENERATE_VERIFY_MAC"),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
    ):
        made = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]
        text = f"{made['Arn']} key usage is {usage} which is not valid for Sign."
        answered = refused(kms.sign, KeyId=made["KeyId"], Message=b"m", SigningAlgorithm="RSASSA_PSS_SHA_256")
        assert answered == ("InvalidKeyUsageException", text, 400)
    assert refused(kms.get_public_key, KeyId=made["KeyId"])[0] == "UnsupportedOperationException"


def test_dry_run_ends_in_an_exception_after_all_checks(aws: AwsEmulator, kms: Any, keys: dict[str, str]) -> None:
    arguments = {"KeyId": keys["ECC_NIST_P256"], "Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256", "DryRun": True}
    assert refused(kms.sign, **arguments)[::2] == ("DryRunOperationException", 412)
    assert refused(kms.sign, **{**arguments, "SigningAlgorithm": "ECDSA_SHA_384"})[0] == "InvalidKeyUsageException"


def test_leading_zeros_come_as_short_der_integers(aws: AwsEmulator, kms: Any, keys: dict[str, str]) -> None:
    aws.keys.leading_zero = "r"
    try:
        for _ in range(3):
            signature = kms.sign(KeyId=keys["ECC_NIST_P256"], Message=b"m", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
            r, _ = decode_dss_signature(signature)
            assert r < 1 << 248
            check(public(kms, keys["ECC_NIST_P256"]), signature, b"m", "ECDSA_SHA_256")
    finally:
        aws.keys.leading_zero = ""


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_lies(aws: AwsEmulator, kms: Any, keys: dict[str, str], lie: str) -> None:
    key_id = keys["RSA_2048"]
    aws.faults.lie(lie, times=1)
    arguments = {"KeyId": key_id, "Message": b"m", "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256"}
    lied, honest = kms.sign(**arguments), kms.sign(**arguments)
    check(public(kms, key_id), honest["Signature"], b"m", "RSASSA_PKCS1_V1_5_SHA_256")
    if lie == "wrong_key_id":
        assert lied["KeyId"] != honest["KeyId"]
        assert lied["KeyId"].startswith("arn:aws:kms:us-east-1:")
    else:
        with pytest.raises((InvalidSignature, ValueError)):
            check(public(kms, key_id), lied["Signature"], b"m", "RSASSA_PKCS1_V1_5_SHA_256")
