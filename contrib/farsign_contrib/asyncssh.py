"""A key pair for AsyncSSH, as client key and as host key.

    pair = farsign_contrib.asyncssh.SSHKeyPair(signer.key())
    connection = await asyncssh.connect(host, client_keys=[pair])              # or listen(..., server_host_keys=[pair])

Clients sign without holding the event loop, servers in AsyncSSH's executor. A certificate goes in through ``client_certs``;
certificates themselves are made with ``cryptography``'s SSHCertificateBuilder.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from . import _ssh
from ._given import private_key, signing_key


def SSHKeyPair(key: Any, comment: str | None = None) -> Any:  # noqa: N802  # asyncssh's name; a function, so that it is imported late
    """An ``asyncssh.SSHKeyPair``. Raises AlgorithmNotSupported for kinds of keys that SSH has not."""
    signing = signing_key(key)
    blob, algorithms = _ssh.public_blob(signing), [name.encode() for name in _ssh.signature_algorithms(signing)]
    return _class()(private_key(key), blob, algorithms, comment)


@cache
def _class() -> Any:
    import asyncio

    import asyncssh

    class RemoteKeyPair(asyncssh.SSHKeyPair):
        _key_type = "remote"

        def __init__(self, private: Any, blob: bytes, algorithms: list[bytes], comment: str | None) -> None:
            kind = _ssh.kind(blob).encode()
            super().__init__(kind, kind, algorithms, algorithms, blob, comment, use_executor=True)
            if kind not in algorithms:
                self.sig_algorithm = algorithms[0]  # ssh-rsa is a kind of key; as a signature it is SHA-1
            self._private = private

        def sign(self, data: bytes) -> bytes:
            return _ssh.sign(self._private, self.sig_algorithm.decode(), data)

        async def sign_async(self, data: bytes) -> bytes:
            return await asyncio.to_thread(self.sign, data)

    return RemoteKeyPair
