"""A signer for securesystemslib, and so for python-tuf and in-toto.

    farsign_contrib.securesystemslib.register("awskms", "azurekms")           # Signer.from_priv_key_uri opens them through farsign
    uri, public_key = farsign_contrib.securesystemslib.import_("awskms:///alias/tuf?region=eu-west-1")

``CryptoSigner(signer.key().as_private_key())`` works unmodified; this one is for code that keeps a URI beside each public key.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from ._given import known, private_key, signing_key


def Signer(key: Any, public_key: Any = None) -> Any:  # noqa: N802  # securesystemslib's name; a function, so that it is imported late
    """A ``securesystemslib.signer.Signer``. public_key: an SSlibKey, whose scheme decides how it signs; by default the key's own.

    Raises KeyMismatch if public_key is another key.
    """
    from securesystemslib.exceptions import KeyMismatchError
    from securesystemslib.signer import CryptoSigner  # pyright: ignore[reportPrivateImportUsage]  # its __init__ exports it without saying so

    from farsign.errors import KeyMismatch

    known(key, "securesystemslib", "RSA", "P-256", "P-384", "P-521", "Ed25519", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87")
    private = private_key(key)
    try:
        return CryptoSigner(private, public_key)
    except KeyMismatchError:
        raise KeyMismatch(f"{signing_key(key).name} is not the key that the metadata names") from None


def import_(uri: str, scheme: str | None = None) -> tuple[str, Any]:
    """The URI and the SSlibKey, both to be stored. scheme: e.g. "rsassa-pss-sha256", which is also the default for RSA."""
    from securesystemslib.signer import SSlibKey  # pyright: ignore[reportPrivateImportUsage]  # its __init__ exports it without saying so

    import farsign

    with farsign.open_signer(uri) as signer:
        return uri, SSlibKey.from_crypto(signer.key().public_key(), scheme=scheme)


def register(*schemes: str) -> None:
    """Let farsign open these URI schemes in this process. What securesystemslib had under such a name is replaced."""
    from securesystemslib.signer import SIGNER_FOR_URI_SCHEME  # pyright: ignore[reportPrivateImportUsage]  # its __init__ exports it without saying so

    for scheme in schemes:
        SIGNER_FOR_URI_SCHEME[scheme] = _class()


@cache
def _class() -> Any:
    from securesystemslib.signer import CryptoSigner  # pyright: ignore[reportPrivateImportUsage]  # its __init__ exports it without saying so

    import farsign

    class FarsignSigner(CryptoSigner):
        @classmethod
        def from_priv_key_uri(cls, priv_key_uri: str, public_key: Any, secrets_handler: Any = None) -> Any:
            return Signer(farsign.open_signer(priv_key_uri).key(), public_key)

    return FarsignSigner
