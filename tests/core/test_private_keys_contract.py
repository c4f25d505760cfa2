"""The private-key objects next to pyca's own: attributes, parameter names, abstract methods to come, copies, pickles, the way back."""

from __future__ import annotations

import abc
import copy
import inspect
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from fakekms import FakeClock, FakeDriver, FakeKMS

import farsign
import farsign_local
from farsign import errors

SHA256 = hashes.SHA256()
NATIVE: dict[str, Any] = {
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate,
}
ABC: dict[str, type] = {
    "RSA": rsa.RSAPrivateKey,
    "P-256": ec.EllipticCurvePrivateKey,
    "secp256k1": ec.EllipticCurvePrivateKey,
    "Ed25519": ed25519.Ed25519PrivateKey,
    "ML-DSA-44": mldsa.MLDSA44PrivateKey,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey,
}
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "RSA": (padding.PKCS1v15(), SHA256),
    "P-256": (ec.ECDSA(SHA256),),
    "secp256k1": (ec.ECDSA(SHA256),),
}


def native(kind: str) -> Any:
    try:
        return NATIVE[kind]()
    except UnsupportedAlgorithm:
        pytest.skip("this cryptography has no ML-DSA; 48 has")


def remote(key: Any) -> Any:
    """That key, behind a Signer."""
    return farsign.Signer(farsign_local.opener(key)).key().as_private_key()


@pytest.mark.parametrize("kind", NATIVE)
def test_it_has_what_a_native_key_has_and_no_more(kind: str) -> None:
    key = remote(native(kind))
    public = {name for name in dir(type(key)) if not name.startswith("_")}
    more = public - {name for name in dir(ABC[kind]) if not name.startswith("_")}
    assert more - {"sign_mu"} == {"signing_key"}  # sign_mu: cryptography 48 has not
    assert {name for name in dir(ABC[kind]) if not name.startswith("_")} <= public
    for name in ("sign", "sign_mu", "decrypt", "exchange", "private_bytes"):
        if hasattr(ABC[kind], name):
            theirs, ours = (inspect.signature(getattr(cls, name)).parameters for cls in (ABC[kind], type(key)))
            assert list(ours) == list(theirs)


@pytest.mark.parametrize("kind", NATIVE)
def test_the_way_there_and_back(kind: str) -> None:
    """A plain key opens as a Signer; its private-key object signs what the plain key's public key verifies, and opens again."""
    plain = native(kind)
    once = remote(plain)
    twice = remote(once)
    for key in (once, twice):
        assert key.public_key() == plain.public_key()
        plain.public_key().verify(key.sign(b"m", *ARGUMENTS.get(kind, ())), b"m", *ARGUMENTS.get(kind, ()))


@pytest.fixture
def _the_future() -> Iterator[None]:
    """pyca's classes with one more abstract method each."""
    classes = set(ABC.values())

    @abc.abstractmethod
    def from_the_future(self: Any) -> None: ...

    for cls in classes:
        cls.from_the_future = from_the_future  # type: ignore[attr-defined]  # the very thing that is new
        abc.update_abstractmethods(cls)
    yield
    for cls in classes:
        del cls.from_the_future  # type: ignore[attr-defined]  # as above
        abc.update_abstractmethods(cls)


@pytest.mark.usefixtures("_the_future")
@pytest.mark.parametrize("kind", NATIVE)
def test_an_abstract_method_that_cryptography_adds_later_does_not_break_the_keys(kind: str) -> None:
    assert "from_the_future" in ABC[kind].__abstractmethods__  # type: ignore[attr-defined]  # abstract classes have it
    key = remote(native(kind))
    with pytest.raises(UnsupportedAlgorithm, match="cannot do from_the_future"):
        key.from_the_future()
    key.public_key().verify(key.sign(b"m", *ARGUMENTS.get(kind, ())), b"m", *ARGUMENTS.get(kind, ()))
    delattr(type(key), "from_the_future")


def test_a_pickle_holds_the_uri_and_no_key(tmp_path: Path) -> None:
    """RULES 8."""
    farsign_local.new_key_file(f"{tmp_path}/key.pem", "RS256")
    with farsign.open_signer(f"file://{tmp_path}/key.pem?alg=PS256") as signer:
        key = signer.key().as_private_key(pss_max_length="digest")
        data = pickle.dumps(key)
        assert b"key.pem" in data
        assert len(data) < 2000
        again = pickle.loads(data)
        assert (again == key, hash(again) == hash(key), again is key) == (True, True, False)
        longest = padding.PSS(padding.MGF1(SHA256), padding.PSS.MAX_LENGTH)
        signature = again.sign(b"m", longest, SHA256)  # options survive
        key.public_key().verify(signature, b"m", padding.PSS(padding.MGF1(SHA256), 32), SHA256)
        again.signing_key()._signer.close()


def test_what_has_no_uri_says_that_it_cannot_be_pickled() -> None:
    key = remote(native("P-256"))
    with pytest.raises(errors.NotPicklable, match="made with objects") as caught:
        pickle.dumps(key)
    assert not isinstance(caught.value, (ValueError, TypeError, AttributeError))
    assert copy.copy(key) is copy.deepcopy([key])[0] is key


def test_keys_are_equal_by_version_and_not_to_anything_else() -> None:
    kms = FakeKMS("ES256")
    signer = farsign.Signer(lambda: FakeDriver(kms), clock=FakeClock(), name="k")
    key = signer.key()
    assert key.as_private_key() == key.as_private_key(pss_max_length="digest")
    assert key.as_private_key() != key
    assert key.as_private_key() != remote(native("P-256"))
    assert "k kid=" in repr(key.as_private_key())


@pytest.mark.parametrize(
    ("kind", "inputs", "call", "right"),
    [
        ("ES384", {"ES384": {"digest": None}}, lambda key: key.sign(b"m", ec.ECDSA(SHA256)), "it signs ES384; use hashes.SHA384()"),
        ("RS256", {"RS512": {"digest": None}}, lambda key: key.sign(b"m", padding.PKCS1v15(), SHA256), "it signs RS512; use hashes.SHA512()"),
        ("RS256", {"PS256": {"digest": None}}, lambda key: key.sign(b"m", padding.PKCS1v15(), SHA256), "it signs PS256"),
    ],
)  # fmt: skip
def test_a_key_with_one_algorithm_says_which_hash_is_right(kind: str, inputs: Any, call: Any, right: str) -> None:
    kms = FakeKMS(kind, inputs=inputs)
    key = farsign.Signer(lambda: FakeDriver(kms), clock=FakeClock(), name="k").key().as_private_key()
    with pytest.raises(errors.AlgorithmNotSupported) as caught:
        call(key)
    assert caught.value.next_step == right
    assert kms.count("sign") == 0
