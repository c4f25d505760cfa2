"""A key for jwskate, and so for requests_oauth2client.

    jwk = farsign_contrib.jwskate.Jwk(signer.key(), alg="ES256")
    token = Jwt.sign({"sub": "42"}, jwk)

It serialises as a public key. What verifies is another, made of ``signer.key().jwk()``.
"""

from __future__ import annotations

from typing import Any

from ._given import known, private_key


def Jwk(key: Any, **parameters: Any) -> Any:  # noqa: N802  # jwskate's name; a function, so that it is imported late
    """A ``jwskate.Jwk`` with the public members, kid and use, that signs; ``parameters`` are other members, such as alg.

    Raises AlgorithmNotSupported for ML-DSA and secp256k1, which jwskate does not sign; farsign.jwt does.
    """
    import jwskate

    signing = known(key, "jwskate", "RSA", "P-256", "P-384", "P-521", "Ed25519")
    made = jwskate.Jwk({**signing.public_members(), "kid": signing.kid, "use": "sig", **parameters})
    made.cryptography_key = private_key(key)
    return made
