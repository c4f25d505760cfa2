"""Any private key object of ``cryptography`` as a driver: code written for farsign, run with a plain key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from farsign.driver import Failure, KeyDescription, RemoteSigner, SignReply, SignRequest
from farsign.errors import KeyNotFound

from ._keys import LocalKey


def opener(private_key: Any) -> Callable[[], RemoteSigner]:
    """For ``farsign.Signer(opener(private_key))``; RSA, EC, Ed25519 or ML-DSA. Raises InvalidKey."""
    key = LocalKey(private_key)
    return lambda: PlainSigner(key)


class PlainSigner(RemoteSigner):
    endpoint = "process"
    total_timeout = True

    def __init__(self, key: LocalKey) -> None:
        self._key = key
        self._version = f"sha256:{hashlib.sha256(key.public_key).hexdigest()}"

    def describe(self, version: str | None = None, *, timeout: float) -> KeyDescription:
        self._check(version or self._version)
        return KeyDescription(self._version, self._key.public_key, self._key.inputs, pinned=True, protection="process")

    def sign(self, request: SignRequest, *, timeout: float) -> SignReply:
        self._check(request.version)
        return SignReply(self._key.sign(request), self._version)

    def classify(self, error: Exception) -> Failure | None:
        return None

    def close(self) -> None:
        pass

    def _check(self, version: str) -> None:
        if version != self._version:
            raise KeyNotFound(f"this key has no version {version}")
