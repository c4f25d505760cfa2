"""Checking signatures with ``cryptography`` and the public key alone: nothing of farsign takes part."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from farsign.driver import KeyURI, RemoteSigner, SignRequest

HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
MESSAGE = b"what is signed"
T = 5.0  # seconds; nothing here waits

Verify = Callable[[bytes, str, bytes], None]


@pytest.fixture
def verify() -> Verify:
    """verify(spki, algorithm, signature over MESSAGE, ECDSA as DER); raises InvalidSignature."""
    return _verify


def _verify(spki: bytes, algorithm: str, signature: bytes) -> None:
    key: Any = load_der_public_key(spki)
    hash_ = HASHES["256" if algorithm == "ES256K" else algorithm[-3:]] if algorithm[:2] in ("RS", "PS", "ES", "EC") else None
    if algorithm.startswith("RS"):
        key.verify(signature, MESSAGE, padding.PKCS1v15(), hash_)
    elif algorithm.startswith("PS"):
        assert hash_
        key.verify(signature, MESSAGE, padding.PSS(padding.MGF1(hash_), salt_length=hash_.digest_size), hash_)
    elif hash_:
        key.verify(signature, MESSAGE, ec.ECDSA(hash_))
    else:
        key.verify(signature, MESSAGE)


def requests(description: Any, message: bytes = MESSAGE) -> Iterator[SignRequest]:
    """One for each algorithm and form that the description declares."""
    for algorithm, forms in description.inputs.items():
        for form, most in forms.items():
            data = _input(description.public_key, algorithm, form, message)
            assert most is None or len(data) == most
            yield SignRequest(description.version, algorithm, form, data)


def _input(spki: bytes, algorithm: str, form: str, message: bytes) -> bytes:
    if form == "digest":
        return hashlib.new("sha256" if algorithm == "ES256K" else f"sha{algorithm[-3:]}", message).digest()
    if form == "mu":  # FIPS 204, algorithm 7: H(H(pk, 64) || 0 || 0 || M, 64)
        key: Any = load_der_public_key(spki)
        tr = hashlib.shake_256(key.public_bytes_raw()).digest(64)
        return hashlib.shake_256(tr + b"\x00\x00" + message).digest(64)
    return message


@pytest.fixture
def sign_everything(verify: Verify) -> Callable[[RemoteSigner], set[str]]:
    """Signs with each algorithm and form that the driver declares, verifies each, and returns the algorithms."""

    def run(driver: RemoteSigner) -> set[str]:
        description = driver.describe(timeout=T)
        for request in requests(description):
            reply = driver.sign(request, timeout=T)
            assert reply.version == description.version
            verify(description.public_key, request.algorithm, reply.signature)
        return set(description.inputs)

    return run


@pytest.fixture
def open_file() -> Callable[..., RemoteSigner]:
    from farsign_local._files import FileSigner

    def run(path: object, *arguments: Any, **parameters: str) -> RemoteSigner:
        return FileSigner(KeyURI("file", "", str(path).lstrip("/"), parameters), *arguments)

    return run


@pytest.fixture
def open_memory() -> Callable[..., RemoteSigner]:
    from farsign_local import farsign_uri
    from farsign_local.memory import MemorySigner, ProcessKeyWarning

    def run(name: str, **parameters: str) -> RemoteSigner:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ProcessKeyWarning)
            return MemorySigner(farsign_uri(KeyURI("memory", None, name, parameters)))

    return run
