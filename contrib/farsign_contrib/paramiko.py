"""A key for Paramiko, as client key and as host key.

key = farsign_contrib.paramiko.pkey(signer.key())
client.connect(host, username=user, pkey=key)                             # or transport.add_server_key(key)
"""

from __future__ import annotations

from functools import cache
from typing import Any

from . import _ssh
from ._given import private_key, signing_key


def pkey(key: Any) -> Any:
    """A ``paramiko.PKey``. Raises AlgorithmNotSupported for kinds of keys that SSH has not.

    Of an RSA key that signs with one hash only, the other is switched off in ``connect(disabled_algorithms={"pubkeys": [...]})``.
    """
    import paramiko

    private, blob = private_key(key), _ssh.public_blob(signing_key(key))
    kind = _ssh.kind(blob)
    if kind == "ssh-rsa":
        return _rsa()(key=private)
    if kind == "ssh-ed25519":
        return _ed25519()(private, blob)
    return paramiko.ECDSAKey(vals=(private, private.public_key()))


@cache
def _rsa() -> Any:
    import paramiko

    class RemoteRSAKey(paramiko.RSAKey):
        """Paramiko's own asks the private numbers for the public ones."""

        key: Any

        @property
        def public_numbers(self) -> Any:
            return self.key.public_key().public_numbers()

    return RemoteRSAKey


@cache
def _ed25519() -> Any:
    import paramiko

    class RemoteEd25519Key(paramiko.PKey):
        """Paramiko's own signs with PyNaCl, which needs the private bytes."""

        name = "ssh-ed25519"

        def __init__(self, private: Any, blob: bytes) -> None:
            self.private_key, self.public_blob = private, None  # public_blob: a certificate, where there is one
            self._blob = blob

        def asbytes(self) -> bytes:
            return self._blob

        @property
        def _fields(self) -> tuple[str, bytes]:  # what PKey compares and hashes by; its subclasses must say
            return self.name, self._blob

        def get_name(self) -> str:
            return self.name

        def get_bits(self) -> int:
            return 256

        def can_sign(self) -> bool:
            return True

        def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> Any:
            return paramiko.Message(_ssh.sign(self.private_key, self.name, data))

        def verify_ssh_sig(self, data: bytes, msg: Any) -> bool:
            return bool(paramiko.Ed25519Key(data=self._blob).verify_ssh_sig(data, msg))

    return RemoteEd25519Key
