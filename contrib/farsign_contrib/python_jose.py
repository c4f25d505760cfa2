"""A key for python-jose.

    key = farsign_contrib.python_jose.Key(signer.key())
    token = jwt.encode({"sub": "42"}, key, algorithm="ES256")

python-jose signs with the private-key object unmodified, too; this one also has ``to_dict`` and ``to_pem``, of the public key.
python-jose turns every error into a JWSError: what the provider said is its ``__cause__`` or ``__context__``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization

from ._given import known


def Key(key: Any) -> Any:  # noqa: N802  # python-jose's name; a function, so that jose is imported late
    """A ``jose.backends.base.Key`` for RS256 to RS512 and ES256 to ES512. The key's URI says its algorithm: give ``encode`` the same."""
    return _class()(known(key, "python-jose", "RSA", "P-256", "P-384", "P-521"))


@cache
def _class() -> Any:
    from jose import jwk
    from jose.backends.base import Key as Base

    class RemoteKey(Base):
        def __init__(self, signing: Any) -> None:
            super().__init__(None, signing.algorithm)
            self._signing = signing

        def sign(self, msg: bytes) -> bytes:
            signature: bytes = self._signing.sign(msg)
            return signature

        def verify(self, msg: bytes, sig: bytes) -> bool:
            return bool(self.public_key().verify(msg, sig))

        def public_key(self) -> Any:
            return jwk.construct(self._signing.public_key(), self._signing.algorithm)

        def to_pem(self) -> bytes:
            public = self._signing.public_key()
            pem: bytes = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            return pem

        def to_dict(self) -> dict[str, str]:
            members: dict[str, str] = self._signing.jwk()
            return members

    return RemoteKey
