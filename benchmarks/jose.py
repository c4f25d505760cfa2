"""Verifying and signing tokens beside the bare ``cryptography`` call and other libraries, in one run: ``python -m benchmarks.jose``.

Ratios of medians; every candidate takes its turn in short rounds. Goals, with the standard library alone: RS256 at most 1.48 times the
bare verification and 0.45 times PyJWT's, ES256 at most 1.18 times the bare one.
"""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import jwt as pyjwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

import farsign
import farsign_local
from farsign import jwk, jwt
from farsign._base import encodings, strict_json
from farsign._base.primitives import checker

from ._timing import medians, table

CLAIMS = {
    "sub": "1234567890",
    "aud": "api",
    "iss": "https://issuer.example",
    "scope": "read write",
    "exp": int(time.time()) + 3600,
}
KEYS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "ML-DSA-65": lambda: importlib.import_module("cryptography.hazmat.primitives.asymmetric.mldsa").MLDSA65PrivateKey.generate(),
}


def _others(name: str, token: str, public: Any, members: dict[str, str]) -> dict[str, Callable[[], object]]:
    """The same verification by the libraries that are installed and know the algorithm."""
    found: dict[str, Callable[[], object]] = {}
    classic = not name.startswith("ML-DSA")
    if classic:
        found["PyJWT"] = lambda: pyjwt.decode(token, public, algorithms=[name], audience="api")
    if classic and find_spec("joserfc"):
        from joserfc import jwt as joserfc_jwt
        from joserfc.jwk import import_key

        key = import_key(dict(members))
        found["joserfc"] = lambda: joserfc_jwt.decode(token, key, algorithms=[name])
    if find_spec("jwcrypto"):
        from jwcrypto import jwk as their_jwk
        from jwcrypto import jwt as their_jwt

        their_key = their_jwk.JWK(**members)
        found["jwcrypto"] = lambda: their_jwt.JWT(jwt=token, key=their_key, algs=[name])
    return found


def verifying() -> None:
    rows: list[tuple[object, ...]] = []
    for name, make in KEYS.items():
        private = make()
        signer = farsign.Signer(farsign_local.opener(private), alg=name)
        token, members = jwt.encode(CLAIMS, signer), signer.key().jwk()
        key = jwk.Key.from_public_key(private.public_key(), alg=name, kid=members["kid"])
        head, _, tail = token.rpartition(".")
        check, data, signature = checker(private.public_key(), name), head.encode(), encodings.b64url_decode(tail)
        took = medians(
            {
                "bare": lambda check=check, data=data, signature=signature: check(signature, data),
                "farsign": lambda token=token, key=key: jwt.decode(token, key, audience="api"),
                **_others(name, token, private.public_key(), members),
            }
        )
        beside = [f"{took['farsign'] / took[other]:.2f}" if other in took else "-" for other in ("PyJWT", "joserfc", "jwcrypto")]
        rows.append((name, took["bare"] * 1e6, took["farsign"] * 1e6, took["farsign"] / took["bare"], *beside))
    heads = ("algorithm", "bare us", "decode us", "/bare", "/PyJWT", "/joserfc", "/jwcrypto")
    table(f"jwt.decode, reading with {_readers()}", heads, rows)


def _readers() -> str:
    json_reader = "msgspec" if strict_json.msgspec is not None else "json"
    return f"{json_reader} and {'pybase64' if encodings._simd is not None else 'binascii'}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # joserfc advises against the name EdDSA
    verifying()
