"""A key for joserfc (and for Authlib's OAuth clients, which take joserfc's keys).

    key = farsign_contrib.joserfc.import_key(signer.key())
    token = jwt.encode({"alg": "ES256"}, {"sub": "42"}, key)

It goes into a ``KeySet`` and exports its public JWK like any other; exporting the private one raises KeyNotExportable.
"""

from __future__ import annotations

from typing import Any

from ._given import known, private_key


def import_key(key: Any, **parameters: Any) -> Any:
    """An RSAKey, ECKey or OKPKey, with kid and use; ``parameters`` are other members of its JWK, such as alg.

    Raises AlgorithmNotSupported for ML-DSA, which joserfc does not have; farsign.jwt signs it.
    """
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    signing = known(key, "joserfc", "RSA", "P-256", "P-384", "P-521", "secp256k1", "Ed25519")
    public, classes = signing.public_members(), {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    # The constructor takes the JWK as given; import_key would export the private numbers to make one.
    return classes[public["kty"]](private_key(key), public, {"kid": signing.kid, "use": "sig", **parameters})
