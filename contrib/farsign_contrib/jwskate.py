"""A key for jwskate, and so for requests_oauth2client.

    jwk = farsign_contrib.jwskate.Jwk(signer.key(), alg="ES256")
    token = Jwt.sign({"sub": "42"}, jwk)

It serialises as a public key. What verifies is another, made of ``signer.key().jwk()``.
"""

from __future__ import annotations

from typing import Any

from ._given import no_such_kind, private_key, signing_key


def Jwk(key: Any, **parameters: Any) -> Any:  # noqa: N802  # jwskate's name; a function, so that it is imported late
    """A ``jwskate.Jwk`` with the public members, kid and use, that signs; ``parameters`` are other members, such as alg.

    Raises AlgorithmNotSupported for ML-DSA, which jwskate does not have.
    """
    import jwskate

    signing = signing_key(key)
    public = signing.public_members()
    if public["kty"] == "AKP":
        raise no_such_kind(signing, "jwskate", "RSA, EC or Ed25519; farsign.jwt signs ML-DSA")
    made = jwskate.Jwk({**public, "kid": signing.kid, "use": "sig", **parameters})
    made.cryptography_key = private_key(key)
    return made
