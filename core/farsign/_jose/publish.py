"""The JWKS document to serve (RFC 7517 5, RULES 28)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from farsign._signer.signing_key import SigningKey
from farsign.errors import ConfigurationError

from .key import Key
from .key_set import KeySet

# Go's keyfunc, jwx and go-jose refuse a whole set for one key of a kind that they do not know.
_EVERYWHERE: Final = frozenset("RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519".split())  # noqa: SIM905 - reads better so
_ALL: Final = "give ML-DSA and secp256k1 keys a set of their own for verifiers that know them: include='all'"


def document(keys: Iterable[Key | SigningKey], *, include: str | None = None, signing: str | None = None) -> dict[str, Any]:
    """A JWKS, as a dict for json.dumps: RSA, P-256, P-384, P-521 and Ed25519 keys, in the order given.

    include: "all" takes ML-DSA and secp256k1 keys in, for which some verifiers refuse the set. signing: the kid of the key that signs, which must not be left out.
    Raises ConfigurationError if it would be, if nothing is left, or for a shared secret, which is never published; KeyIDConflict if two keys share a kid.
    """
    if include not in (None, "all"):
        raise ConfigurationError("include= is 'all' or is left out", next_step=_ALL)
    jwks = [key.jwk() for key in KeySet(keys)]
    published = [jwk for jwk in jwks if include == "all" or jwk["alg"] in _EVERYWHERE]
    if signing is not None and not any(jwk["kid"] == signing for jwk in published):
        raise ConfigurationError("the key that signs would not be published", next_step=_ALL)
    if not published:
        raise ConfigurationError("none of the keys would be published", next_step=_ALL)
    return {"keys": published}
