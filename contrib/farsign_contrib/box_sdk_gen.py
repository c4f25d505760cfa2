"""A key for Box's JWT applications (boxsdk from 10 on, which was box-sdk-gen; older ones take the private-key object).

    config = JWTConfig(..., private_key="", private_key_passphrase="", private_key_decryptor=farsign_contrib.box_sdk_gen.decryptor(signer.key()))
    client = BoxClient(BoxJWTAuth(config))

Box takes RS256 to RS512 (``algorithm=`` of JWTConfig).
"""

from __future__ import annotations

from functools import cache
from typing import Any

from ._given import known, private_key


def decryptor(key: Any) -> Any:
    """A ``box_sdk_gen.PrivateKeyDecryptor`` that has nothing to decrypt. RSA keys only."""
    known(key, "Box", "RSA")
    return _class()(private_key(key))


@cache
def _class() -> Any:
    from box_sdk_gen import PrivateKeyDecryptor

    class RemoteKey(PrivateKeyDecryptor):
        def __init__(self, private: Any) -> None:
            self._private = private

        def decrypt_private_key(self, encryptedPrivateKey: str, passphrase: str) -> Any:  # noqa: N803  # Box's name
            return self._private

    return RemoteKey
