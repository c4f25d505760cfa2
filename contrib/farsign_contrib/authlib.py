"""Keys for Authlib.

    key = farsign_contrib.authlib.key(signer.key())                     # authlib.jose
    token = JsonWebToken(["ES256"]).encode({"alg": "ES256"}, {"sub": "42"}, key)

Its OAuth 2.0 clients (private_key_jwt, RFC 7523) take joserfc's keys: ``client_secret=farsign_contrib.joserfc.import_key(signer.key())``.
"""

from __future__ import annotations

from typing import Any

from ._given import known, private_key


def key(key: Any, **parameters: Any) -> Any:
    """An RSAKey, ECKey or OKPKey of authlib.jose, with kid and use; ``parameters`` are other members of its JWK.

    Raises AlgorithmNotSupported for ML-DSA, which Authlib does not have; farsign.jwt signs it.
    """
    from authlib.jose import ECKey, OKPKey, RSAKey

    signing = known(key, "Authlib", "RSA", "P-256", "P-384", "P-521", "secp256k1", "Ed25519")
    public, classes = signing.public_members(), {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    made = classes[public["kty"]].import_key({**public, "kid": signing.kid, "use": "sig", **parameters})
    made.private_key = private_key(key)
    return made
