"""PyJWT that also knows Ed25519 by that name (RFC 9864) and ML-DSA (RFC 9964). Its global registry stays as it is.

    jwt = farsign_contrib.pyjwt.PyJWT()
    token = jwt.encode({"sub": "42"}, signer.key().as_private_key(), algorithm="ML-DSA-65")
    claims = jwt.decode(token, signer.key().public_key(), algorithms=["ML-DSA-65"])

For what PyJWT knows itself (RS256 to PS512, ES256 to ES512, ES256K, EdDSA) ``jwt.encode`` takes the private-key object as it is.
"""

from __future__ import annotations

from typing import Any, Final

MLDSA: Final = ("ML-DSA-44", "ML-DSA-65", "ML-DSA-87")


def PyJWT(options: Any = None) -> Any:  # noqa: N802  # jwt's name; a function, so that it is imported late
    """A ``jwt.PyJWT``: encode, decode, decode_complete."""
    import jwt

    made = jwt.PyJWT(options)
    _register(made._jws)  # PyJWT hands no other way in; PyJWS below needs none
    return made


def PyJWS(options: Any = None) -> Any:  # noqa: N802
    """A ``jwt.PyJWS``, for payloads that are not claims."""
    import jwt

    made = jwt.PyJWS(options=options)
    _register(made)
    return made


def _register(jws: Any) -> None:
    for name in ("Ed25519", *MLDSA):
        if name not in jws.get_algorithms():  # a later PyJWT may know it
            jws.register_algorithm(name, _algorithm(name))


def _algorithm(name: str) -> Any:
    from jwt import InvalidKeyError
    from jwt.algorithms import Algorithm

    from farsign.errors import FarsignError
    from farsign.jwk import Key

    class FarsignAlgorithm(Algorithm):
        """One key type, one name. Keys are ``cryptography``'s objects or a public key's PEM; a private PEM stays out of it."""

        def prepare_key(self, key: Any) -> Any:
            public = key.public_key() if hasattr(key, "private_bytes") else key
            try:
                made = (
                    Key.from_pem(public, alg=name) if isinstance(public, (str, bytes)) else Key.from_public_key(public, alg=name)
                )
            except FarsignError as error:
                raise InvalidKeyError(f"{name}: {error}") from None
            return key if key is not public else made.public_key()

        def sign(self, msg: bytes, key: Any) -> bytes:
            signature: bytes = key.sign(msg)
            return signature

        def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
            from cryptography.exceptions import InvalidSignature

            public = key.public_key() if hasattr(key, "private_bytes") else key
            try:
                public.verify(sig, msg)
            except (InvalidSignature, ValueError):  # ValueError: a signature of another length
                return False
            return True

        @staticmethod
        def to_jwk(key_obj: Any, as_dict: bool = False) -> Any:
            import json

            public = key_obj.public_key() if hasattr(key_obj, "private_bytes") else key_obj
            members = Key.from_public_key(public, alg=name).jwk()
            return members if as_dict else json.dumps(members)

        @staticmethod
        def from_jwk(jwk: Any) -> Any:
            return Key.parse(jwk, alg=name).public_key()

    return FarsignAlgorithm()
