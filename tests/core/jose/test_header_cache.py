"""The cache of header segments: filled after a good signature only, bounded, and of one key set."""

from __future__ import annotations

import pytest
from attacks import CASES, EC_KEY, GOOD, HEADER, KEYS, es256, seg, signed
from cryptography.hazmat.primitives.asymmetric import ec

from farsign import errors, jwk, jws, jwt
from farsign._base.encodings import b64url_encode
from farsign._jose.key_source import CACHE_ENTRIES


def fresh() -> jwk.KeySet:
    return jwk.KeySet(KEYS.keys)


def test_strangers_cannot_fill_it() -> None:
    keys = fresh()
    for token in CASES.values():
        with pytest.raises(errors.InvalidToken):
            jws.verify(token, keys)
    assert keys.known == {}
    jws.verify(GOOD, keys)
    assert list(keys.known) == [GOOD.split(".")[0].encode()]


def test_it_is_bounded() -> None:
    keys = fresh()
    for number in range(2 * CACHE_ENTRIES + 3):
        jws.verify(signed(HEADER | {"n": number}), keys)
    assert len(keys.known) <= CACHE_ENTRIES
    jws.verify(signed(HEADER | {"x": "x" * 2_000}), keys)
    jws.verify(signed(HEADER | {"x": ["a list could be changed by its reader"]}), keys)
    assert all(len(segment) < 1_100 for segment in keys.known)
    assert not any(isinstance(member, list) for found in keys.known.values() for member in found.header.members.values())


def test_a_header_that_is_known_still_needs_its_own_signature() -> None:
    keys = fresh()
    jws.verify(GOOD, keys)
    header = GOOD.split(".")[0]
    for forged in (
        f"{header}.{seg('[]')}.{GOOD.split('.')[2]}",
        f"{header}.{seg('{}')}.{b64url_encode(bytes(64))}",
        f"{header}.{seg('{}')}.",
    ):
        with pytest.raises(errors.InvalidToken):
            jws.verify(forged, keys)
    other = f"{header}.{seg('[]')}"
    assert jws.verify(f"{other}.{b64url_encode(es256(other))}", keys).payload == b"[]"


def test_what_a_caller_expects_is_asked_each_time() -> None:
    keys = fresh()
    access = signed(HEADER | {"typ": "at+jwt"})
    jwt.decode(access, keys, typ="at+jwt")
    with pytest.raises(jwt.InvalidTypeError):
        jwt.decode(access, keys)
    with pytest.raises(jwt.InvalidAlgorithmError):
        jwt.decode(access, keys, typ="at+jwt", algorithms=["RS256"])


def test_a_caller_who_changes_a_header_changes_his_own() -> None:
    keys = fresh()
    for _ in range(2):
        header = jws.verify(GOOD, keys).header
        assert header == HEADER
        header["alg"] = "none"


def test_one_key_set_knows_nothing_of_another() -> None:
    jws.verify(GOOD, EC_KEY)
    stranger = jwk.Key.from_public_key(ec.generate_private_key(ec.SECP256R1()).public_key(), kid="k")
    with pytest.raises(jwt.InvalidSignatureError):
        jws.verify(GOOD, stranger)
