"""The conformance suite over AWS KMS as a server has it that we did not write (FARSIGN_TEST_AWS_ENDPOINT, or MiniStack)."""

from __future__ import annotations

import functools
import itertools
import os
from typing import ClassVar

import independent_aws
import pytest
from boto import client, refused

from farsign.testing.conformance import SignerConformance

NUMBERS = itertools.count()
shared_client = functools.cache(client)
SPECS = {"RS": "RSA_2048", "PS": "RSA_2048", "Ed": "ECC_NIST_EDWARDS25519"}
EC_SPECS = {"ES256": "ECC_NIST_P256", "ES384": "ECC_NIST_P384", "ES512": "ECC_NIST_P521", "ES256K": "ECC_SECG_P256K1"}


# What MiniStack does not do as AWS does -> what that means for this suite
GAPS = {
    "it has no ML-DSA keys": "they are not in ``algorithms``; the emulator has them",
    "it takes messages over 4096 bytes": "shows nowhere: farsign refuses them before the call",
    "it takes empty messages": "shows nowhere: the suite asks it to sign digests, and Ed25519's empty message is signed",
}


class TestIndependentAws(SignerConformance):
    algorithms: ClassVar = {f"{scheme}{bits}" for scheme in ("RS", "PS") for bits in (256, 384, 512)} | {
        *EC_SPECS,
        "EdDSA",
        "Ed25519",
    }
    limits: ClassVar = {"EdDSA": 4096, "Ed25519": 4096}

    @pytest.fixture(autouse=True)
    def _endpoint(self) -> None:
        self.endpoint = independent_aws.endpoint()
        self.kms = shared_client(self.endpoint)
        self.ids: dict[str, str] = {}

    def create(self, algorithm: str) -> str:
        spec = EC_SPECS.get(algorithm) or SPECS[algorithm[:2]]
        key_id: str = self.kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
        return key_id

    def make_key(self, algorithm: str) -> str:
        alias, key_id = f"alias/conformance-{id(self)}-{next(NUMBERS)}", self.create(algorithm)
        self.kms.create_alias(AliasName=alias, TargetKeyId=key_id)
        uri = f"awskms:///{alias}?region=us-east-1&endpoint={self.endpoint}&auth=emulator&alg={algorithm}"
        self.ids[uri] = key_id
        return uri

    def rotate(self, key: str) -> None:
        self._point(key, self.create(key.rpartition("=")[2]))

    def move_alias(self, key: str, other: str) -> None:
        self._point(key, self.ids[other])

    def _point(self, key: str, key_id: str) -> None:
        self.kms.update_alias(AliasName=key.removeprefix("awskms:///").partition("?")[0], TargetKeyId=key_id)
        self.ids[key] = key_id

    def disable(self, key: str) -> None:
        self.kms.disable_key(KeyId=self.ids[key])

    def delete(self, key: str) -> None:
        self.kms.schedule_key_deletion(KeyId=self.ids[key], PendingWindowInDays=7)

    def missing_key(self, algorithm: str) -> str:
        return f"awskms:///alias/not-there?region=us-east-1&endpoint={self.endpoint}&auth=emulator"


@pytest.mark.skipif("FARSIGN_TEST_AWS_ENDPOINT" in os.environ, reason="another server has other gaps")
@pytest.mark.parametrize("gap", GAPS)
def test_the_gaps_are_still_there(gap: str) -> None:
    """One that is closed has to leave the list, and the suite gets what it stands for."""
    kms = shared_client(independent_aws.endpoint())
    if gap == "it has no ML-DSA keys":
        assert refused(kms.create_key, KeySpec="ML_DSA_65", KeyUsage="SIGN_VERIFY")[0] == "UnsupportedOperationException"
        return
    message = bytes(4097) if "4096" in gap else b""
    key_id = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    assert kms.sign(KeyId=key_id, Message=message, SigningAlgorithm="ECDSA_SHA_256")["Signature"]
