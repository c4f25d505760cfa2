"""A key for jwcrypto, and for what is built on it: sd-jwt, django-oauth-toolkit.

    key = farsign_contrib.jwcrypto.jwk(signer.key())
    token = jwt.JWT(header={"alg": "ES256"}, claims={"sub": "42"}); token.make_signed_token(key)

django-oauth-toolkit: give OIDC_RSA_PRIVATE_KEY the *public* PEM, so that its JWKS view is right, and let the application model's
``jwk_key`` return this key.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from ._given import private_key, signing_key


def jwk(key: Any, **parameters: Any) -> Any:
    """A ``jwcrypto.jwk.JWK`` with the public members, kid and use, that signs; ``parameters`` are other members, such as alg."""
    signing = signing_key(key)
    members = {**signing.public_members(), "kid": signing.kid, "use": "sig", **parameters}
    return _class()(private_key(key), members)


@cache
def _class() -> Any:
    from jwcrypto.jwk import JWK

    class RemoteJWK(JWK):
        """Exports as a public key; ``sign`` operations get the remote one."""

        def __init__(self, private: Any, members: dict[str, Any]) -> None:
            super().__init__(**members)
            self._private = private

        def get_op_key(self, operation: str | None = None, arg: Any = None) -> Any:
            if operation != "sign":
                return super().get_op_key(operation, arg)
            super().get_op_key("verify", arg)  # the same checks: use, key_ops, curve
            return self._private

        @property
        def has_private(self) -> bool:
            return True

    return RemoteJWK
