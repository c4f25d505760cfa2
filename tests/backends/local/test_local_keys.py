"""Real keys of every algorithm sign everything that they declare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, rsa, x25519

import farsign_local
from farsign.driver import KeyDescription, RemoteSigner, SignRequest
from farsign.errors import AlgorithmNotSupported, ConfigurationError, InvalidKey, KeyMisuse, KeyNotFound
from farsign_local._keys import LocalKey, generate

T = 5.0
SignEverything = Callable[[RemoteSigner], set[str]]

RSA = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
DECLARED = {
    "ES256": {"ES256", "ECDSA-P256-SHA384", "ECDSA-P256-SHA512"},
    "ES384": {"ES384", "ECDSA-P384-SHA256", "ECDSA-P384-SHA512"},
    "ES512": {"ES512", "ECDSA-P521-SHA256", "ECDSA-P521-SHA384"},
    "ES256K": {"ES256K", "ECDSA-K256-SHA384", "ECDSA-K256-SHA512"},
    "EdDSA": {"Ed25519"},
    "Ed25519": {"Ed25519"},
    "ML-DSA-44": {"ML-DSA-44"},
    "ML-DSA-65": {"ML-DSA-65"},
    "ML-DSA-87": {"ML-DSA-87"},
    "ECDSA-P384-SHA256": {"ES384", "ECDSA-P384-SHA256", "ECDSA-P384-SHA512"},
}


@pytest.mark.parametrize("alg", DECLARED)
def test_every_algorithm_signs(alg: str, sign_everything: SignEverything) -> None:
    assert sign_everything(farsign_local.opener(generate(alg))()) == DECLARED[alg]


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_every_rsa_size_signs(bits: int, sign_everything: SignEverything) -> None:
    private = generate("PS384", bits)
    assert private.key_size == bits
    assert sign_everything(farsign_local.opener(private)()) == RSA


def test_what_an_opened_key_says() -> None:
    driver = farsign_local.opener(generate("ES256"))()
    described = driver.describe(timeout=T)
    assert (described.pinned, described.ecdsa, described.protection) == (True, "der", "process")
    assert driver.describe(described.version, timeout=T) == described
    assert farsign_local.opener(generate("ES256"))().describe(timeout=T).version != described.version
    with pytest.raises(KeyNotFound):
        driver.describe("another", timeout=T)
    with pytest.raises(KeyNotFound):
        driver.sign(SignRequest("another", "ES256", "message", b""), timeout=T)


def test_mu_is_declared_only_where_cryptography_signs_it(sign_everything: SignEverything) -> None:
    whole = mldsa.MLDSA65PrivateKey.generate()

    class Older(mldsa.MLDSA65PrivateKey):
        """The contract before ``sign_mu`` came."""

        sign_mu = property()  # type: ignore[assignment]  # an AttributeError, as if it were not there

        def public_key(self) -> Any:
            return whole.public_key()

        def sign(self, data: Any, context: Any = None) -> bytes:
            return whole.sign(data, context)

    Older.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]  # the rest is not called

    def forms(private: Any) -> set[str]:
        return set(LocalKey(private).inputs["ML-DSA-65"])

    assert forms(whole) == ({"message", "mu"} if hasattr(whole, "sign_mu") else {"message"})
    assert forms(Older()) == {"message"}
    sign_everything(farsign_local.opener(Older())())


def _described(alg: str) -> tuple[RemoteSigner, KeyDescription]:
    driver = farsign_local.opener(generate(alg))()
    return driver, driver.describe(timeout=T)


@pytest.mark.parametrize(
    ("alg", "algorithm", "form", "data"),
    [
        ("ES256", "RS256", "message", b""),  # not this kind of key
        ("ES256", "ES384", "message", b""),  # not this curve
        ("ES256", "none", "message", b""),
        ("ES256", "ES256", "digest", b"short"),
        ("RS256", "PS256", "digest", bytes(48)),
        ("EdDSA", "Ed25519", "digest", bytes(32)),
        ("ML-DSA-44", "ML-DSA-44", "mu", bytes(32)),
    ],
)
def test_what_a_key_does_not_sign_is_a_misuse(alg: str, algorithm: str, form: Any, data: bytes) -> None:
    driver, described = _described(alg)
    with pytest.raises(KeyMisuse) as caught:
        driver.sign(SignRequest(described.version, algorithm, form, data), timeout=T)
    assert algorithm in str(caught.value)
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("private", "says"),
    [
        (x25519.X25519PrivateKey.generate(), "X25519"),
        (ed448.Ed448PrivateKey.generate(), "Ed448"),
        (dsa.generate_private_key(2048), "DSA"),
        (ec.generate_private_key(ec.BrainpoolP256R1()), "brainpoolP256r1"),
        (rsa.generate_private_key(65537, 1024), "1024 bits"),
        (ed25519.Ed25519PrivateKey.generate().public_key(), "Ed25519PublicKey"),
        (b"text", "bytes"),
    ],
)
def test_keys_that_are_refused(private: Any, says: str) -> None:
    with pytest.raises(InvalidKey, match=says):
        farsign_local.opener(private)


def test_keys_that_are_not_made() -> None:
    with pytest.raises(AlgorithmNotSupported, match="HS256"):
        generate("HS256")
    with pytest.raises(ConfigurationError, match="1024"):
        generate("RS256", 1024)
