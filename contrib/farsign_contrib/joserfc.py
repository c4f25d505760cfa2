"""A key for joserfc (and for Authlib's OAuth clients, which take joserfc's keys).

    key = farsign_contrib.joserfc.import_key(signer.key())
    token = jwt.encode({"alg": "ES256"}, {"sub": "42"}, key)

It goes into a ``KeySet`` and exports its public JWK like any other; exporting the private one raises KeyNotExportable.
"""

from __future__ import annotations

from typing import Any

from ._given import no_such_kind, private_key, signing_key


def import_key(key: Any, **parameters: Any) -> Any:
    """An RSAKey, ECKey or OKPKey, with kid and use; ``parameters`` are other members of its JWK, such as alg.

    Raises AlgorithmNotSupported for ML-DSA, which joserfc does not have.
    """
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    signing, classes = signing_key(key), {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    public = signing.public_members()
    if public["kty"] not in classes:
        raise no_such_kind(signing, "joserfc", "RSA, EC or Ed25519; farsign.jwt signs ML-DSA")
    # The constructor takes the JWK as given; import_key would export the private numbers to make one.
    return classes[public["kty"]](private_key(key), public, {"kid": signing.kid, "use": "sig", **parameters})
