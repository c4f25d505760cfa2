"""The same tokens given to farsign and to other verifiers, half of them with a good signature under something odd."""

from __future__ import annotations

import hmac
import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fuzzseeds import PRIVATE, SECRET, seeds
from mutations import HEADER_NAMES, VALUES, Mutator

from farsign import errors, jwk, jws, jwt
from farsign._base.encodings import b64url_encode, der_to_raw

NOW = 1_800_000_000
CLAIM_NAMES = ("exp", "nbf", "iat", "iss", "sub", "aud", "jti", "x")
CLAIM_VALUES: tuple[Any, ...] = (NOW + 60, NOW - 60, NOW + 0.5, str(NOW + 60), "api", ["api"], ["api", 1], -1, 2**53 + 2, *VALUES)
KEYS = {
    alg: next(seed.jwk for seed in seeds() if seed.jwk.get("alg") == alg) for alg in ("ES256", "HS256")
}  # our own, which can sign


class Case(NamedTuple):
    """token: text. jwk: the key, whose alg the caller allows. claims: whether it is to be read as a JWT."""

    token: str
    jwk: dict[str, Any]
    claims: bool


def cases(seed: int, count: int) -> Iterator[Case]:
    mutator = Mutator(seed)
    r = mutator.random
    known = [
        one for one in seeds() if one.jwk.get("alg", "ML-DSA")[:2] not in ("ML", "ES") or one.jwk["alg"] in ("ES256", "ES384")
    ]
    for number in range(count):
        if number % 2:
            yield _signed(r, number)
        else:
            one, other = r.choice(known), r.choice(known)
            changed = mutator.token(one.token.encode(), other.token.encode())
            yield Case(changed.decode("latin-1"), one.jwk, claims=False)


def _signed(r: random.Random, number: int) -> Case:
    alg = r.choice(tuple(KEYS))
    header: dict[str, Any] = {"alg": alg, "kid": KEYS[alg]["kid"]}
    claims: dict[str, Any] = {"exp": NOW + 60, "aud": "api"}
    for _ in range(r.choice((1, 1, 2))):
        name = r.choice(HEADER_NAMES if number % 4 == 1 else CLAIM_NAMES)
        target = header if number % 4 == 1 else claims
        target[name] = r.choice(CLAIM_VALUES)
    return Case(sign(spelled(r, header), spelled(r, claims), alg), KEYS[alg], claims=number % 8 != 5)


def spelled(r: random.Random, value: dict[str, Any]) -> bytes:
    """JSON of it: plain, with a member twice, in another encoding, with spaces or with something behind."""
    text = json.dumps(value)
    twice = text[:-1] + "," + text[1:]
    return r.choice((*[text.encode()] * 8, twice.encode(), text.encode("utf-16"), b"\xef\xbb\xbf" + text.encode(), f" {text}\n".encode(), f"{text} x".encode()))  # fmt: skip


def sign(header: bytes, payload: bytes, alg: str) -> str:
    signing_input = f"{b64url_encode(header)}.{b64url_encode(payload)}"
    if alg == "HS256":
        signature = hmac.digest(SECRET, signing_input.encode(), "sha256")
    else:
        signature = der_to_raw(PRIVATE[alg].sign(signing_input.encode(), ec.ECDSA(hashes.SHA256())), "P-256")
    return f"{signing_input}.{b64url_encode(signature)}"


def ours(case: Case) -> bool:
    try:
        key = jwk.Key.parse(case.jwk, alg=case.jwk.get("alg", "RS256") if case.jwk["kty"] == "RSA" else None)
        if case.claims:
            jwt.decode(case.token, key, audience="api", now=NOW)
        else:
            jws.verify(case.token, key)
    except errors.InvalidToken:
        return False
    return True


def joserfc(case: Case) -> bool:
    from joserfc import jws as their_jws
    from joserfc import jwt as their_jwt
    from joserfc.jwk import import_key

    key, alg = import_key(dict(case.jwk)), case.jwk.get("alg", "RS256")
    try:
        if case.claims:
            token = their_jwt.decode(case.token, key, algorithms=[alg])
            their_jwt.JWTClaimsRegistry(now=NOW, leeway=0, aud={"essential": True, "value": "api"}).validate(token.claims)
        else:
            their_jws.deserialize_compact(case.token, key, algorithms=[alg])
    except Exception:
        return False
    return True


NODE = """
import { compactVerify, jwtVerify, importJWK } from 'jose'
import { readFileSync } from 'node:fs'
const { cases, now } = JSON.parse(readFileSync(0, 'utf8'))
const answers = []
for (const [token, jwk, claims] of cases) {
  try {
    const alg = jwk.alg ?? 'RS256'
    const key = await importJWK(jwk, alg)
    const options = { algorithms: [alg] }
    if (claims) await jwtVerify(token, key, { ...options, audience: 'api', currentDate: new Date(now * 1000) })
    else await compactVerify(token, key, options)
    answers.push(true)
  } catch {
    answers.push(false)
  }
}
console.log(JSON.stringify(answers))
"""
