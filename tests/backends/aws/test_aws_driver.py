"""The driver: what it asks KMS for, and what it makes of the answers."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from canned import ARN, Canned, canned

import farsign
import farsign_aws
from farsign import driver, errors
from farsign_aws._driver import AwsKey
from farsign_aws._emulator import AwsEmulator

__all__ = ["canned"]
Emulators = Callable[..., AwsEmulator]
DIGEST, MESSAGE, EITHER = {"digest": None}, {"message": 4096}, {"message": 4096, "mu": 64}
RSA = {f"{scheme}{bits}" for scheme in ("RS", "PS") for bits in (256, 384, 512)}


@pytest.fixture(scope="module")
def key(canned: Canned) -> Iterator[AwsKey]:
    made = AwsKey(farsign.parse_uri(canned.uri))
    yield made
    made.close()


# -- describe -----------------------------------------------------------------------------------------------------------------

SPECS = [
    ("ECC_NIST_P256", {"ES256": DIGEST}),
    ("ECC_NIST_P384", {"ES384": DIGEST}),
    ("ECC_NIST_P521", {"ES512": DIGEST}),
    ("ECC_SECG_P256K1", {"ES256K": DIGEST}),
    ("ECC_NIST_EDWARDS25519", {"Ed25519": MESSAGE}),
    ("ML_DSA_44", {"ML-DSA-44": EITHER}),
    ("ML_DSA_65", {"ML-DSA-65": EITHER}),
    ("ML_DSA_87", {"ML-DSA-87": EITHER}),
    ("RSA_2048", dict.fromkeys(RSA, DIGEST)),
]
ALGORITHMS = [f"RSASSA_{padding}_SHA_{bits}" for padding in ("PKCS1_V1_5", "PSS") for bits in (256, 384, 512)]


@pytest.mark.parametrize(("spec", "inputs"), SPECS, ids=[row[0] for row in SPECS])
def test_each_key_spec(spec: str, inputs: object, canned: Canned, key: AwsKey) -> None:
    canned.says(KeyId=ARN, PublicKey="AAAA", KeySpec=spec, KeyUsage="SIGN_VERIFY", SigningAlgorithms=ALGORITHMS)
    described = key.describe(timeout=5.0)
    assert described == driver.KeyDescription(ARN, b"\0\0\0", inputs, pinned=True, protection="hsm")
    assert canned.asked == {"operation": "GetPublicKey", "KeyId": ARN}


def test_an_rsa_key_signs_what_it_lists(canned: Canned, key: AwsKey) -> None:
    listed = ["RSASSA_PSS_SHA_256", "RSASSA_NEW_SHA_3"]
    canned.says(KeyId=ARN, PublicKey="AAAA", KeySpec="RSA_8192", KeyUsage="SIGN_VERIFY", SigningAlgorithms=listed)
    assert set(key.describe(timeout=5.0).inputs) == {"PS256"}


@pytest.mark.parametrize("spec", ["SM2", "ECC_NIST_P257", "", "ML_KEM_768"])
def test_a_spec_that_signs_nothing_here(spec: str, canned: Canned, key: AwsKey) -> None:
    canned.says(KeyId=ARN, PublicKey="AAAA", KeySpec=spec, KeyUsage="SIGN_VERIFY")
    with pytest.raises(errors.KeyMisuse, match=f"of spec {spec} sign nothing"):
        key.describe(timeout=5.0)


def test_a_mac_key_is_refused(emulator: Emulators) -> None:
    aws = emulator("awskms")
    made = aws.create_key("ES256")
    from boto import client

    mac = client(aws.url).create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
    with farsign.open_signer(made.uri.replace(made.name.rpartition("/")[2], mac)) as signer, pytest.raises(errors.KeyMisuse):
        signer.key()


def test_a_pinned_version_is_asked_for_by_arn(canned: Canned, key: AwsKey) -> None:
    other = ARN.replace("1234abcd", "ffffffff")
    canned.says(KeyId=other, PublicKey="AAAA", KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    key.describe(other, timeout=5.0)
    assert canned.asked["KeyId"] == other


# -- sign ---------------------------------------------------------------------------------------------------------------------

WIRE = {
    **{f"RS{bits}": f"RSASSA_PKCS1_V1_5_SHA_{bits}" for bits in (256, 384, 512)},
    **{f"PS{bits}": f"RSASSA_PSS_SHA_{bits}" for bits in (256, 384, 512)},
    "ES256": "ECDSA_SHA_256",
    "ES384": "ECDSA_SHA_384",
    "ES512": "ECDSA_SHA_512",
    "ES256K": "ECDSA_SHA_256",
    "Ed25519": "ED25519_SHA_512",
    "ML-DSA-44": "ML_DSA_SHAKE_256",
    "ML-DSA-65": "ML_DSA_SHAKE_256",
    "ML-DSA-87": "ML_DSA_SHAKE_256",
}
TYPES = {"digest": "DIGEST", "message": "RAW", "mu": "EXTERNAL_MU"}


@pytest.mark.parametrize("algorithm", WIRE)
def test_each_algorithm_on_the_wire(algorithm: str, canned: Canned, key: AwsKey) -> None:
    """PROVIDERS 1.8."""
    forms = next(inputs[algorithm] for _, inputs in SPECS if algorithm in inputs)  # type: ignore[index,operator]  # of literals
    canned.says(KeyId=ARN, Signature="AQI=")
    for form in forms:
        reply = key.sign(driver.SignRequest(ARN, algorithm, form, b"\xfe\xff"), timeout=5.0)
        assert reply == driver.SignReply(b"\1\2", ARN)
        assert canned.asked == {
            "operation": "Sign",
            "KeyId": ARN,
            "Message": base64.b64encode(b"\xfe\xff").decode(),
            "MessageType": TYPES[form],
            "SigningAlgorithm": WIRE[algorithm],
        }


def test_the_version_is_what_the_reply_names(canned: Canned, key: AwsKey) -> None:
    """RULES 1: never copied from the request."""
    request = driver.SignRequest(ARN, "ES256", "digest", b"x")
    for named in (None, "", 7, "somebody else"):
        canned.says(KeyId=named, Signature="AQI=")
        assert key.sign(request, timeout=5.0).version == ("somebody else" if named == "somebody else" else None)


def test_grant_tokens_reach_the_wire(canned: Canned) -> None:
    with farsign_aws.open_signer(canned.uri, grant_tokens=["one", "two"]) as signer:
        canned.says(KeyId=ARN, PublicKey="AAAA", KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
        with pytest.raises(errors.FarsignError):
            signer.key()
        assert canned.asked["GrantTokens"] == ["one", "two"]
    granted = AwsKey(farsign.parse_uri(canned.uri), grant_tokens=("one", "two"))
    canned.says(KeyId=ARN, Signature="AQI=")
    granted.sign(driver.SignRequest(ARN, "ES256", "digest", b"x"), timeout=5.0)
    assert canned.asked["GrantTokens"] == ["one", "two"]
    granted.close()


def test_one_call_is_one_request(canned: Canned, key: AwsKey) -> None:
    """botocore's own retries are off, whatever the environment says: layers must not multiply."""
    for code, status in (("ThrottlingException", 400), ("KMSInternalException", 500), ("", 503)):
        canned.says(status, __type=code)
        before = len(canned.requests)
        with pytest.raises(Exception, match=code or r"\(\)"):
            key.sign(driver.SignRequest(ARN, "ES256", "digest", b"x"), timeout=5.0)
        assert len(canned.requests) == before + 1


# -- what a user meets --------------------------------------------------------------------------------------------------------


def test_an_alias_is_resolved_once_and_signed_by_arn(emulator: Emulators) -> None:
    """RULES 1: pin, always."""
    aws = emulator("awskms")
    made = aws.create_key("ES256", alias="auth")
    with farsign.open_signer(made.uri) as signer:
        for _ in range(3):
            signer.key().sign(b"x")
        assert signer.key().version == made.version
        assert not signer.key().pinned
    assert [(record.operation, record.key) for record in aws.log] == [("GetPublicKey", "alias/auth")] + [
        ("Sign", made.version)
    ] * 3


def test_ed25519_over_4096_bytes_is_refused_before_the_call_with_the_reason(emulator: Emulators) -> None:
    aws = emulator("awskms")
    with farsign.open_signer(aws.create_key("EdDSA").uri) as signer:
        key = signer.key()
        key.sign(b"x" * 4096)
        with pytest.raises(errors.MessageTooLong, match="up to 4096 bytes") as caught:
            key.sign(b"x" * 4097)
    assert "ES256" in caught.value.next_step
    assert aws.calls("sign") == 1


def test_an_rsa_key_asks_for_its_algorithm(emulator: Emulators) -> None:
    """EXAMPLES 8."""
    uri = emulator("awskms").create_key("RS256").uri.replace("&alg=RS256", "")
    with farsign.open_signer(uri) as signer, pytest.raises(errors.AlgorithmRequired) as caught:
        signer.key().sign(b"x")
    assert "signs RS256 RS384 RS512 PS256 PS384 PS512" in str(caught.value)
    assert "&alg=" in caught.value.next_step


def test_the_endpoint_says_what_fails_together(emulator: Emulators, no_settings: object) -> None:
    aws = emulator("awskms")
    uri = aws.create_key("ES256").uri
    assert farsign.open_signer(uri).endpoint == f"awskms us-east-1 at {aws.url}"
    assert farsign.open_signer("awskms:///alias/x?region=eu-west-1").endpoint == "awskms eu-west-1"


def test_parsing_and_checking_a_uri_imports_no_sdk() -> None:
    """And neither does importing the backend."""
    code = (
        "import sys, farsign, farsign_aws; farsign.parse_uri('awskms:///alias/x?region=eu-west-1')\n"
        "assert not {'boto3', 'botocore', 'urllib3'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
