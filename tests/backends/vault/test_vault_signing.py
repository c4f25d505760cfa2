"""What goes over the wire, which version signs, and how it is known to have signed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from driving import MESSAGE, verify
from transit import ask, sdk, with_auth

import farsign
from farsign import driver
from farsign.errors import (
    IntegrityFailure,
    KeyChanged,
    KeyDeleted,
    KeyDisabled,
    KeyMisuse,
    KeyNotFound,
    KeyNotPublished,
    ProviderError,
)
from farsign.testing.emulator import Reply, Request
from farsign_vault._driver import VaultKey
from farsign_vault._emulator import OpenBaoEmulator, VaultEmulator

HASH = {"256": "sha2-256", "384": "sha2-384", "512": "sha2-512"}
EAGER = farsign.Policy(timeout=20.0, publish_lead=0.0, recheck=0.05)


class Recording(VaultEmulator):
    """Remembers what was asked; ``change`` alters what is answered."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.heard: list[Request] = []
        self.change: Callable[[dict[str, Any]], None] | None = None

    def answer(self, request: Request) -> Reply:
        self.heard.append(request)
        reply = super().answer(request)
        if self.change and reply.body:
            body = json.loads(reply.body)
            self.change(body)
            reply.body = json.dumps(body).encode()
        return reply


@pytest.mark.parametrize(
    "algorithm", [f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512)] + ["EdDSA"]
)
def test_nothing_is_left_to_the_servers_defaults(algorithm: str) -> None:
    with Recording() as vault:
        key = vault.create_key(algorithm)
        vault.rotate(key)
        with farsign.open_signer(f"{key.pinned}") as signer:
            signature = signer.key().sign(MESSAGE)
    verify(key.public_key, algorithm, signature)
    sent = json.loads(vault.heard[-1].body)
    data = base64.b64decode(sent.pop("input"))
    expected: dict[str, Any] = {"key_version": 1, "marshaling_algorithm": "jws"}
    if algorithm == "EdDSA":
        assert data == MESSAGE
    else:
        assert data == hashlib.new(f"sha{algorithm[2:]}", MESSAGE).digest()
        expected |= {"prehashed": True, "hash_algorithm": HASH[algorithm[2:]]}
        expected |= {"RS": {"signature_algorithm": "pkcs1v15"}, "PS": {"signature_algorithm": "pss", "salt_length": "hash"}}.get(
            algorithm[:2], {}
        )
    assert sent == expected
    assert vault.heard[-1].target == f"/v1/transit/sign/{key.name.rpartition('/')[2]}"


@pytest.mark.parametrize("bits", [3072, 4096])
def test_larger_rsa_keys(vault: VaultEmulator, bits: int) -> None:
    key = vault.create_key("PS384", bits=bits)
    with farsign.open_signer(key.uri) as signer:
        verify(key.public_key, "PS384", signer.key().sign(MESSAGE))
        assert signer.key().public_key().key_size == bits


def test_an_rsa_key_asks_which_algorithm_is_meant(vault: VaultEmulator) -> None:
    """RULES 7."""
    key = vault.create_key("RS256", "auth")
    with (
        farsign.open_signer(key.uri.replace("&alg=RS256", "")) as signer,
        pytest.raises(farsign.errors.AlgorithmRequired) as caught,
    ):
        signer.key().sign(MESSAGE)
    assert "RS256 RS384 RS512 PS256 PS384 PS512" in str(caught.value)


def test_mount_and_namespace(bao: OpenBaoEmulator) -> None:
    keys = [
        bao.create_key("ES256", "auth"),
        bao.create_key("ES256", "auth", mount="team/kms"),
        bao.create_key("ES256", "auth", mount="kms", namespace="admin/eu"),
    ]
    versions = set()
    for key in keys:
        with farsign.open_signer(key.uri) as signer:
            verify(key.public_key, "ES256", signer.key().sign(MESSAGE))
            assert signer.key().version == key.version
            versions.add(key.version.partition("#")[0])
    assert versions == {"transit/auth/v1", "team/kms/auth/v1", "admin/eu/kms/auth/v1"}


def test_a_description_says_what_the_provider_knows(vault: VaultEmulator, drive: Callable[..., VaultKey]) -> None:
    key = vault.create_key("ES384", created=1_700_000_000.5)
    described = drive(key.uri).describe(timeout=5)
    assert described == driver.KeyDescription(
        version=key.version,
        public_key=key.public_key,
        inputs={"ES384": {"digest": None}},
        pinned=False,
        created=1_700_000_000.5,
        ecdsa="raw",
        protection="software",
    )
    assert drive(key.pinned).describe(timeout=5).pinned


def test_versions_are_listed_by_number(vault: VaultEmulator, drive: Callable[..., VaultKey]) -> None:
    """Eleven: as text, 10 and 11 would come before 2."""
    keys = [vault.create_key("ES256", "k", created=1000.0)]
    keys += [vault.rotate(keys[0], created=1000.0 + n) for n in range(1, 11)]
    found = drive(keys[0].uri).versions(timeout=5)
    assert list(found) == [(key.version, 1000.0 + n) for n, key in reversed(list(enumerate(keys)))]
    assert drive(keys[4].pinned).versions(timeout=5) == [(keys[4].version.partition("#")[0], None)]


def test_versions_that_may_not_sign_are_not_listed(vault: VaultEmulator, drive: Callable[..., VaultKey]) -> None:
    first = vault.create_key("ES256", "k")
    second, third = vault.rotate(first), vault.rotate(first)
    client = sdk(vault)
    client.secrets.transit.update_key_configuration("k", min_encryption_version=2)
    assert [version for version, _ in drive(first.uri).versions(timeout=5)] == [third.version, second.version]
    for uri, key, kind, reason in (
        (first.pinned, first, KeyDisabled, "may not sign"),
        (second.pinned.replace("version=2", "version=9"), first, KeyNotFound, "the newest is v3"),
    ):
        with pytest.raises(kind, match=reason) as caught:
            drive(uri).describe(timeout=5)
        assert caught.value.next_step
        assert key.public_key
    client.secrets.transit.update_key_configuration("k", min_decryption_version=2)
    client.secrets.transit.trim_key("k", min_version=2)
    with pytest.raises(KeyDeleted, match="was trimmed"):
        drive(first.pinned).describe(timeout=5)
    assert drive(second.pinned).describe(timeout=5).version == second.version


def test_the_newest_version_signs_only_when_verifiers_can_know_it(vault: VaultEmulator) -> None:
    """RULES 2: transit's own default moves at once."""
    old = vault.create_key("ES256", created=1000.0)
    new = vault.rotate(old)
    with farsign.open_signer(old.uri) as signer:
        assert signer.key().version == old.version
        verify(old.public_key, "ES256", signer.key().sign(MESSAGE))
        assert {key.version for key in signer.published()} == {old.version, new.version}


@pytest.mark.parametrize("pinned", [False, True])
def test_deleted_and_made_again_it_is_another_version(vault: VaultEmulator, pinned: bool) -> None:
    """RULES 4: version 1 again, with another key; what was cached does not sign under the old kid."""
    key = vault.create_key("ES256", "auth")
    with farsign.open_signer(key.pinned if pinned else key.uri) as signer:
        held = signer.key()
        held.sign(MESSAGE)
        made = vault.recreate(key)
        assert made.version.partition("#")[0] == key.version.partition("#")[0]
        assert made.version != key.version
        with pytest.raises((KeyNotPublished, KeyChanged)):
            held.sign(MESSAGE)
        with pytest.raises(ProviderError):
            held.sign(MESSAGE)
    with farsign.open_signer(key.pinned if pinned else key.uri, policy=EAGER) as signer:
        assert signer.key().kid != held.kid
        verify(made.public_key, "ES256", signer.key().sign(MESSAGE))


def test_a_thumbprint_refuses_the_key_made_again(vault: VaultEmulator) -> None:
    key = vault.create_key("ES256", "auth")
    with farsign.open_signer(key.uri) as signer:
        uri = f"{key.uri}&thumbprint={signer.key().thumbprint}"
    vault.recreate(key)
    with farsign.open_signer(uri) as signer, pytest.raises(farsign.errors.KeyMismatch):
        signer.key()


def test_made_again_the_old_kid_is_on_no_token(vault: VaultEmulator) -> None:
    from farsign import jwt

    key = vault.create_key("ES256", "auth")
    with farsign.open_signer(key.uri, policy=EAGER) as signer:
        old = signer.key()
        vault.recreate(key)
        token = jwt.encode({"sub": "42"}, signer, expires_in=60)
        new = signer.key()
        assert new.kid != old.kid
        assert jwt.decode(token, new)["sub"] == "42"


def _named(number: int, prefix: str) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        data = body.get("data") or {}
        if "signature" in data:
            tail = data["signature"].rpartition(":")[2]
            data |= {"signature": prefix + tail, "key_version": number}

    return change


@pytest.mark.parametrize(
    ("number", "prefix", "good"),
    [
        (1, "vault:v1:", True),
        (1, "acme:1:", True),  # a restored key's own prefix
        (2, "vault:v2:", False),
        (1, "vault:v2:", False),
        (2, "vault:v1:", False),
        (2, "acme:2:", False),
        (0, "vault:v1:", True),  # Vault: no key_version in the reply
        (0, "acme:1:", False),  # nobody says which version
        (1, "", True),
    ],
)
def test_the_version_in_the_reply_is_checked(number: int, prefix: str, good: bool) -> None:
    """RULES 1."""
    with Recording() as vault:
        key = vault.create_key("ES256")
        vault.change = _named(number, prefix)
        with farsign.open_signer(key.pinned) as signer:
            if good:
                verify(key.public_key, "ES256", signer.key().sign(MESSAGE))
            else:
                with pytest.raises(IntegrityFailure):
                    signer.key().sign(MESSAGE)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.pop("data"),
        lambda body: body.update(data=[1]),
        lambda body: (body.get("data") or {}).pop("signature", None),
        lambda body: (body.get("data") or {}).update(signature=5),
        lambda body: (body.get("data") or {}).update(signature="vault:v1:ä"),
        lambda body: (body.get("data") or {}).update(signature="vault:v1:"),
        lambda body: (body.get("data") or {}).update(key_version="x"),
    ],
)
def test_a_garbled_signature_is_one(change: Callable[[dict[str, Any]], object]) -> None:
    with Recording() as vault, farsign.open_signer(vault.create_key("ES256").uri) as signer:
        key = signer.key()
        vault.change = lambda body: (change(body), None)[1]
        with pytest.raises(IntegrityFailure) as caught:
            key.sign(MESSAGE)
        assert "ä" not in caught.value.diagnostics()


@pytest.mark.parametrize(
    "change",
    [
        {"type": None},
        {"keys": {}},
        {"keys": {"1": {}}},
        {"keys": {"1": {"public_key": "x", "creation_time": "2026-01-01T00:00:00Z"}}},
        {"keys": None},
        {"latest_version": "x"},
        {"latest_version": None},
        {"min_encryption_version": None},
    ],
)
def test_a_garbled_key_is_one(change: dict[str, Any], drive: Callable[..., VaultKey]) -> None:
    with Recording() as vault:
        key = drive(vault.create_key("ES256").uri)
        vault.change = lambda body: body["data"].update(change)
        with pytest.raises((IntegrityFailure, KeyMisuse)):
            key.describe(timeout=5)


def test_a_creation_time_that_is_none(drive: Callable[..., VaultKey]) -> None:
    with Recording() as vault:
        key = drive(vault.create_key("ES256").uri)
        vault.change = lambda body: body["data"]["keys"]["1"].update(creation_time="yesterday")
        with pytest.raises(IntegrityFailure):
            key.versions(timeout=5)


@pytest.mark.parametrize("kind", ["aes256-gcm96", "hmac", "chacha20-poly1305"])
def test_keys_that_sign_nothing(vault: VaultEmulator, drive: Callable[..., VaultKey], kind: str) -> None:
    assert ask(vault, "POST", "transit/keys/k", {"type": kind})[0] == 200
    key = drive(f"hashivault://k?addr={vault.url}&auth=emulator")
    for act in (key.describe, key.versions):
        with pytest.raises(KeyMisuse, match=kind):
            act(timeout=5)


def test_a_derived_key_has_no_public_key(vault: VaultEmulator, drive: Callable[..., VaultKey]) -> None:
    key = drive(vault.create_key("EdDSA", derived=True).uri)
    with pytest.raises(KeyMisuse, match="derives a key"):
        key.describe(timeout=5)


def test_softly_deleted_and_restored(bao: OpenBaoEmulator) -> None:
    key = bao.create_key("ES256", "auth")
    with farsign.open_signer(key.uri) as signer:
        held = signer.key()
        assert ask(bao, "DELETE", "transit/keys/auth/soft-delete")[0] == 204
        with pytest.raises(KeyDeleted) as caught:
            held.sign(MESSAGE)
        assert "soft-delete-restore" in caught.value.next_step
    with farsign.open_signer(key.uri) as signer:
        with pytest.raises(KeyDeleted, match="deleted softly"):
            signer.key()
        assert ask(bao, "POST", "transit/keys/auth/soft-delete-restore")[0] == 204
        signer.invalidate()
        verify(key.public_key, "ES256", signer.key().sign(MESSAGE))


def test_a_key_of_another_family_behind_the_same_name_is_not_mixed_up(vault: VaultEmulator) -> None:
    """RULES 8: a fixed alg is checked before any signature is asked for."""
    key = vault.create_key("ES256", "auth")
    with farsign.open_signer(f"{key.uri}&alg=ES384") as signer, pytest.raises(farsign.errors.AlgorithmNotSupported):
        signer.key()
    assert vault.calls("sign") == 0


def test_a_message_too_long_for_the_server_is_refused_before_the_call(vault: VaultEmulator) -> None:
    from farsign_vault._driver import LONGEST

    key = vault.create_key("EdDSA")
    with farsign.open_signer(key.uri, policy=farsign.Policy(timeout=30, attempt_timeout=20)) as signer:
        held = signer.key()
        with pytest.raises(farsign.errors.MessageTooLong):
            held.sign(bytes(LONGEST + 1))
        assert vault.calls("sign") == 0
        verify(key.public_key, "EdDSA", held.sign(bytes(LONGEST)), bytes(LONGEST))


def test_the_clients_own_session_is_used(vault: VaultEmulator) -> None:
    import farsign_vault

    key, token = vault.create_key("ES256", "auth"), vault.auth.grant()
    client = sdk(vault, token)
    uri = "hashivault://auth"
    with farsign_vault.open_signer(uri, client=client) as signer:
        verify(key.public_key, "ES256", signer.key().sign(MESSAGE))
        vault.auth.revoke(token)
        client.token = vault.auth.grant()  # whoever made it renews it
        verify(key.public_key, "ES256", signer.key().sign(MESSAGE))
        with pytest.raises(farsign.errors.NotPicklable):
            signer.__reduce__()
    assert client.secrets.transit.read_key("auth")["data"]["name"] == "auth", "it is still open"
    for said in (f"addr={vault.url}", "namespace=x", "ca_cert=/x", "auth=approle"):
        with pytest.raises(farsign.InvalidKeyURI, match="a client was given besides"):
            farsign_vault.open_signer(f"{uri}?{said}", client=client)
    with pytest.raises(farsign.InvalidKeyURI, match="is no transit key"):
        farsign_vault.open_signer("memory:x")
    client.token = None
    with farsign_vault.open_signer(uri, client=client) as signer, pytest.raises(farsign.errors.CredentialsNotFound):
        signer.key()


def test_the_other_scheme_is_the_same_driver(bao: OpenBaoEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    key = bao.create_key("ES256", "auth")
    assert key.uri.startswith("openbao://auth?")
    for name, value in bao.environment().items():
        monkeypatch.setenv(name, value)
    assert set(bao.environment()) == {"BAO_ADDR", "BAO_TOKEN"}
    with farsign.open_signer(with_auth(key.uri, "token")) as signer:
        verify(key.public_key, "ES256", signer.key().sign(MESSAGE))
        assert signer.endpoint == f"openbao 127.0.0.1:{bao.port}"
