"""The emulators' key store: real keys, told apart; signatures as ordered; lies that are lies."""

from __future__ import annotations

import gc
import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from farsign._base.algorithms import ASYMMETRIC, lookup
from farsign._base.encodings import der_to_raw
from farsign._base.primitives import checker, mu
from farsign.testing._calls import Call, Record
from farsign.testing._signatures import RSA_POOL, LeadingZero, sign
from farsign.testing.emulator import LIES, EmulatorClock, Fault, KeyStore, Version, kind_of, parameters, verify


def version_of(store: KeyStore, algorithm: str) -> Version:
    return store.create(algorithm, kind_of(algorithm)).newest


def jose(signature: bytes, algorithm: str) -> bytes:
    row = lookup(algorithm)
    return der_to_raw(signature, row.curve) if row.kind == "ECDSA" else signature


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_every_algorithm_signs_messages_and_what_stands_for_them(algorithm: str) -> None:
    store = KeyStore()
    version = version_of(store, algorithm)
    check = checker(version.public_key, algorithm)
    check(jose(store.sign(version, b"message", **parameters(algorithm, "message")), algorithm), b"message")
    row = lookup(algorithm)
    if row.digests:
        digest = hashlib.new(row.hash, b"message").digest()
        check(jose(store.sign(version, digest, **parameters(algorithm, "digest")), algorithm), b"message")
    if row.kind == "ML-DSA":
        signature = store.sign(version, mu(version.public_key, b"message"), **parameters(algorithm, "mu"))
        check(signature, b"message")


def test_pss_salts_are_as_ordered() -> None:
    store = KeyStore()
    version, hash_ = version_of(store, "PS256"), hashes.SHA256()
    for salt, length in (("digest", 32), ("max", 222), (10, 10)):
        signature = store.sign(version, b"x", hash="SHA256", salt=salt)
        version.public_key.verify(signature, b"x", padding.PSS(padding.MGF1(hash_), length), hash_)
        verify(version.public_key, signature, b"x", hash="SHA256", salt="auto")
        with pytest.raises(InvalidSignature):
            verify(version.public_key, signature, b"x", hash="SHA256", salt=11)


def test_a_digest_of_the_wrong_length_is_an_error() -> None:
    store = KeyStore()
    with pytest.raises(ValueError, match="digest"):
        store.sign(version_of(store, "RS256"), b"short", hash="SHA256", prehashed=True)


@pytest.mark.parametrize("algorithm", ["ES256", "ES256K", "ES384", "ES512"])
@pytest.mark.parametrize("where", ["r", "s", "any"])
def test_leading_zeros_can_be_forced(algorithm: str, where: LeadingZero) -> None:
    store = KeyStore()
    version, row = version_of(store, algorithm), lookup(algorithm)
    store.leading_zero = where
    for _ in range(3):
        raw = jose(store.sign(version, b"x", **parameters(algorithm, "message")), algorithm)
        half = len(raw) // 2
        assert {"r": raw[0] == 0, "s": raw[half] == 0, "any": 0 in (raw[0], raw[half])}[where]
        checker(version.public_key, algorithm)(raw, b"x")
        assert len(raw) == row.size


def test_keys_that_live_at_the_same_time_differ_also_rsa_from_the_pool() -> None:
    stores = [KeyStore(), KeyStore()]
    spkis = {store.create(str(n), "RSA-2048").newest.spki for store in stores for n in range(3)}
    assert len(spkis) == 6


def test_rsa_keys_of_a_store_that_is_gone_are_used_again() -> None:
    store = KeyStore()
    spki = store.create("a", "RSA-2048").newest.spki
    del store
    gc.collect()
    again = KeyStore()
    idle = len(RSA_POOL._idle[2048])
    assert spki in {again.create(str(n), "RSA-2048").newest.spki for n in range(idle)}


def test_versions_states_and_clock() -> None:
    clock = EmulatorClock(lambda: 1000.0)
    store = KeyStore(clock)
    key = store.create("name", "P-256", note="mine")
    clock.advance(60)
    second = store.add_version("name", "2")
    third = store.add_version("name", "3", "P-384", created=5.0)
    assert [version.created for version in key.versions.values()] == [1000.0, 1060.0, 5.0]
    assert (key.newest, second.kind, third.kind, key.attributes) == (third, "P-256", "P-384", {"note": "mine"})
    with pytest.raises(ValueError, match="exists"):
        store.create("name", "P-256")
    with pytest.raises(ValueError, match="no keys of kind"):
        store.create("other", "P-224")
    assert "private" not in repr(second)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA", "ML-DSA-44"])
@pytest.mark.parametrize("lie", [lie for lie in LIES if lie != "wrong_key_id"])
def test_no_lie_verifies(algorithm: str, lie: str) -> None:
    store = KeyStore()
    version = version_of(store, algorithm)
    record = Record("Sign", "sign", "k", "", 0.0, "id")
    how = parameters(algorithm, "message")
    honest = Call(record).sign(store, version, b"message", **how)
    verify(version.public_key, honest, b"message", **how)
    lied = Call(record, {lie: Fault(lie, "sign")}).sign(store, version, b"message", **how)
    with pytest.raises(InvalidSignature):
        verify(version.public_key, lied, b"message", **how)
    if lie == "other_keys_signature":
        verify(store.decoy(version).public_key, lied, b"message", **how)


def test_signing_does_not_depend_on_the_store() -> None:
    store = KeyStore()
    version = version_of(store, "ES256")
    r, s = decode_dss_signature(sign(version.private, b"x", hash="SHA256"))
    assert r > 0 < s
