"""securesystemslib: its CryptoSigner unmodified, and a signer of ours behind its URIs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("securesystemslib", reason="needs the package securesystemslib")
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner, Signer, SSlibKey

from farsign import errors
from farsign_contrib import securesystemslib as adapter

LIBRARY, HOW = "securesystemslib", "unmodified: CryptoSigner; by URI: farsign_contrib.securesystemslib"
SCHEMES = {
    "RS256": ["rsa-pkcs1v15-sha256", "rsa-pkcs1v15-sha512"],
    "PS256": ["rsassa-pss-sha256", "rsassa-pss-sha384"],
    "ES256": ["ecdsa-sha2-nistp256"],
    "ES384": ["ecdsa-sha2-nistp384"],
    "EdDSA": ["ed25519"],
    "ML-DSA-65": ["ml-dsa-65/1"],
}


@pytest.mark.parametrize("algorithm", SCHEMES)
def test_every_scheme(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    for scheme in SCHEMES[algorithm]:
        public = SSlibKey.from_crypto(key.public_key(), scheme=scheme)
        for signer in (CryptoSigner(key.as_private_key(), public), adapter.Signer(key, public)):
            public.verify_signature(signer.sign(b"payload"), b"payload")


@pytest.fixture
def registered() -> Iterator[None]:
    before = dict(SIGNER_FOR_URI_SCHEME)
    adapter.register("file", "memory")
    yield
    SIGNER_FOR_URI_SCHEME.clear()
    SIGNER_FOR_URI_SCHEME.update(before)


@pytest.mark.usefixtures("registered")
def test_a_uri_beside_each_public_key(tmp_path: Any) -> None:
    import farsign_local

    farsign_local.new_key_file(f"{tmp_path}/key.pem", "ES256")
    uri, public = adapter.import_(f"file://{tmp_path}/key.pem")
    public.verify_signature(Signer.from_priv_key_uri(uri, public).sign(b"payload"), b"payload")
    farsign_local.new_key_file(f"{tmp_path}/other.pem", "ES256")
    with pytest.raises(errors.KeyMismatch, match="not the key that the metadata names"):
        Signer.from_priv_key_uri(f"file://{tmp_path}/other.pem", public)


def test_the_provider_refuses(trouble: Any) -> None:
    with trouble("ES256") as key:
        adapter.Signer(key).sign(b"payload")


def test_a_kind_that_it_has_not_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.AlgorithmNotSupported, match="securesystemslib has no keys"):
        adapter.Signer(any_key("ES256K"))
