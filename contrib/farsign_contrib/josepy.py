"""An account key for josepy, and so for acme and Certbot's libraries.

    account = farsign_contrib.josepy.JWK(signer.key())
    network = acme.client.ClientNetwork(account, alg=jose.RS256)              # RS256 to RS512, ES256, ES384, ES512

josepy's PS256 asks for the longest salt there is, which providers do not sign: give it
``signer.key().as_private_key(pss_max_length="digest")``. Such tokens verify everywhere, josepy's own only in josepy.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from ._given import known, private_key


def JWK(key: Any) -> Any:  # noqa: N802  # josepy's name; a function, so that it is imported late
    """A JWKRSA or JWKEC. Raises AlgorithmNotSupported for other kinds of keys, which josepy does not have."""
    signing = known(key, "josepy", "RSA", "P-256", "P-384", "P-521")
    return _class(signing.public_members()["kty"])(key=private_key(key))


@cache
def _class(kind: str) -> Any:
    import josepy

    base: Any = josepy.JWKRSA if kind == "RSA" else josepy.JWKEC

    class RemoteJWK(base):
        """Serialises, and so has the thumbprint of, its public key."""

        __slots__ = ("key",)  # where josepy looks for a class's fields

        def public_key(self) -> Any:
            return base(key=self.key.public_key())

        def fields_to_partial_json(self) -> dict[str, Any]:
            fields: dict[str, Any] = self.public_key().fields_to_partial_json()
            return fields

    return RemoteJWK
