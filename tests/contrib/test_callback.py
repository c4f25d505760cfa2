"""A function of somebody else's, as a Signer."""

from __future__ import annotations

import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

import farsign
from farsign import errors, jwk, jws
from farsign_contrib.callback import opener

EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
ED = ed25519.Ed25519PrivateKey.generate()
SHA256 = hashes.SHA256()


def ec_message(data: bytes, algorithm: str) -> bytes:
    return EC.sign(data, ec.ECDSA(SHA256))


def ec_digest(data: bytes, algorithm: str) -> bytes:
    return EC.sign(data, ec.ECDSA(Prehashed(SHA256)))


def ec_raw(data: bytes, algorithm: str) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(ec_message(data, algorithm)))


def rsa_message(data: bytes, algorithm: str) -> bytes:
    return RSA.sign(data, padding.PKCS1v15() if algorithm == "RS256" else padding.PSS(padding.MGF1(SHA256), 32), SHA256)


CASES: dict[str, tuple[Any, Any, list[str], dict[str, Any]]] = {
    "messages": (EC, ec_message, ["ES256"], {}),
    "digests": (EC, ec_digest, ["ES256"], {"digest": True}),
    "raw signatures": (EC, ec_raw, ["ES256"], {"ecdsa": "raw"}),
    "two algorithms": (RSA, rsa_message, ["RS256", "PS256"], {}),
    "an algorithm that has no digests": (ED, lambda data, algorithm: ED.sign(data), ["Ed25519"], {"digest": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_it_signs(case: str) -> None:
    private, sign, algorithms, options = CASES[case]
    for algorithm in algorithms:
        with farsign.Signer(opener(private.public_key(), sign, algorithms, **options), alg=algorithm) as signer:
            token = jws.sign(b"payload", signer)
            assert jws.verify(token, jwk.Key.from_public_key(private.public_key(), alg=algorithm)).payload == b"payload"


def test_the_public_key_may_be_pem_and_stands_for_the_version() -> None:
    pem = EC.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    versions = set()
    for public in (pem, pem.decode(), EC.public_key()):
        with farsign.Signer(opener(public, ec_message, ["ES256"])) as signer:
            versions.add(signer.key().version)
            key = signer.key().as_private_key()
            key.public_key().verify(key.sign(b"m", ec.ECDSA(SHA256)), b"m", ec.ECDSA(SHA256))
    assert len(versions) == 1
    with pytest.raises(errors.InvalidKey):
        opener("no PEM", ec_message, ["ES256"])


def test_another_key_s_signature_is_no_signature() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    signer = farsign.Signer(opener(EC.public_key(), lambda data, algorithm: other.sign(data, ec.ECDSA(SHA256)), ["ES256"]))
    with signer, pytest.raises(errors.IntegrityFailure):
        signer.key().sign(b"m")


class Busy(Exception):
    """What a vendor's client raises."""


def test_exceptions_mean_what_the_caller_says() -> None:
    calls = []

    def sign(data: bytes, algorithm: str) -> bytes:
        calls.append(algorithm)
        if len(calls) < 3:
            raise Busy
        return ec_message(data, algorithm)

    with farsign.Signer(opener(EC.public_key(), sign, ["ES256"], failures={Busy: errors.Throttled})) as signer:
        assert len(signer.key().sign(b"m")) == 64
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("raised", "expected", "calls"),
    [(ConnectionResetError(), errors.ProviderUnavailable, 2), (TimeoutError(), errors.ProviderUnavailable, 2), (Busy("m"), errors.BackendBroken, 1)],
)  # fmt: skip
def test_what_it_raises_otherwise(raised: Exception, expected: type[Exception], calls: int) -> None:
    tried = []

    def sign(data: bytes, algorithm: str) -> bytes:
        tried.append(1)
        raise raised

    signer = farsign.Signer(opener(EC.public_key(), sign, ["ES256"]), policy=farsign.Policy(attempts=2))
    with signer, pytest.raises(expected):
        signer.key().sign(b"m")
    assert len(tried) == calls


def test_it_is_not_waited_for_longer_than_the_caller_waits() -> None:
    """RULES 17: the caller's wait ends in time, whatever the function does."""

    def sign(data: bytes, algorithm: str) -> bytes:
        time.sleep(1.5)
        return ec_message(data, algorithm)

    with farsign.Signer(opener(EC.public_key(), sign, ["ES256"])) as signer:
        key, started = signer.key(), time.monotonic()
        with pytest.raises(errors.DeadlineExceeded):
            key.sign(b"m", timeout=0.1)
        assert time.monotonic() - started < 0.5
