"""A key for cryptojwt, and so for idpy-oidc and fedservice.

key = farsign_contrib.cryptojwt.key(signer.key())
token = JWS({"sub": "42"}, alg="ES256").sign_compact([key])
"""

from __future__ import annotations

from functools import cache
from typing import Any

from ._given import known, private_key


def key(key: Any, **parameters: Any) -> Any:
    """An RSAKey, ECKey or OKPKey with kid and use; ``parameters`` are other members of its JWK, such as alg.

    Raises AlgorithmNotSupported for ML-DSA, which cryptojwt does not have; farsign.jwt signs it.
    """
    signing = known(key, "cryptojwt", "RSA", "P-256", "P-384", "P-521", "secp256k1", "Ed25519")
    made = _class(signing.public_members()["kty"])(**{"kid": signing.kid, "use": "sig", **parameters})
    made.load_key(signing.public_key())
    made.priv_key = private_key(key)
    return made


@cache
def _class(kind: str) -> Any:
    from cryptojwt.jwk.ec import ECKey
    from cryptojwt.jwk.okp import OKPKey
    from cryptojwt.jwk.rsa import RSAKey

    base: Any = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}[kind]

    class RemoteKey(base):
        def serialize(self, private: bool = False) -> dict[str, Any]:
            """The public JWK, whatever is asked for: there is no other."""
            members: dict[str, Any] = {**base().load_key(self.pub_key).serialize(), **self.common()}
            return members

        def __eq__(self, other: object) -> bool:
            return isinstance(other, RemoteKey) and (self.kid, self.priv_key) == (other.kid, other.priv_key)

        def __hash__(self) -> int:
            return hash((self.kid, self.priv_key))

    return RemoteKey
