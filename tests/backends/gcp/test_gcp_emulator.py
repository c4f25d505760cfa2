"""The emulator, as Google's own client sees it: resources, states, error texts, CRC32C; and the command that runs it."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import subprocess
import sys
from typing import Any

import grpc
import pytest
from cloudkms import sdk
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key
from driving import MESSAGE
from google.api_core import exceptions as api
from google.cloud.kms_v1 import KeyManagementServiceClient
from google_crc32c import value as crc32c

import farsign
from farsign.errors import AlgorithmNotSupported
from farsign_gcp._emulator import GcpEmulator

PARENT = "projects/p-1/locations/europe-west3"
ONCE = {"retry": None, "timeout": 5}
SHA256 = hashlib.sha256(MESSAGE).digest()


@pytest.fixture
def client(gcp: GcpEmulator) -> KeyManagementServiceClient:
    return sdk(gcp.url)


def key_of(client: Any, algorithm: str, purpose: str = "ASYMMETRIC_SIGN", name: str = "k") -> str:
    ring = f"{PARENT}/keyRings/r"
    with contextlib.suppress(api.AlreadyExists):  # by an earlier key of the test
        client.create_key_ring({"parent": PARENT, "key_ring_id": "r"}, **ONCE)
    key = {"purpose": purpose, "version_template": {"algorithm": algorithm, "protection_level": "HSM"}}
    made: str = client.create_crypto_key({"parent": ring, "crypto_key_id": name, "crypto_key": key}, **ONCE).name
    return made


def sign(client: Any, name: str, **request: Any) -> Any:
    return client.asymmetric_sign({"name": name, **request}, **ONCE)


def test_rings_keys_and_versions(client: Any) -> None:
    with pytest.raises(api.NotFound):
        client.get_key_ring(name=f"{PARENT}/keyRings/r", **ONCE)
    key = key_of(client, "EC_SIGN_P256_SHA256")
    assert client.get_key_ring(name=f"{PARENT}/keyRings/r", **ONCE).name == f"{PARENT}/keyRings/r"
    assert [each.name for each in client.list_crypto_keys(parent=f"{PARENT}/keyRings/r", **ONCE)] == [key]
    assert client.get_crypto_key(name=key, **ONCE).version_template.algorithm.name == "EC_SIGN_P256_SHA256"
    with pytest.raises(api.AlreadyExists):
        key_of(client, "EC_SIGN_P256_SHA256")
    made = client.create_crypto_key_version({"parent": key, "crypto_key_version": {}}, **ONCE)
    assert (made.name, made.state.name, made.generate_time) == (f"{key}/cryptoKeyVersions/2", "PENDING_GENERATION", None)
    assert client.get_crypto_key_version(name=made.name, **ONCE).state.name == "ENABLED"
    listed = list(client.list_crypto_key_versions({"parent": key, "page_size": 1}, **ONCE))
    assert [version.name.rpartition("/")[2] for version in listed] == ["1", "2"]
    assert listed[0].protection_level.name == "HSM"


@pytest.mark.filterwarnings("ignore:Unrecognized CryptoKeyVersionAlgorithm")  # the SDK's
def test_what_the_emulator_does_not_know_it_says(client: Any) -> None:
    """Rather than ignore it."""
    key = key_of(client, "EC_SIGN_P256_SHA256")
    with pytest.raises(api.MethodNotImplemented, match="no filter but"):
        client.list_crypto_key_versions({"parent": key, "filter": "algorithm=EC_SIGN_P256_SHA256"}, **ONCE)
    for wrong in ({"page_token": "x"}, {"page_size": -1}):
        with pytest.raises(api.InvalidArgument):
            client.list_crypto_key_versions({"parent": key, **wrong}, **ONCE)
    with pytest.raises(api.InvalidArgument):
        client.create_key_ring({"parent": "projects/p-1", "key_ring_id": "r"}, **ONCE)
    with pytest.raises(api.InvalidArgument, match="algorithm 9999 is not valid"):
        key_of(client, 9999, name="newer")  # type: ignore[arg-type]  # which this SDK has no name for


def test_a_public_key_in_a_format_by_name(client: Any) -> None:
    """It is in ``public_key`` then, PEM too (google.cloud.kms.v1.PublicKey.PublicKeyFormat)."""
    name = key_of(client, "EC_SIGN_P256_SHA256") + "/cryptoKeyVersions/1"
    default = client.get_public_key(name=name, **ONCE)
    pem, der = (client.get_public_key({"name": name, "public_key_format": form}, **ONCE) for form in ("PEM", "DER"))
    assert (pem.pem, pem.public_key.data.decode()) == ("", default.pem)
    assert load_der_public_key(der.public_key.data) == load_pem_public_key(default.pem.encode())
    assert der.public_key.crc32c_checksum == crc32c(der.public_key.data)
    with pytest.raises(api.InvalidArgument):
        client.get_public_key({"name": name, "public_key_format": "NIST_PQC"}, **ONCE)


def test_the_day_of_destruction_stays(client: Any, gcp: GcpEmulator) -> None:
    name = key_of(client, "EC_SIGN_P256_SHA256") + "/cryptoKeyVersions/1"
    day = client.destroy_crypto_key_version(name=name, **ONCE).destroy_time
    gcp.clock.advance(3600)
    assert client.get_crypto_key_version(name=name, **ONCE).destroy_time == day
    client.restore_crypto_key_version(name=name, **ONCE)
    assert client.destroy_crypto_key_version(name=name, **ONCE).destroy_time > day


def test_the_life_of_a_version(client: Any) -> None:
    name = key_of(client, "EC_SIGN_P256_SHA256") + "/cryptoKeyVersions/1"

    def update(state: str) -> str:
        request = {"crypto_key_version": {"name": name, "state": state}, "update_mask": {"paths": ["state"]}}
        told: str = client.update_crypto_key_version(request, **ONCE).state.name
        return told

    def refused(state: str) -> None:
        for attempt in (lambda: client.get_public_key(name=name, **ONCE), lambda: sign(client, name, digest={"sha256": SHA256})):
            with pytest.raises(api.FailedPrecondition) as caught:
                attempt()
            assert caught.value.message == f"key version {name} is not enabled, current state is: {state}."
            (violation,) = caught.value.details[0].violations
            assert (violation.type, violation.subject) == (f"KEY_{state}", name)

    assert update("DISABLED") == "DISABLED"
    refused("DISABLED")
    assert update("ENABLED") == "ENABLED"
    assert client.destroy_crypto_key_version(name=name, **ONCE).state.name == "DESTROY_SCHEDULED"
    refused("DESTROY_SCHEDULED")
    with pytest.raises(api.FailedPrecondition):
        update("ENABLED")
    assert client.restore_crypto_key_version(name=name, **ONCE).state.name == "DISABLED"
    with pytest.raises(api.FailedPrecondition):
        client.restore_crypto_key_version(name=name, **ONCE)
    assert update("ENABLED") == "ENABLED"
    assert sign(client, name, digest={"sha256": SHA256}).name == name
    with pytest.raises(api.InvalidArgument):
        update("DESTROYED")


def test_checksums(client: Any) -> None:
    """Not asked for, not confirmed; asked for and wrong, an error."""
    name = key_of(client, "EC_SIGN_P256_SHA256") + "/cryptoKeyVersions/1"
    bare = sign(client, name, digest={"sha256": SHA256})
    assert (bare.verified_digest_crc32c, bare.verified_data_crc32c) == (False, False)
    assert bare.signature_crc32c == crc32c(bare.signature)
    full = sign(client, name, digest={"sha256": SHA256}, digest_crc32c=crc32c(SHA256))
    assert (full.verified_digest_crc32c, full.verified_data_crc32c) == (True, False)
    by_data = sign(client, name, data=MESSAGE, data_crc32c=crc32c(MESSAGE))
    assert (by_data.verified_digest_crc32c, by_data.verified_data_crc32c) == (False, True)
    shown = client.get_public_key(name=name, **ONCE)
    assert (shown.name, shown.pem_crc32c) == (name, crc32c(shown.pem.encode()))
    public = load_pem_public_key(shown.pem.encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    for reply in (bare, full, by_data):  # keys that take digests hash data themselves
        public.verify(reply.signature, MESSAGE, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("algorithm", "request_", "told"),
    [
        ("EC_SIGN_P256_SHA256", {"digest": {"sha256": SHA256}, "digest_crc32c": 1}, "invalid digest checksum"),
        ("EC_SIGN_P256_SHA256", {"data": b"x", "data_crc32c": 1}, "invalid data checksum"),
        ("EC_SIGN_P256_SHA256", {"digest": {"sha256": SHA256[:31]}}, "len(digest)=31, want 32"),
        ("EC_SIGN_P256_SHA256", {"digest": {"sha384": bytes(48)}}, "len(digest)=0, want 32"),
        ("EC_SIGN_P384_SHA384", {"digest": {"sha256": SHA256}}, "len(digest)=0, want 48"),
        ("EC_SIGN_P256_SHA256", {"digest": {"sha256": SHA256}, "data": b"x"}, "only one of digest or data must be set"),
        ("EC_SIGN_P256_SHA256", {}, "at least one of digest or data must be set"),
        ("EC_SIGN_P256_SHA256", {"data": b""}, "at least one of digest or data must be set"),
        ("EC_SIGN_ED25519", {"digest": {"sha256": SHA256}}, "data is empty"),
        ("EC_SIGN_ED25519", {"data": bytes(65537)}, "len(data)=65537, want len(data)<=65536"),
        ("PQ_SIGN_ML_DSA_44_EXTERNAL_MU", {"data": b"x"}, "digest.external_mu is empty"),
        ("PQ_SIGN_ML_DSA_44_EXTERNAL_MU", {"digest": {"external_mu": bytes(63)}}, "len(digest)=63, want 64"),
    ],
)
def test_what_cannot_be_signed(algorithm: str, request_: dict[str, Any], told: str, client: Any) -> None:
    name = key_of(client, algorithm) + "/cryptoKeyVersions/1"
    with pytest.raises(api.InvalidArgument) as caught:
        sign(client, name, **request_)
    assert caught.value.message == told


def test_names(client: Any) -> None:
    key = key_of(client, "EC_SIGN_P256_SHA256")
    for name, kind, told in (
        (key, api.InvalidArgument, "invalid crypto key version name"),
        (f"{key}/cryptoKeyVersions/9", api.NotFound, f"CryptoKeyVersion {key}/cryptoKeyVersions/9 not found."),
        (f"{key}x/cryptoKeyVersions/1", api.NotFound, f"CryptoKeyVersion {key}x/cryptoKeyVersions/1 not found."),
    ):
        for attempt in (lambda: client.get_public_key(name=name, **ONCE), lambda: sign(client, name, data=b"x")):  # noqa: B023 - called at once
            with pytest.raises(kind) as caught:
                attempt()
            assert caught.value.message == told


def test_purposes_and_algorithms(client: Any) -> None:
    mac = key_of(client, "HMAC_SHA256", "MAC", "mac") + "/cryptoKeyVersions/1"
    with pytest.raises(api.FailedPrecondition, match="may not be used for signing"):
        sign(client, mac, data=b"x")
    with pytest.raises(api.FailedPrecondition, match="do not contain a public key"):
        client.get_public_key(name=mac, **ONCE)
    for algorithm, purpose in (
        ("HMAC_SHA256", "ASYMMETRIC_SIGN"),
        ("EC_SIGN_P256_SHA256", "MAC"),
        ("EC_SIGN_P256_SHA256", "ENCRYPT_DECRYPT"),
    ):
        with pytest.raises(api.InvalidArgument):
            key_of(client, algorithm, purpose, "wrong")
    pq = key_of(client, "PQ_SIGN_ML_DSA_65", name="pq") + "/cryptoKeyVersions/1"
    with pytest.raises(api.InvalidArgument):  # documented: an error, unless a format is asked for
        client.get_public_key(name=pq, **ONCE)
    shown = client.get_public_key({"name": pq, "public_key_format": "NIST_PQC"}, **ONCE)
    assert (len(shown.public_key.data), shown.pem) == (1952, "")
    assert shown.public_key.crc32c_checksum == crc32c(shown.public_key.data)
    with pytest.raises(api.MethodNotImplemented):
        client.mac_sign(name=mac, data=b"x", **ONCE)


def test_a_permission_that_is_taken_away(gcp: GcpEmulator, client: Any) -> None:
    name = key_of(client, "EC_SIGN_P256_SHA256") + "/cryptoKeyVersions/1"
    permission = "cloudkms.cryptoKeyVersions.useToSign"
    gcp.deny(permission)
    with pytest.raises(api.PermissionDenied) as caught:
        sign(client, name, digest={"sha256": SHA256})
    assert caught.value.message == f"Permission '{permission}' denied on resource '{name}' (or it may not exist)."
    assert caught.value.reason == "IAM_PERMISSION_DENIED"
    gcp.allow(permission)
    sign(client, name, digest={"sha256": SHA256})


def test_tokens(gcp: GcpEmulator, client: Any) -> None:
    gcp.tokens = {"t"}
    with pytest.raises(api.Unauthenticated) as caught:
        client.list_crypto_keys(parent=f"{PARENT}/keyRings/r", **ONCE)
    assert caught.value.reason == "ACCESS_TOKEN_EXPIRED"


def test_googles_default_retry_meets_its_match(gcp: GcpEmulator, client: Any) -> None:
    """UNAVAILABLE is repeated by default, RESOURCE_EXHAUSTED is not: as measured with another server."""
    key = gcp.create_key("ES256")
    gcp.faults.error("sign", "unavailable", times=2)
    client.asymmetric_sign(name=key.version, digest={"sha256": SHA256})
    assert gcp.calls("sign") == 3
    gcp.faults.throttle("sign", times=1, retry_after=1.5)
    with pytest.raises(api.ResourceExhausted) as caught:
        client.asymmetric_sign(name=key.version, digest={"sha256": SHA256})
    assert gcp.calls("sign") == 4
    assert {type(detail).__name__ for detail in caught.value.details} == {"ErrorInfo", "QuotaFailure", "RetryInfo"}


def test_bytes_that_are_no_request(gcp: GcpEmulator) -> None:
    channel = grpc.insecure_channel(gcp.url)
    for path, code in (("AsymmetricSign", grpc.StatusCode.INVALID_ARGUMENT), ("NoSuchMethod", grpc.StatusCode.UNIMPLEMENTED)):
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(f"/google.cloud.kms.v1.KeyManagementService/{path}")(b"\xff\xff", timeout=5)
        assert caught.value.code() is code
    channel.close()


def test_keys_that_cloud_kms_has_not(gcp: GcpEmulator) -> None:
    for algorithm, bits in (("ES512", 2048), ("RS384", 4096), ("PS384", 4096), ("RS256", 8192)):
        with pytest.raises(AlgorithmNotSupported):
            gcp.create_key(algorithm, bits=bits)
    with pytest.raises(TypeError):
        gcp.create_key("ES256", hsm=True)
    assert gcp.create_key("RS512").algorithm == "RS512", "4096 bits, whatever was asked for"


def test_two_emulators_do_not_share_a_port(gcp: GcpEmulator) -> None:
    with pytest.raises(OSError):
        GcpEmulator(port=gcp.port).start()


def test_the_command_serves_any_client() -> None:
    command = [sys.executable, "-m", "farsign", "emulate", "gcpkms", "--key", "ES256:auth"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        told = [running.stdout.readline().split() for _ in range(2)]
        (_, address), (_, uri) = told
        with farsign.open_signer(uri.strip("'")) as signer:
            known = signer.check()
        reply = sign(sdk(address), known.version, digest={"sha256": SHA256})
        assert reply.name == known.version
        assert known.version.endswith("/cryptoKeys/auth/cryptoKeyVersions/1")
        running.send_signal(signal.SIGINT)
        assert running.wait(10) in (0, 130)
