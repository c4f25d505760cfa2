"""Making a key file."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from farsign.errors import KeyFileError

from ._keys import LocalKey, generate
from ._loading import Passphrase, from_environment


def new_key_file(path: str, alg: str, *, bits: int = 2048, passphrase: Passphrase = from_environment) -> None:
    """Write a new private key (PKCS#8 PEM, mode 0600) for that algorithm; ``bits`` is an RSA key's size.

    Encrypted if there is a passphrase. The file appears whole or not at all, and never in the place of another. Raises KeyFileError.
    """
    path = os.path.abspath(path)
    if os.path.lexists(path):
        raise _exists(path)
    private = generate(alg, bits)
    LocalKey(private)
    pem: bytes = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, _encryption(passphrase))
    try:
        _publish(pem, path)
    except FileExistsError:  # somebody was faster
        raise _exists(path) from None
    except OSError as error:
        raise KeyFileError(f"{path!r} cannot be written: {error.strerror}", next_step=_step(path)) from None


def _publish(content: bytes, path: str) -> None:
    folder = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(prefix=".farsign-", dir=folder)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.link(temporary, path)  # unlike a rename, it fails if the name is taken
    finally:
        os.unlink(temporary)
    _sync(folder)


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot; the file itself is safe
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encryption(passphrase: Passphrase) -> KeySerializationEncryption:
    secret = passphrase()
    if not secret:
        return NoEncryption()
    return BestAvailableEncryption(secret.encode() if isinstance(secret, str) else secret)


def _exists(path: str) -> KeyFileError:
    return KeyFileError(
        f"{path!r} exists already; a key is never overwritten", next_step="choose another name, or move that file away"
    )


def _step(path: str) -> str:
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        return f"mkdir -p -m 700 {shlex.quote(folder)}"
    return f"choose a folder that user {os.geteuid()} may write, on a file system with hard links"
