"""c2pa-python: content credentials of an image, read back by its own validator."""

from __future__ import annotations

import io
import json
import struct
import zlib
from typing import Any

import pytest

c2pa = pytest.importorskip("c2pa", reason="needs the package c2pa-python")
from cryptography.x509.oid import ExtendedKeyUsageOID
from ecox509 import certificate

from farsign import errors
from farsign_contrib.c2pa import signer

LIBRARY, HOW = "c2pa-python", "farsign_contrib.c2pa"
CREATED = {"action": "c2pa.created", "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCreation"}
ACTIONS = {"label": "c2pa.actions.v2", "data": {"actions": [CREATED]}}
MANIFEST = {"claim_generator_info": [{"name": "farsign", "version": "1"}], "title": "t", "assertions": [ACTIONS]}


def a_png() -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "PS256", "EdDSA"])
def test_an_image(any_key: Any, algorithm: str) -> None:
    ca, key = any_key("ES384", "ca"), any_key(algorithm)
    root = certificate(ca)
    leaf = certificate(key, ca=False, issuer=(ca, root), usage=ExtendedKeyUsageOID.EMAIL_PROTECTION)
    out = io.BytesIO()
    with signer(key, [leaf, root]) as made, c2pa.Builder(json.dumps(MANIFEST)) as builder:
        builder.sign(made, "image/png", io.BytesIO(a_png()), out)
    out.seek(0)
    with c2pa.Reader("image/png", out) as reader:
        report = json.loads(reader.json())
    codes = {each["code"] for each in report["validation_results"]["activeManifest"]["success"]}
    assert "claimSignature.validated" in codes


def test_a_kind_that_it_has_not_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.AlgorithmNotSupported, match="C2PA has no ML-DSA-65"):
        signer(any_key("ML-DSA-65"), [])


def test_the_provider_refuses(refused: Any, any_key: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Native code cannot carry exceptions: c2pa raises its own, and logs the provider's."""
    (key, _), ca = refused("ES256"), any_key("ES384", "ca")
    root = certificate(ca)
    leaf = certificate(key, ca=False, issuer=(ca, root), usage=ExtendedKeyUsageOID.EMAIL_PROTECTION)
    with pytest.raises(c2pa.C2paError), signer(key, [leaf, root]) as made, c2pa.Builder(json.dumps(MANIFEST)) as builder:
        builder.sign(made, "image/png", io.BytesIO(a_png()), io.BytesIO())
    assert "AWS KMS" in caplog.text or "awskms" in caplog.text


def test_a_certificate_of_another_key_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.KeyMismatch):
        signer(any_key("ES256"), [certificate(any_key("ES384", "ca")), certificate(any_key("ES256"))])
