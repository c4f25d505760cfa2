"""Every algorithm signs what anybody can verify; sizes; leading zeros; what is refused before a call."""

from __future__ import annotations

import asyncio
import json

import pytest
from cryptography.exceptions import InvalidSignature

from farsign import jws
from farsign._base.algorithms import default_name, lookup
from farsign._base.encodings import b64url_decode
from farsign.errors import AlgorithmNotSupported, FarsignError, MessageTooLong

from ._failures import TRANSIENT
from ._harness import Harness
from ._verify import FAMILY, is_valid, verify

SIZES = (0, 1, 4096, 4097, 1 << 20)
LEADING_ZERO_TRIES = 4000  # each has one chance in 256: to miss them all is one in six million


class SigningTests(Harness):
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """What the backend says of itself is data: each test that takes one of these runs with all of it."""
        values = {
            "algorithm": sorted(self.algorithms),
            "ecdsa": sorted(name for name in self.algorithms if name.startswith("ES")),
            "where": ["r", "s"],
            "code": sorted(self.situations),
            "passing": sorted(self.situations & TRANSIENT),
        }
        for name in metafunc.fixturenames:
            if name in values:
                metafunc.parametrize(name, values[name])

    def test_signs_what_anybody_can_verify(self, algorithm: str) -> None:
        key = self.new_signer(algorithm).key()
        assert key.algorithm == algorithm
        signature = self.signs(key)
        assert lookup(algorithm).size in (None, len(signature))
        assert not is_valid(key.public_key(), algorithm, signature, b"another message")

    def test_signs_alike_in_an_event_loop(self, algorithm: str) -> None:
        signer = self.new_signer(algorithm)

        async def sign() -> None:
            key = await signer.akey()
            verify(key.public_key(), algorithm, await key.asign(b"message"), b"message")

        asyncio.run(sign())

    def test_a_jws_verifies_from_its_jwk_alone(self, algorithm: str) -> None:
        signer = self.new_signer(algorithm)
        token, key = jws.sign(b"payload", signer), signer.key()
        signed, _, signature = token.rpartition(".")
        header = json.loads(b64url_decode(signed.partition(".")[0]))
        assert (header["alg"], header["kid"], key.jwk()["alg"]) == (algorithm, key.kid, algorithm)
        verify(key.public_key(), algorithm, b64url_decode(signature), signed.encode())

    def test_sizes_of_messages(self, algorithm: str) -> None:
        key = self.new_signer(algorithm).key()
        for size in SIZES:
            before = self.counted()("sign")
            if size > self.limits.get(algorithm, size):
                with pytest.raises(MessageTooLong):
                    key.sign(bytes(size))
                assert self.counted()("sign") == before, "refused before any call"
            elif size == 0 and algorithm in self.refuses_empty:
                with pytest.raises(FarsignError):
                    key.sign(b"")
            else:
                self.signs(key, bytes(size))

    def test_leading_zeros_are_kept(self, ecdsa: str, where: str) -> None:
        key, place = self.new_signer(ecdsa).key(), 0 if where == "r" else (lookup(ecdsa).size or 0) // 2
        force = getattr(self, "leading_zero", None)
        if force:
            force(where)
        for n in range(LEADING_ZERO_TRIES):
            data = n.to_bytes(2, "big")
            signature = key.sign(data)
            if signature[place] == 0:
                verify(key.public_key(), ecdsa, signature, data)
                return
        raise AssertionError(f"no {ecdsa} signature with a leading zero in {where} of {LEADING_ZERO_TRIES}: are they dropped?")

    def test_another_familys_algorithm_is_refused_before_any_signature(self, algorithm: str) -> None:
        other = "ES256" if FAMILY[algorithm[:2]] == "RSA" else "RS256"
        signer = self.signer(self.make_key(algorithm), other)
        with pytest.raises(AlgorithmNotSupported, match=other):
            signer.key()
        assert self.counted()("sign") in (-1, 0)

    def test_a_key_says_what_it_can(self, algorithm: str) -> None:
        key = self.new_signer(algorithm).key()
        assert default_name(lookup(algorithm).primitive or algorithm) in key.algorithms
        assert FAMILY[algorithm[:2]] == key.jwk()["kty"]

    def test_two_keys_are_two(self) -> None:
        one, two = self.new_signer().key(), self.new_signer().key()
        assert one.kid != two.kid
        assert one.version != two.version
        with pytest.raises(InvalidSignature):
            verify(two.public_key(), two.algorithm, one.sign(b"m"), b"m")

    def test_check_resolves_signs_and_verifies(self) -> None:
        signer = self.new_signer()
        before = self.counted()("sign")
        assert signer.check().kid == signer.key().kid
        assert self.counted()("sign") in (-1, before + 1)
        assert asyncio.run(signer.acheck()).kid == signer.key().kid

    def test_what_is_not_bytes_is_refused_before_the_sdk_sees_it(self) -> None:
        """RULES 16: some SDKs print a message of the wrong type."""
        key = self.new_signer().key()
        before = self.counted()("sign")
        with pytest.raises(TypeError) as caught:
            key.sign("canary")  # type: ignore[arg-type]  # what is tested
        assert "canary" not in str(caught.value)
        assert self.counted()("sign") == before
