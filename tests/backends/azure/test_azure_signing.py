"""Every algorithm of Key Vault, verified from the public key alone; and what a description says."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

import farsign
from farsign._base.encodings import b64url_decode, b64url_encode
from farsign.driver import SignRequest
from farsign.errors import IntegrityFailure, KeyDisabled, KeyMisuse
from farsign_azure._driver import VaultKey
from farsign_azure._emulator import AzureEmulator
from farsign_azure._emulator_errors import json_reply

RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
EC = {"ES256": ("secp256r1", 32), "ES384": ("secp384r1", 48), "ES512": ("secp521r1", 66), "ES256K": ("secp256k1", 32)}
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
MESSAGE = b"message"


def check(spki: bytes, algorithm: str, signature: bytes, message: bytes = MESSAGE) -> None:
    """Raises InvalidSignature. PSS with the explicit salt length of RFC 7518 3.5."""
    key, chosen = serialization.load_der_public_key(spki), HASHES[algorithm[2:5]]
    if isinstance(key, rsa.RSAPublicKey):
        pss = padding.PSS(padding.MGF1(chosen), chosen.digest_size)
        key.verify(signature, message, pss if algorithm.startswith("PS") else padding.PKCS1v15(), chosen)
        return
    assert isinstance(key, ec.EllipticCurvePublicKey)
    size = len(signature) // 2
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    key.verify(encode_dss_signature(r, s), message, ec.ECDSA(chosen))


def digest(algorithm: str) -> bytes:
    return hashlib.new(f"sha{algorithm[2:5]}", MESSAGE).digest()


@pytest.mark.parametrize("algorithm", [*RSA, *EC])
def test_the_driver_signs_digests_and_passes_the_signature_through(
    azure: AzureEmulator, drive: Callable[..., VaultKey], algorithm: str
) -> None:
    key = azure.create_key(algorithm)
    driver = drive(key.uri)
    described = driver.describe(timeout=5)
    assert described.public_key == key.public_key
    assert described.version == key.version
    assert described.inputs[algorithm] == {"digest": None}
    assert described.ecdsa == "raw"
    assert not described.pinned
    reply = driver.sign(SignRequest(described.version, algorithm, "digest", digest(algorithm)), timeout=5)
    assert reply.version == described.version
    assert len(reply.signature) == (2 * EC[algorithm][1] if algorithm in EC else 256)
    check(described.public_key, algorithm, reply.signature)
    with pytest.raises(InvalidSignature):
        check(described.public_key, algorithm, reply.signature, b"another")


@pytest.mark.parametrize("algorithm", [*RSA, *EC])
def test_through_a_signer_sync_and_async(azure: AzureEmulator, algorithm: str) -> None:
    emulated = azure.create_key(algorithm, bits=3072)
    with farsign.open_signer(emulated.uri) as signer:
        key = signer.key()
        assert key.algorithm == algorithm
        check(emulated.public_key, algorithm, key.sign(MESSAGE))
        check(emulated.public_key, algorithm, asyncio.run(signer.key().asign(MESSAGE)))


def test_an_rsa_key_signs_six_and_an_ec_key_one(azure: AzureEmulator, drive: Callable[..., VaultKey]) -> None:
    assert tuple(drive(azure.create_key("RS256").uri).describe(timeout=5).inputs) == RSA
    for algorithm in EC:
        assert tuple(drive(azure.create_key(algorithm).uri).describe(timeout=5).inputs) == (algorithm,)


@pytest.mark.parametrize("algorithm", EC)
@pytest.mark.parametrize("where", ["r", "s"])
def test_leading_zeros_of_signatures_stay(
    azure: AzureEmulator, drive: Callable[..., VaultKey], algorithm: str, where: str
) -> None:
    azure.keys.leading_zero = "r" if where == "r" else "s"
    driver = drive(azure.create_key(algorithm).uri)
    described = driver.describe(timeout=5)
    signature = driver.sign(SignRequest(described.version, algorithm, "digest", digest(algorithm)), timeout=5).signature
    size = EC[algorithm][1]
    assert signature[0 if where == "r" else size] == 0
    check(described.public_key, algorithm, signature)


def test_coordinates_without_their_leading_zeros_are_padded(
    azure: AzureEmulator, drive: Callable[..., VaultKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An independent server strips them; the first byte of a P-521 coordinate is zero every other time."""
    keys = (ec.generate_private_key(ec.SECP521R1()) for _ in range(1000))
    private = next(key for key in keys if key.public_key().public_numbers().x >> 520 == 0)
    version = azure.vault.add("padded", "P-521", private=private)
    bundle = azure.vault.bundle

    def stripped(ask, version):
        made = bundle(ask, version)
        return {**made, "key": {**made["key"], **{name: _stripped(made["key"][name]) for name in ("x", "y")}}}

    monkeypatch.setattr(azure.vault, "bundle", stripped)
    uri = azure.create_key("ES256").uri.replace("/key-2?", "/padded?")
    assert drive(uri).describe(timeout=5).public_key == version.spki
    with farsign.open_signer(uri) as signer:
        assert len(signer.key().jwk()["x"]) == 88  # 66 bytes
        check(version.spki, "ES512", signer.key().sign(MESSAGE))


def _stripped(text: str) -> str:
    return b64url_encode(b64url_decode(text).lstrip(b"\0"))


def test_protection_and_creation_time(azure: AzureEmulator, drive: Callable[..., VaultKey]) -> None:
    soft = drive(azure.create_key("ES256", created=1_700_000_000).uri).describe(timeout=5)
    assert (soft.protection, soft.created) == ("software", 1_700_000_000.0)
    assert drive(azure.create_key("ES256", hsm=True).uri).describe(timeout=5).protection == "hsm"
    assert drive(azure.create_key("RS256", hsm=True).uri).describe(timeout=5).protection == "hsm"
    managed = azure.create_key("ES256", vault="hsm-1.managedhsm.azure.net")
    assert drive(managed.uri).describe(timeout=5).protection == "hsm"


@pytest.mark.parametrize(
    "host",
    [
        "v-1.vault.azure.net",
        "v-1.vault.usgovcloudapi.net",
        "v-1.vault.azure.cn",
        "h-1.managedhsm.azure.net",
        "h-1.managedhsm.usgovcloudapi.net",
        "h-1.managedhsm.azure.cn",
    ],
)
def test_sovereign_clouds_and_managed_hsms(azure: AzureEmulator, host: str) -> None:
    """The challenge's resource differs on each; the SDK verifies it against the host."""
    key = azure.create_key("ES256", vault=host)
    with farsign.open_signer(key.uri) as signer:
        assert signer.endpoint == f"azurekms {host} via {azure.authority}"
        assert signer.key().version == key.version
        check(key.public_key, "ES256", signer.key().sign(MESSAGE))


def test_a_pinned_uri_is_pinned(azure: AzureEmulator, drive: Callable[..., VaultKey]) -> None:
    key = azure.create_key("ES256")
    newer = azure.rotate(key)
    driver = drive(key.pinned)
    assert driver.describe(timeout=5).version == key.version
    assert driver.describe(timeout=5).pinned
    before = azure.calls("*")
    assert driver.versions(timeout=5) == [(key.version, None)]
    assert azure.calls("*") == before, "listed without a call"
    assert drive(newer.uri).describe(key.version, timeout=5).version == key.version


def test_what_a_description_has_to_have(
    azure: AzureEmulator, drive: Callable[..., VaultKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = azure.create_key("ES256")
    bundle = azure.vault.bundle
    changes: dict[str, Callable[[dict], object]] = {}

    def changed(ask, version):
        made = bundle(ask, version)
        for change in changes.values():
            change(made)
        return made

    monkeypatch.setattr(azure.vault, "bundle", changed)

    def refused(change: Callable[[dict], object], error: type[Exception], told: str, uri: str = key.uri) -> None:
        changes["now"] = change
        with pytest.raises(error, match=told):
            drive(uri).describe(timeout=5)

    # the service shows disabled keys, with enabled: false
    refused(lambda made: made["attributes"].update(enabled=False), KeyDisabled, "is disabled")
    refused(lambda made: made["key"].update(kty="oct-HSM"), KeyMisuse, "oct-HSM")
    refused(lambda made: made["key"].update(crv="P-224"), KeyMisuse, "P-224")
    refused(lambda made: made["key"].pop("x"), IntegrityFailure, "not a key")
    refused(lambda made: made.pop("attributes"), IntegrityFailure, "not a key")
    refused(lambda made: made["key"].update(kid=7), IntegrityFailure, "not a key", key.pinned)
    refused(lambda made: made["key"].update(kid="https://v/keys/../../x"), IntegrityFailure, "no key id", key.pinned)
    other = f"https://v.vault.azure.net/keys/{key.name}/{'0' * 32}"
    refused(lambda made: made["key"].update(kid=other), IntegrityFailure, "asked for version", key.pinned)


@pytest.mark.parametrize("body", [{}, {"kid": "x"}, {"value": "AA"}, {"kid": "x", "value": "=+/"}, {"kid": "x", "value": None}])
def test_what_is_no_signature_is_an_integrity_failure(
    azure: AzureEmulator, drive: Callable[..., VaultKey], body: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = azure.create_key("ES256")
    driver = drive(key.uri)
    monkeypatch.setattr(azure.keys, "sign", lambda *_, **__: b"")
    monkeypatch.setattr("farsign_azure._emulator.json_reply", lambda _: json_reply(body))
    with pytest.raises(IntegrityFailure, match="not a signature"):
        driver.sign(SignRequest(key.version, "ES256", "digest", digest("ES256")), timeout=5)


def test_a_key_id_off_the_wire_cannot_leave_the_path(azure: AzureEmulator, drive: Callable[..., VaultKey]) -> None:
    """As RULES 13 has it for Vault: names are checked again just before the call."""
    driver = drive(azure.create_key("ES256").uri)
    for version in (
        "https://v/keys/k/v/../../secrets/x",
        "https://v/keys/k/v?x",
        "https://v/secrets/k/v",
        "k/v",
        "",
        "https://v/keys/k%2Fx/v",
    ):
        with pytest.raises(IntegrityFailure):
            driver.sign(SignRequest(version, "ES256", "digest", digest("ES256")), timeout=5)
    assert azure.calls("*") == 0
