"""Which version signs: RULES 2 over versions.list, algorithms per version, every state, ML-DSA's public keys, sizes of messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from cloudkms import KEY, VERSION, Scripted
from driving import MESSAGE, verify
from google.cloud.kms_v1.types import resources, service

import farsign
from farsign import errors
from farsign_gcp._algorithms import ALGORITHMS
from farsign_gcp._driver import CloudKey
from farsign_gcp._emulator import GcpEmulator
from farsign_gcp._emulator_server import GrpcError

Drive = Callable[..., CloudKey]
HOUR = 3600.0
LIST = "cloudkms.cryptoKeyVersions.list"


@pytest.fixture
def opened() -> Any:
    signers: list[farsign.Signer] = []

    def make(uri: str, **options: Any) -> farsign.Signer:
        signers.append(farsign.open_signer(uri, **options))
        return signers[-1]

    yield make
    for signer in signers:
        signer.close(timeout=1.0)


@pytest.mark.parametrize("wire", ALGORITHMS)
def test_every_algorithm_of_cloud_kms(wire: str, gcp: GcpEmulator, opened: Callable[..., farsign.Signer]) -> None:
    algorithm = ALGORITHMS[wire].algorithm
    key = gcp.create_key(algorithm, wire=wire)
    for uri in (key.uri, key.pinned, f"{key.pinned}&alg={algorithm}"):
        known = opened(uri).key()
        assert known.version == key.version
        verify(key.public_key, known.algorithm, known.sign(MESSAGE))


@pytest.mark.parametrize("algorithm", ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
def test_keys_with_external_mu_sign_messages_of_any_size(
    algorithm: str, gcp: GcpEmulator, opened: Callable[..., farsign.Signer]
) -> None:
    """Other keys to Cloud KMS, the same signatures; those that take the message stop at 64 KiB, before the call."""
    wire = f"PQ_SIGN_{algorithm.replace('-', '_')}"
    key, plain = gcp.create_key(algorithm, wire=f"{wire}_EXTERNAL_MU"), gcp.create_key(algorithm, wire=wire)
    known = opened(key.uri).key()
    for size in (0, 1, 65536, 65537, 1 << 20):
        verify(key.public_key, algorithm, known.sign(bytes(size)), bytes(size))
    limited = opened(plain.uri).key()
    verify(plain.public_key, algorithm, limited.sign(bytes(65536)), bytes(65536))
    before = gcp.calls("sign")
    with pytest.raises(errors.MessageTooLong):
        limited.sign(bytes(65537))
    with pytest.raises(errors.KeyMisuse):  # an empty `data` is none
        limited.sign(b"")
    assert gcp.calls("sign") == before + 1


def test_a_first_resolution_takes_the_newest_that_verifiers_can_know(
    gcp: GcpEmulator, opened: Callable[..., farsign.Signer]
) -> None:
    """RULES 2: created more than publish_lead + a re-check ago; the newest is pending and published."""
    now = gcp.clock.time()
    first = gcp.create_key("ES256", created=now - 48 * HOUR)
    second = gcp.rotate(first, created=now - 2 * HOUR)
    third = gcp.rotate(first, created=now - 60)
    signer = opened(first.uri)
    assert signer.key().version == second.version
    assert [key.version for key in signer.published()] == [second.version, third.version, first.version]


def test_without_an_old_enough_version_the_newest_signs(gcp: GcpEmulator, opened: Callable[..., farsign.Signer]) -> None:
    first = gcp.create_key("ES256")
    second = gcp.rotate(first)
    assert opened(first.uri).key().version == second.version


def test_what_is_not_enabled_is_not_taken(gcp: GcpEmulator, opened: Callable[..., farsign.Signer]) -> None:
    now = gcp.clock.time()
    first = gcp.create_key("ES256", created=now - 9 * HOUR)
    for state in ("DISABLED", "DESTROYED", "DESTROY_SCHEDULED", "PENDING_GENERATION", "IMPORT_FAILED", "GENERATION_FAILED"):
        gcp.set_state(gcp.rotate(first, created=now - 8 * HOUR), state)
    assert opened(first.uri).key().version == first.version


def test_more_than_nine_versions_are_sorted_as_numbers(gcp: GcpEmulator, drive: Drive) -> None:
    key = gcp.create_key("ES256")
    for _ in range(11):
        gcp.rotate(key)
    numbers = [version.rpartition("/")[2] for version, _ in drive(key.uri).versions(timeout=5)]
    assert numbers == [str(number) for number in range(12, 0, -1)]


def test_long_lists_come_in_pages(gcp: GcpEmulator, drive: Drive) -> None:
    key = gcp.create_key("Ed25519")
    for _ in range(249):
        gcp.rotate(key)
    assert len(drive(key.uri).versions(timeout=5)) == 250
    assert gcp.calls("list") == 3


def test_alg_chooses_among_versions_of_several_algorithms(gcp: GcpEmulator, opened: Callable[..., farsign.Signer]) -> None:
    """The algorithm is the version's: a key can change it from one to the next."""
    rsa = gcp.create_key("PS256", created=gcp.clock.time() - HOUR)
    curve = gcp.rotate(rsa, created=gcp.clock.time() - HOUR / 2, wire="EC_SIGN_P256_SHA256")
    assert opened(rsa.uri).key().version == curve.version
    assert opened(f"{rsa.uri}&alg=PS256").key().version == rsa.version
    assert opened(f"{rsa.uri}&alg=ES256").key().version == curve.version
    with pytest.raises(errors.AlgorithmNotSupported, match="ES384"):
        opened(f"{rsa.uri}&alg=ES384").key()
    assert gcp.calls("sign") == 0


def test_versions_that_no_jws_can_be_signed_with_are_passed_over(gcp: GcpEmulator, opened: Callable[..., farsign.Signer]) -> None:
    key = gcp.create_key("RS256", created=gcp.clock.time() - HOUR)
    raw = gcp.create_key("RS256", wire="RSA_SIGN_RAW_PKCS1_2048")
    with gcp.keys.lock:
        version = gcp.keys.add_version(key.name, "2", created=gcp.clock.time() - HOUR / 2)
        version.attributes["algorithm"] = "RSA_SIGN_RAW_PKCS1_2048"
    assert opened(key.uri).key().version == key.version
    with pytest.raises(errors.KeyMisuse, match="RSA_SIGN_RAW_PKCS1_2048") as caught:
        opened(raw.uri).key()
    assert "EC_SIGN_P256_SHA256" in caught.value.next_step


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("DISABLED", errors.KeyDisabled),
        ("DESTROY_SCHEDULED", errors.KeyDeleted),
        ("DESTROYED", errors.KeyDeleted),
        ("PENDING_GENERATION", errors.KeyUnavailable),
        ("PENDING_IMPORT", errors.KeyUnavailable),
        ("IMPORT_FAILED", errors.KeyDeleted),
        ("GENERATION_FAILED", errors.KeyDeleted),
        ("PENDING_EXTERNAL_DESTRUCTION", errors.KeyDeleted),
        ("EXTERNAL_DESTRUCTION_FAILED", errors.KeyDeleted),
    ],
)
def test_every_state_has_its_error(state: str, kind: type[errors.ProviderError], gcp: GcpEmulator, drive: Drive) -> None:
    """The only version, by name, pinned, and of a key that is held."""
    key = gcp.create_key("ES256")
    with farsign.open_signer(key.uri, policy=farsign.Policy(attempts=1)) as held:
        known = held.key()
        gcp.set_state(key, state)
        with pytest.raises(errors.ProviderError) as signing:
            known.sign(MESSAGE)
        assert type(signing.value) is kind
    with pytest.raises(kind, match=state):
        drive(key.uri).describe(timeout=5)
    pinned = drive(key.pinned)
    with pytest.raises(grpc.RpcError) as caught:
        pinned.describe(timeout=5)
    failure = pinned.classify(caught.value)
    assert failure
    assert (failure.error, failure.reason) == (kind, state)
    assert failure.next_step


def test_a_key_that_is_being_generated_is_waited_for(gcp: GcpEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    key = gcp.create_key("RS256")
    gcp.set_state(key, "PENDING_GENERATION")
    asked = gcp._rpcs.list_crypto_key_versions

    def generated_meanwhile(ask: Any) -> Any:
        reply = asked(ask)
        gcp.enable(key)
        return reply

    monkeypatch.setattr(gcp._rpcs, "list_crypto_key_versions", generated_meanwhile)
    with farsign.open_signer(key.uri) as signer:
        assert signer.key().version == key.version


def test_a_key_without_versions(gcp: GcpEmulator, drive: Drive) -> None:
    key = gcp.create_key("ES256")
    gcp.keys.keys[key.name].versions.clear()
    with pytest.raises(errors.KeyNotFound, match="has no versions"):
        drive(key.uri).describe(timeout=5)


def test_a_key_that_does_not_sign(gcp: GcpEmulator, drive: Drive) -> None:
    gcp._rpcs.add_key(f"{KEY}-mac", "HMAC_SHA256", purpose="MAC")
    driver = drive(
        gcp.create_key("ES256").uri.replace("projects/emulator/locations/global/keyRings/emulator/cryptoKeys/key-2", f"{KEY}-mac")
    )
    with pytest.raises(grpc.RpcError) as caught:
        driver.describe(timeout=5)
    failure = driver.classify(caught.value)
    assert failure
    assert failure.error is errors.KeyMisuse


def test_without_the_permission_to_list_a_name_resolves_to_nothing_and_a_version_signs(
    gcp: GcpEmulator, opened: Callable[..., farsign.Signer]
) -> None:
    gcp.deny(LIST)
    key = gcp.create_key("ES256")
    with pytest.raises(errors.PermissionDenied) as caught:
        opened(key.uri).key()
    assert LIST in caught.value.next_step
    assert "pin a version" in caught.value.next_step
    known = opened(key.pinned).key()
    verify(key.public_key, "ES256", known.sign(MESSAGE))


def test_a_pinned_version_needs_no_list(gcp: GcpEmulator, opened: Callable[..., farsign.Signer]) -> None:
    key = gcp.create_key("ES256")
    gcp.rotate(key)
    known = opened(f"{key.pinned}&kid=mine").key()
    assert (known.version, known.kid, known.pinned) == (key.version, "mine", True)
    assert (gcp.calls("list"), gcp.calls("describe")) == (0, 1)


def test_a_list_that_names_another_key_is_refused(scripted: Scripted, drive: Drive) -> None:
    for name in (VERSION.replace("/k/", "/other/"), f"{KEY}/cryptoKeyVersions/x", ""):
        version = resources.CryptoKeyVersion(name=name, state="ENABLED", algorithm="EC_SIGN_P256_SHA256")
        scripted.answer = service.ListCryptoKeyVersionsResponse(crypto_key_versions=[version])
        with pytest.raises(errors.IntegrityFailure):
            drive(scripted.uri(KEY)).versions(timeout=5)


def test_a_list_without_end_ends_with_the_time(scripted: Scripted, drive: Drive) -> None:
    scripted.answer = service.ListCryptoKeyVersionsResponse(next_page_token="again")
    with pytest.raises((errors.ProviderUnavailable, grpc.RpcError)):
        drive(scripted.uri(KEY)).versions(timeout=0.3)


def test_a_server_that_knows_the_defaults_only(
    gcp: GcpEmulator, monkeypatch: pytest.MonkeyPatch, opened: Callable[..., Any]
) -> None:
    """Google's own fake answers UNIMPLEMENTED to a filter, a page size and a public key format."""
    wanted = {"public_key_format", "filter", "page_size", "order_by"}
    for name in ("get_public_key", "list_crypto_key_versions"):
        answer = getattr(gcp._rpcs, name)

        def strict(ask: Any, answer: Any = answer) -> Any:
            if any(getattr(ask.message, field, None) for field in wanted):
                raise GrpcError(grpc.StatusCode.UNIMPLEMENTED, "unsupported field")
            return answer(ask)

        monkeypatch.setattr(gcp._rpcs, name, strict)
    for algorithm in ("ES256", "RS256", "Ed25519"):
        key = gcp.create_key(algorithm)
        assert opened(key.uri).check().version == key.version


@pytest.mark.parametrize("algorithm", ["ML-DSA-44", "ES256"])
def test_public_keys_of_pinned_versions_whose_algorithm_is_unknown(algorithm: str, gcp: GcpEmulator, drive: Drive) -> None:
    """ML-DSA keys are an error in the default format: one more call finds that out, and none does where the URI says alg."""
    key = gcp.create_key(algorithm)
    assert drive(key.pinned).describe(timeout=5).public_key == key.public_key
    calls = gcp.calls("describe")
    assert calls == (2 if algorithm == "ML-DSA-44" else 1)
    drive(f"{key.pinned}&alg={algorithm}").describe(timeout=5)
    assert gcp.calls("describe") == calls + 1
    drive(key.uri).describe(timeout=5)  # the list told
    assert gcp.calls("describe") == calls + 2


@pytest.mark.parametrize(("made", "wanted"), [("ML-DSA-44", "ES256"), ("ES256", "ML-DSA-44"), ("RS256", "PS256")])
def test_a_pinned_version_of_another_algorithm(made: str, wanted: str, gcp: GcpEmulator, opened: Callable[..., Any]) -> None:
    """URIS 8: an error before any signature, which says what the key signs."""
    key = gcp.create_key(made)
    with pytest.raises(errors.AlgorithmNotSupported, match=wanted) as caught:
        opened(f"{key.pinned}&alg={wanted}").key()
    assert made in caught.value.diagnostics()
    assert gcp.calls("sign") == 0


def test_a_version_that_is_destroyed_and_another_that_is_made(gcp: GcpEmulator) -> None:
    """The current version gone, the new one not published yet: refused, unless the policy follows (RULES 2)."""
    key = gcp.create_key("ES256")
    with (
        farsign.open_signer(key.uri) as waits,
        farsign.open_signer(key.uri, policy=farsign.Policy(follow="immediately")) as follows,
    ):
        held = waits.key(), follows.key()
        new = gcp.rotate(key)
        gcp.set_state(key, "DESTROYED")
        for known in held:
            with pytest.raises((errors.KeyDeleted, errors.KeyChanged, errors.KeyNotPublished)):
                known.sign(MESSAGE)
        with pytest.raises(errors.KeyNotPublished):
            waits.key()
        assert follows.key().version == new.version
