"""Which version signs: listing, rotation that waits, disabled and expired versions, principals that may not list or read."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from azure.core.exceptions import ServiceResponseTimeoutError
from driving import MESSAGE, verify

import farsign
from farsign.errors import IntegrityFailure, KeyDisabled, KeyNotPublished, PermissionDenied, ProviderUnavailable
from farsign.testing.conformance import ShiftedClock
from farsign_azure import _driver
from farsign_azure._driver import VaultKey
from farsign_azure._emulator import AzureEmulator
from farsign_azure._emulator_errors import json_reply

HOUR = 3600.0


def open_with(uri: str, clock: ShiftedClock, policy: farsign.Policy | None = None) -> farsign.Signer:
    parsed = farsign.parse_uri(uri)
    return farsign.Signer(lambda: _driver.open_key(parsed, ()), policy=policy, alg=parsed.alg, name=repr(uri), clock=clock)


def test_versions_come_newest_first_whatever_the_order_of_the_list(azure: AzureEmulator, drive: Callable[..., VaultKey]) -> None:
    """The service lists in no order in time, 25 at a time; its next pages name port 443."""
    now = int(time.time())
    key = azure.create_key("ES256", created=now - 1000)
    made = [key] + [azure.rotate(key, created=now - 1000 + n) for n in range(1, 60)]
    listed = drive(key.uri).versions(timeout=5)
    assert listed == [(version.version, now - 1000.0 + n) for n, version in reversed(list(enumerate(made)))]
    assert azure.calls("list") == 3


def test_of_versions_of_one_second_the_name_says_which_is_newest(azure: AzureEmulator, drive: Callable[..., VaultKey]) -> None:
    now = int(time.time())
    key = azure.create_key("ES256", created=now)
    for _ in range(5):
        newest = azure.rotate(key, created=now)
        before = azure.calls("describe")
        assert drive(key.uri).versions(timeout=5)[0] == (newest.version, float(now))
        assert azure.calls("describe") == before + 1


def test_only_versions_that_may_sign_now_are_listed(azure: AzureEmulator, drive: Callable[..., VaultKey]) -> None:
    now = time.time()
    good = azure.create_key("ES256", "auth", created=now - 500)
    with azure.keys.lock:
        for n, attributes in enumerate(
            [{"enabled": False}, {"exp": now - 1}, {"nbf": now + HOUR}, {"nbf": now - 1, "exp": now + HOUR}]
        ):
            last = azure.vault.add("auth", "P-256", created=now - 400 + n, **attributes)
    listed = drive(good.uri).versions(timeout=5)
    assert [version.rpartition("/")[2] for version, _ in listed] == [last.id, good.version_id]


def test_a_list_without_an_end_ends(
    azure: AzureEmulator, drive: Callable[..., VaultKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = azure.create_key("ES256")
    again = f"https://emulator.vault.azure.net:443/keys/{key.name}/versions?api-version=7.4"
    monkeypatch.setattr("farsign_azure._emulator.json_reply", lambda body: json_reply({**body, "nextLink": again}))
    driver = drive(key.uri)
    with pytest.raises((ProviderUnavailable, ServiceResponseTimeoutError)) as raised:  # between two pages, or within one
        driver.versions(timeout=0.5)
    failure = None if isinstance(raised.value, ProviderUnavailable) else driver.classify(raised.value)
    assert failure is None or failure.error is ProviderUnavailable


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"value": [{}]},
        {"value": [{"kid": 1, "attributes": {"enabled": True}}]},
        {"value": None},
        {"value": [], "nextLink": 5},
    ],
)
def test_what_is_no_list_is_an_integrity_failure(
    azure: AzureEmulator, drive: Callable[..., VaultKey], body: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farsign_azure._emulator.json_reply", lambda _: json_reply(body))
    with pytest.raises(IntegrityFailure, match="not a list of versions"):
        drive(azure.create_key("ES256").uri).versions(timeout=5)


def test_a_rotation_waits_until_verifiers_can_know(azure: AzureEmulator) -> None:
    """RULES 2."""
    clock = ShiftedClock()
    old = azure.create_key("ES256", created=time.time() - 24 * HOUR)
    with open_with(old.uri, clock) as signer:
        assert signer.key().version == old.version
        new = azure.rotate(old)
        signer.invalidate()
        assert {key.version for key in signer.published()} == {old.version, new.version}
        assert signer.key().version == old.version
        verify(old.public_key, "ES256", signer.key().sign(MESSAGE))
        clock.advance(signer.policy.publish_lead + 1)
        while signer.key().version != new.version:
            time.sleep(0.01)
        verify(new.public_key, "ES256", signer.key().sign(MESSAGE))


def test_a_first_resolution_takes_what_verifiers_know(azure: AzureEmulator) -> None:
    """RULES 2: the newest enabled version created more than publish_lead and one re-check ago; the one before is still published."""
    now = time.time()
    oldest = azure.create_key("ES256", "auth", created=now - 48 * HOUR)
    settled = azure.rotate(oldest, created=now - 2 * HOUR)
    fresh = azure.rotate(oldest, created=now - 60)
    with farsign.open_signer(oldest.uri) as signer:
        assert signer.key().version == settled.version
        assert {key.version for key in signer.published()} == {oldest.version, settled.version, fresh.version}


def test_a_disabled_current_version_stops_and_the_next_older_one_is_not_used_unasked(azure: AzureEmulator) -> None:
    now = time.time()
    old = azure.create_key("ES256", created=now - 48 * HOUR)
    current = azure.rotate(old, created=now - 2 * HOUR)
    with farsign.open_signer(old.uri) as signer:
        key = signer.key()
        assert key.version == current.version
        azure.disable(current)
        with pytest.raises((KeyDisabled, KeyNotPublished, farsign.errors.KeyChanged)):
            key.sign(MESSAGE)
        with farsign.open_signer(old.uri) as another:  # a fresh process takes the newest that is enabled
            assert another.key().version == old.version
            verify(old.public_key, "ES256", another.key().sign(MESSAGE))


def test_a_principal_that_may_not_list_signs_with_what_the_name_means(azure: AzureEmulator) -> None:
    now = time.time()
    old = azure.create_key("ES256", created=now - 48 * HOUR)
    current = azure.rotate(old, created=now - 60)
    azure.deny("keys/list")
    events: list[str] = []
    stop = farsign.observe(lambda event: events.append(type(event).__name__))
    try:
        with farsign.open_signer(old.uri) as signer:
            assert signer.key().version == current.version
            verify(current.public_key, "ES256", signer.key().sign(MESSAGE))
    finally:
        stop()
    assert "ListingDenied" in events


def test_a_sign_only_principal_is_told_what_it_lacks(azure: AzureEmulator) -> None:
    """Its replies would name the version that signed, but nobody could know the public key."""
    key = azure.create_key("ES256")
    azure.deny("keys/get")
    for uri in (key.uri, key.pinned):
        with farsign.open_signer(uri) as signer, pytest.raises(PermissionDenied) as caught:
            signer.key()
        assert "keys/get" in caught.value.next_step
        assert "Key Vault Crypto User" in caught.value.next_step
    azure.allow("keys/get")
    with farsign.open_signer(key.uri) as signer:
        known = signer.key()
        azure.deny("keys/get")
        verify(key.public_key, "ES256", known.sign(MESSAGE))  # what is known goes on signing


def test_a_deleted_and_recreated_key_is_another_key(azure: AzureEmulator) -> None:
    """RULES 4."""
    key = azure.create_key("ES256", "auth")
    with farsign.open_signer(key.uri) as signer:
        old = signer.key()
        with azure.keys.lock:
            del azure.keys.keys["auth"]
        new = azure.create_key("ES256", "auth")
        with pytest.raises(farsign.ProviderError):
            old.sign(MESSAGE)
        assert new.version != old.version


def test_a_new_version_of_another_type_leaves_the_old_one_signing(azure: AzureEmulator) -> None:
    """Listing tells no types: the look-up of an unfit version fails, and the known one goes on."""
    now = time.time()
    key = azure.create_key("ES256", "auth", created=now - 48 * HOUR)
    clock = ShiftedClock()
    with open_with(key.uri + "&alg=ES256", clock) as signer:
        assert signer.key().version == key.version
        azure.vault.add("auth", "RSA-2048")
        clock.advance(signer.policy.recheck * 2)
        for _ in range(20):
            verify(key.public_key, "ES256", signer.key().sign(MESSAGE))
            time.sleep(0.01)
