"""pycose: COSE_Sign1."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("pycose", reason="needs the package pycose, with cbor2<6")
from cryptography.hazmat.primitives import serialization
from pycose.headers import KID, ContentType
from pycose.keys import CoseKey
from pycose.messages import CoseMessage

from farsign import errors
from farsign_contrib.pycose import Sign1Message

LIBRARY, HOW = "pycose", "farsign_contrib.pycose"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_a_message(any_key: Any, algorithm: str) -> None:
    signing = any_key(algorithm)
    encoded = Sign1Message(signing, {ContentType: 50}, payload=b"payload", external_aad=b"aad").encode()
    received = CoseMessage.decode(encoded)
    pem = signing.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    received.key, received.external_aad = CoseKey.from_pem_public_key(pem.decode()), b"aad"
    assert received.verify_signature()
    assert received.phdr[KID] == signing.kid.encode()
    received.external_aad = b"other"
    assert not received.verify_signature()


def test_a_kind_that_it_has_not_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.AlgorithmNotSupported, match="pycose has no ML-DSA-44"):
        Sign1Message(any_key("ML-DSA-44"), payload=b"payload")


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("ES256") as key:
        Sign1Message(key, payload=b"payload").encode()
