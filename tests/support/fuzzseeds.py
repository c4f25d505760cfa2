"""Good tokens and key sets, from which the fuzzers start: one of each algorithm, and the published vectors where they can be had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import published
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa

import farsign_local
from farsign import Signer, errors, jwk, jws, jwt
from farsign._base.encodings import b64url_encode

SECRET = bytes(range(64))


class Seed(NamedTuple):
    """A token that verifies with the key, and the JWK of that."""

    token: str
    key: jwk.Key
    jwk: dict[str, Any]


# Private keys that are the same in each run, so that a finding can be repeated. An RSA key cannot be derived; it is made anew.
PRIVATE: dict[str, Any] = {
    "ES256": ec.derive_private_key(0xFA256, ec.SECP256R1()),
    "ES384": ec.derive_private_key(0xFA384, ec.SECP384R1()),
    "ES512": ec.derive_private_key(0xFA512, ec.SECP521R1()),
    "ES256K": ec.derive_private_key(0xFA25B, ec.SECP256K1()),
    "EdDSA": ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)),
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.from_seed_bytes(bytes(32)),
}
CLAIMS = {"sub": "42", "iss": "https://issuer.example", "jti": "é", "scope": ["read", {"deep": [1, 2.5, None, True]}]}


@cache
def seeds() -> tuple[Seed, ...]:
    return (*_own(), *_published())


def _own() -> Iterator[Seed]:
    made = rsa.generate_private_key(65537, 2048)
    for name, private in {**PRIVATE, "RS256": made, "PS256": made}.items():
        signer = Signer(farsign_local.opener(private), alg=name)
        key, members = jwk.Key.of(signer.key()), signer.key().jwk()
        yield Seed(jwt.encode(CLAIMS, signer), key, members)
        yield Seed(jws.sign(b"\x00 any bytes \xff", signer, headers={"x": [1, {"y": "é"}]}), key, members)
    for name in ("HS256", "HS384", "HS512"):
        secret = {"kty": "oct", "k": b64url_encode(SECRET), "alg": name, "kid": name}
        key = jwk.Key.parse(secret)
        yield Seed(jwt.encode(CLAIMS, key), key, secret)


def _published() -> Iterator[Seed]:
    """Wycheproof's tokens that verify."""
    try:
        listed = list(published.rows("json_web_signature"))
    except pytest.skip.Exception:
        return
    for group, test in listed:
        members = group.get("public", group["private"])
        try:
            key = jwk.Key.parse(members, alg=None if "alg" in members or members["kty"] == "EC" else "RS256")
            jws.verify(test["jws"], key)
        except errors.FarsignError:
            continue
        yield Seed(test["jws"], key, members)


@cache
def key_sets() -> tuple[bytes, ...]:
    """JWKS documents, good ones and Wycheproof's bad ones."""
    public = [seed.jwk for seed in seeds() if seed.jwk["kty"] != "oct"]
    unique = list({members["kid"]: members for members in public if "kid" in members}.values())
    documents = [{"keys": unique}, {"keys": unique[:2]}, *({"keys": [members]} for members in unique)]
    documents.append({"keys": [seed.jwk for seed in seeds() if seed.jwk["kty"] == "oct"][:3]})
    with suppress(pytest.skip.Exception):
        documents += [group.get("public", group["private"]) for group, _ in published.rows("json_web_key")]
    return tuple(json.dumps(document).encode() for document in documents)
