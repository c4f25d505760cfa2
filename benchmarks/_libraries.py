"""The other JOSE libraries, each used as its documentation shows, with keys prepared outside of what is timed and exp and aud checked.

A maker gives (decode, encode) for an algorithm, or None where the library cannot do it.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from importlib import metadata, util
from typing import Any, Final, NamedTuple

Call = Callable[[], object]


class Subject(NamedTuple):
    """private, public: cryptography's objects, or the secret. private_jwk, public_jwk: their members."""

    algorithm: str
    private: Any
    public: Any
    private_jwk: dict[str, Any]
    public_jwk: dict[str, Any]
    token: str
    claims: dict[str, Any]


def _pyjwt(subject: Subject) -> tuple[Call, Call] | None:
    import jwt

    name = subject.algorithm
    if name not in jwt.algorithms.get_default_algorithms():
        return None
    return (
        lambda: jwt.decode(subject.token, subject.public, algorithms=[name], audience="api"),
        lambda: jwt.encode(subject.claims, subject.private, algorithm=name),
    )


def _joserfc(subject: Subject) -> tuple[Call, Call] | None:
    from joserfc import jws, jwt
    from joserfc.jwk import import_key

    name = subject.algorithm
    if name not in jws.JWSRegistry.algorithms:
        return None
    public, private = import_key(subject.public_jwk), import_key(subject.private_jwk)
    registry = jwt.JWTClaimsRegistry(aud={"essential": True, "value": "api"})
    return (
        lambda: registry.validate(jwt.decode(subject.token, public, algorithms=[name]).claims),
        lambda: jwt.encode({"alg": name}, subject.claims, private, algorithms=[name]),
    )


def _authlib(subject: Subject) -> tuple[Call, Call] | None:
    from authlib.deprecate import AuthlibDeprecationWarning

    warnings.simplefilter("ignore", AuthlibDeprecationWarning)  # it points to joserfc, on every import
    from authlib.jose import JsonWebKey, JsonWebSignature, JsonWebToken

    name = subject.algorithm
    if name not in JsonWebSignature.ALGORITHMS_REGISTRY:
        return None
    public, private = JsonWebKey.import_key(subject.public_jwk), JsonWebKey.import_key(subject.private_jwk)
    jwt, expected = JsonWebToken([name]), {"aud": {"essential": True, "value": "api"}}
    return (
        lambda: jwt.decode(subject.token, public, claims_options=expected).validate(),
        lambda: jwt.encode({"alg": name}, subject.claims, private),
    )


def _jwcrypto(subject: Subject) -> tuple[Call, Call] | None:
    from jwcrypto import jwa, jwk, jwt

    name = subject.algorithm
    if name not in jwa.JWA.algorithms_registry:
        return None
    public, private = jwk.JWK(**subject.public_jwk), jwk.JWK(**subject.private_jwk)

    def encode() -> str:
        token = jwt.JWT(header={"alg": name}, claims=json.dumps(subject.claims), algs=[name])
        token.make_signed_token(private)
        text: str = token.serialize()
        return text

    return lambda: jwt.JWT(jwt=subject.token, key=public, algs=[name], check_claims={"aud": "api", "exp": None}), encode


_LIBRARIES: Final[Mapping[str, tuple[str, Callable[[Subject], tuple[Call, Call] | None]]]] = {
    "PyJWT": ("jwt", _pyjwt),
    "joserfc": ("joserfc", _joserfc),
    "Authlib": ("authlib", _authlib),
    "jwcrypto": ("jwcrypto", _jwcrypto),
}
NAMES: Final = tuple(_LIBRARIES)


def calls(subject: Subject) -> dict[str, tuple[Call, Call] | str]:
    """Per library (decode, encode), or why there is none."""
    found: dict[str, tuple[Call, Call] | str] = {}
    for name, (module, make) in _LIBRARIES.items():
        if util.find_spec(module) is None:
            found[name] = "not installed"
        else:
            found[name] = make(subject) or "cannot"
    return found


def versions() -> str:
    return ", ".join(f"{name} {_version(name)}" for name in ("cryptography", *NAMES))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
