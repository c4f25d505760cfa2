"""CRC32C both ways, the version that the reply names, keys that are none: nothing damaged or substituted passes (RULES 1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from cloudkms import VERSION, Scripted
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from driving import MESSAGE, verify
from google.cloud.kms_v1.types import resources, service
from google_crc32c import value as crc32c

import farsign
from farsign import errors
from farsign.driver import Form, SignRequest
from farsign.testing.emulator import Fault
from farsign_gcp._driver import CloudKey
from farsign_gcp._emulator import GcpEmulator

Drive = Callable[..., CloudKey]
PEM = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
CHECKSUMS = ["wrong_crc32c", "unverified_crc32c", "damaged_request"]
GOOD_KEY = {"name": VERSION, "algorithm": "EC_SIGN_P256_SHA256", "pem": PEM.decode(), "pem_crc32c": crc32c(PEM)}
GOOD_REPLY = {
    "name": VERSION,
    "signature": b"s",
    "signature_crc32c": crc32c(b"s"),
    "verified_digest_crc32c": True,
    "verified_data_crc32c": True,
}


@pytest.mark.parametrize("fault", CHECKSUMS)
@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
def test_a_damaged_call_is_tried_again(fault: str, algorithm: str, gcp: GcpEmulator) -> None:
    key = gcp.create_key(algorithm)
    with farsign.open_signer(key.uri) as signer:
        known = signer.key()
        gcp.faults.add(Fault(fault, "sign", times=2))
        verify(key.public_key, known.algorithm, known.sign(MESSAGE))
    assert gcp.calls("sign") == 3


@pytest.mark.parametrize("fault", CHECKSUMS)
def test_three_damaged_calls_are_a_verdict(fault: str, gcp: GcpEmulator) -> None:
    key = gcp.create_key("ES256")
    with farsign.open_signer(key.uri) as signer:
        known = signer.key()
        gcp.faults.add(Fault(fault, "sign"))
        with pytest.raises(errors.IntegrityFailure):
            known.sign(MESSAGE)
    assert gcp.calls("sign") == 3


@pytest.mark.parametrize("fault", CHECKSUMS)
def test_the_same_under_asyncio(fault: str, gcp: GcpEmulator) -> None:
    key = gcp.create_key("ES256")

    async def run(signer: farsign.Signer) -> bytes:
        known = await signer.akey()
        gcp.faults.add(Fault(fault, "sign", times=2))
        return await known.asign(MESSAGE)

    with farsign.open_signer(key.uri) as signer:
        verify(key.public_key, "ES256", asyncio.run(run(signer)))
    assert gcp.calls("sign") == 3


def test_a_damaged_public_key_is_asked_for_again_and_then_refused(gcp: GcpEmulator) -> None:
    for algorithm in ("ES256", "ML-DSA-44"):
        key = gcp.create_key(algorithm)
        gcp.faults.add(Fault("wrong_crc32c", "describe", times=1))
        with farsign.open_signer(key.uri) as signer:
            assert signer.key().version == key.version
        gcp.faults.add(Fault("wrong_crc32c", "describe"))
        with farsign.open_signer(key.uri) as signer, pytest.raises(errors.IntegrityFailure):
            signer.key()
        gcp.faults.clear()


@pytest.mark.parametrize("form", ["digest", "message", "mu"])
def test_the_request_says_what_it_is_and_its_checksum(form: Form, scripted: Scripted, drive: Drive) -> None:
    heard: list[Any] = []

    def answer(method: str, raw: bytes, metadata: Mapping[str, str]) -> service.AsymmetricSignResponse:
        heard.append((service.AsymmetricSignRequest.deserialize(raw), metadata))
        return service.AsymmetricSignResponse(**GOOD_REPLY)

    scripted.answer = answer
    data = bytes(range(64 if form == "mu" else 48))
    drive(scripted.uri()).sign(SignRequest(VERSION, "-", form, data), timeout=5)
    request, metadata = heard[0]
    assert request.name == VERSION
    assert metadata["x-goog-request-params"] == f"name={VERSION}"
    if form == "message":
        assert (request.data, request.data_crc32c, request.digest_crc32c) == (data, crc32c(data), None)
    else:
        digest = request.digest.external_mu if form == "mu" else request.digest.sha384
        assert (digest, request.digest_crc32c, request.data_crc32c) == (data, crc32c(data), None)


@pytest.mark.parametrize(
    ("form", "wrong"),
    [
        ("digest", {"signature_crc32c": crc32c(b"t")}),
        ("digest", {"signature_crc32c": None}),
        ("digest", {"signature": b"", "signature_crc32c": crc32c(b"")}),
        ("digest", {"signature": b"", "signature_crc32c": None}),
        ("digest", {"verified_digest_crc32c": False}),
        ("mu", {"verified_digest_crc32c": False}),
        ("message", {"verified_data_crc32c": False}),
    ],
)
def test_a_reply_without_proof_is_refused(form: Form, wrong: dict[str, Any], scripted: Scripted, drive: Drive) -> None:
    scripted.answer = service.AsymmetricSignResponse(**GOOD_REPLY | wrong)
    with pytest.raises(errors.IntegrityFailure):
        drive(scripted.uri()).sign(SignRequest(VERSION, "-", form, bytes(64)), timeout=5)


def test_the_reported_version_is_the_replys(scripted: Scripted, drive: Drive) -> None:
    """Never a copy of the request's; whether it is the right one is the Signer's to say."""
    other = VERSION[:-1] + "2"
    scripted.answer = service.AsymmetricSignResponse(**GOOD_REPLY | {"name": other})
    assert drive(scripted.uri()).sign(SignRequest(VERSION, "ES256", "digest", bytes(32)), timeout=5).version == other


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"name": VERSION[:-1] + "2"}, errors.IntegrityFailure),
        ({"name": ""}, errors.IntegrityFailure),
        ({"pem_crc32c": None}, errors.IntegrityFailure),
        ({"pem_crc32c": 1}, errors.IntegrityFailure),
        ({"pem": "garbage", "pem_crc32c": crc32c(b"garbage")}, errors.InvalidKey),
        ({"pem": "", "pem_crc32c": None, "public_key": {"data": b"k", "crc32c_checksum": 1}}, errors.IntegrityFailure),
        (
            {
                "algorithm": "PQ_SIGN_ML_DSA_65",
                "pem": "",
                "pem_crc32c": None,
                "public_key": {"data": b"k", "crc32c_checksum": crc32c(b"k")},
            },
            errors.InvalidKey,
        ),
        ({"algorithm": "RSA_SIGN_RAW_PKCS1_2048"}, errors.KeyMisuse),
        ({"algorithm": "PQ_SIGN_SLH_DSA_SHA2_128S"}, errors.KeyMisuse),
        ({"algorithm": 0}, errors.KeyMisuse),
        ({"algorithm": 12345}, errors.KeyMisuse),  # of a service newer than the SDK
    ],
)
def test_a_key_that_is_none_is_refused(wrong: dict[str, Any], kind: type[Exception], scripted: Scripted, drive: Drive) -> None:
    scripted.answer = resources.PublicKey(**GOOD_KEY | wrong)
    with pytest.raises(kind):
        drive(scripted.uri()).describe(timeout=5)


@pytest.mark.parametrize(
    ("level", "told"),
    [("SOFTWARE", "software"), ("HSM", "hsm"), ("HSM_SINGLE_TENANT", "hsm"), ("EXTERNAL", "external"), ("EXTERNAL_VPC", "external"), (0, ""), (99, "")],
)  # fmt: skip
def test_protection(level: str | int, told: str, scripted: Scripted, drive: Drive) -> None:
    scripted.answer = resources.PublicKey(**GOOD_KEY, protection_level=level)
    assert drive(scripted.uri()).describe(timeout=5).protection == told


@pytest.mark.parametrize(
    "kind", ["wrong_key_id", "other_keys_signature", "wrong_signature", "other_digest", "short_signature", "oversized"]
)
def test_lies_with_right_checksums_are_caught_by_the_signature(kind: str, gcp: GcpEmulator) -> None:
    """A checksum is no proof of who signed what: a lying server computes it over its lie."""
    key = gcp.create_key("ES256")
    with farsign.open_signer(key.uri) as signer:
        known = signer.key()
        gcp.faults.lie(kind)
        with pytest.raises(errors.IntegrityFailure):
            known.sign(MESSAGE)
    assert gcp.calls("sign") == 3
