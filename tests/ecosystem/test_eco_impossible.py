"""Where a library wants the private key itself, the error says so in our words."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from ecox509 import certificate

from farsign import errors


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_pkcs12(any_key: Any, algorithm: str) -> None:
    key = any_key(algorithm)
    with pytest.raises(errors.KeyNotExportable, match="never leaves the provider"):
        pkcs12.serialize_key_and_certificates(
            b"name", key.as_private_key(), certificate(key), None, serialization.BestAvailableEncryption(b"password")
        )


def test_pyopenssl(any_key: Any) -> None:
    crypto = pytest.importorskip("OpenSSL.crypto", reason="needs the package pyOpenSSL")
    with pytest.raises(errors.KeyNotExportable, match="never leaves the provider"):
        crypto.PKey.from_cryptography_key(any_key("RS256").as_private_key())
