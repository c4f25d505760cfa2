"""python-tuf: a root and its targets."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

pytest.importorskip("tuf", reason="needs the package tuf")
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, Root, Targets

LIBRARY, HOW = "tuf", "unmodified: securesystemslib's CryptoSigner"
SCHEME = {"RS256": "rsa-pkcs1v15-sha256", "PS256": "rsassa-pss-sha256"}


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "EdDSA"])
def test_metadata(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    public = SSlibKey.from_crypto(key.public_key(), scheme=SCHEME.get(algorithm))
    signer = CryptoSigner(key.as_private_key(), public)
    expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    root = Metadata(Root(expires=expires))
    for role in ("root", "targets"):
        root.signed.add_key(signer.public_key, role)
    targets = Metadata(Targets(expires=expires))
    for metadata in (root, targets):
        metadata.sign(signer)
    read_root, read_targets = Metadata[Root].from_bytes(root.to_bytes()), Metadata[Targets].from_bytes(targets.to_bytes())
    read_root.signed.verify_delegate("root", read_root.signed_bytes, read_root.signatures)
    read_root.signed.verify_delegate("targets", read_targets.signed_bytes, read_targets.signatures)
    read_targets.signed.version += 1
    with pytest.raises(UnsignedMetadataError):
        read_root.signed.verify_delegate("targets", read_targets.signed_bytes, read_targets.signatures)


def test_the_provider_refuses(refused: Any) -> None:
    """tuf raises its own error; the provider's is the cause."""
    key, expected = refused("ES256")
    with pytest.raises(UnsignedMetadataError) as caught:
        Metadata(Targets()).sign(CryptoSigner(key.as_private_key()))
    assert isinstance(caught.value.__cause__, expected)
