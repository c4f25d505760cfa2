"""The private key in a key file: PEM (PKCS#8, SEC1, PKCS#1; encrypted or not) or one private JWK."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from farsign.errors import InvalidKey

from ._keys import LocalKey, PrivateKey
from ._private_jwk import private_key_of_jwk

Passphrase = Callable[[], str | bytes]
VARIABLE: Final = "FARSIGN_FILE_PASSPHRASE"


def load(content: bytes, passphrase: Passphrase) -> LocalKey:
    """Raises InvalidKey; its message holds nothing of the content."""
    if content.lstrip()[:1] == b"{":
        private, alg = private_key_of_jwk(content)
        return LocalKey(private, only=alg)
    return LocalKey(_pem(content, passphrase))


def from_environment() -> str:
    """The passphrase in FARSIGN_FILE_PASSPHRASE; empty: there is none."""
    return os.environ.get(VARIABLE, "")


_BEGIN: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]*)-----")


def _pem(content: bytes, passphrase: Passphrase) -> PrivateKey:
    found = [label.decode() for label in _BEGIN.findall(content)]
    keys = [label for label in found if label.endswith("PRIVATE KEY")]
    if len(keys) != 1:
        what = f"{len(keys)} private keys" if keys else f"no private key, but {' and '.join(found) or 'neither PEM nor JWK'}"
        raise InvalidKey(f"it holds {what}", next_step="a key file holds one private key: PEM or JWK")
    if keys == ["OPENSSH PRIVATE KEY"]:
        raise InvalidKey("OpenSSH's own format is not read", next_step="convert a copy: ssh-keygen -p -m PKCS8 -f FILE")
    try:
        return load_pem_private_key(content, None)
    except TypeError:  # encrypted, and cryptography says so by this type
        return _encrypted_pem(content, passphrase)
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidKey(f"its {keys[0]} is damaged, incomplete or of an unknown kind", next_step=_LOOK) from None


def _encrypted_pem(content: bytes, passphrase: Passphrase) -> PrivateKey:
    secret = _ask(passphrase)
    if not secret:
        raise InvalidKey("it is encrypted, and no passphrase was given",
                         next_step=f"set {VARIABLE}, or use farsign_local.open_signer(uri, passphrase=...)")  # fmt: skip
    try:
        return load_pem_private_key(content, secret.encode() if isinstance(secret, str) else secret)
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidKey(
            "it is encrypted, and the passphrase does not open it",
            next_step=f"{VARIABLE}, or what passphrase= returns, has to be the one that it was encrypted with",
        ) from None


def _ask(passphrase: Passphrase) -> str | bytes:
    try:
        return passphrase()
    except Exception as error:
        failed = type(error).__name__  # no more of it than that, and not as a context: it may hold the secret
    raise InvalidKey(f"it is encrypted, and asking for its passphrase raised {failed}", next_step="look at that function")


_LOOK: Final = "look what it is: openssl pkey -noout -text_pub -in FILE"
