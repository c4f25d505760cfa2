"""Tokens beside the bare ``cryptography`` call and other libraries, in one run: ``python -m benchmarks.jose [--stdlib]``.

Ratios of medians; every candidate takes its turn in short rounds. Bare: one ``verify`` or ``sign`` with everything prepared, without base64, JSON
or claims, and for ECDSA with the DER that cryptography wants. Everybody checks exp and aud, with keys prepared beforehand. farsign encodes
twice: as it is by default, verifying what it has signed, and with Policy(verify=False), as the others do.

Goals, with msgspec and pybase64: RS256 at most 1.28 times the bare verification (1.20 where Python is an optimised build), ES256 1.12 (1.06), EdDSA 1.08 (1.04);
with the standard library alone (``--stdlib``) 1.40, 1.13 and 1.09.
"""

from __future__ import annotations

import importlib
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, Final

if "--stdlib" in sys.argv:
    sys.modules.update(msgspec=None, pybase64=None)  # type: ignore[arg-type]  # which makes importing them fail

from cryptography.hazmat.primitives import constant_time, hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

import farsign
import farsign_local
from farsign import jwk, jwt
from farsign._base import encodings, strict_json

from ._libraries import NAMES, Call, Subject, calls, versions
from ._timing import medians, table

CLAIMS: Final[dict[str, Any]] = {
    "sub": "1234567890",
    "aud": "api",
    "iss": "https://issuer.example",
    "scope": "read write",
    "exp": int(time.time()) + 3600,
}
KEYS: Final[dict[str, Callable[[], Any]]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "ML-DSA-65": lambda: importlib.import_module("cryptography.hazmat.primitives.asymmetric.mldsa").MLDSA65PrivateKey.generate(),
}
ARGUMENTS: Final[dict[str, tuple[Any, ...]]] = {  # of sign, and of verify behind signature and data
    "RS256": (padding.PKCS1v15(), hashes.SHA256()),
    "PS256": (padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
    "ES256": (ec.ECDSA(hashes.SHA256()),),
    "ES384": (ec.ECDSA(hashes.SHA384()),),
    "EdDSA": (),
    "ML-DSA-65": (),
}
SECRET: Final = bytes(range(1, 33))


def asymmetric(name: str) -> tuple[Subject, dict[str, Call], dict[str, Call]]:
    """What is measured, and farsign's and the bare calls for decoding and for encoding."""
    private = KEYS[name]()
    public, arguments = private.public_key(), ARGUMENTS[name]
    signer = farsign.Signer(farsign_local.opener(private), alg=name)
    quick = farsign.Signer(farsign_local.opener(private), alg=name, policy=farsign.Policy(verify=False))
    members = signer.key().jwk()
    key, token = jwk.Key.parse(members), jwt.encode(CLAIMS, signer)
    data = token.rpartition(".")[0].encode()
    bare = private.sign(data, *arguments)
    subject = Subject(name, private, public, members | _private_members(private), members, token, CLAIMS)
    decode = {"bare": lambda: public.verify(bare, data, *arguments), "farsign": lambda: jwt.decode(token, key, audience="api")}
    encode = {
        "bare": lambda: private.sign(data, *arguments),
        "farsign": lambda: jwt.encode(CLAIMS, signer),
        "quick": lambda: jwt.encode(CLAIMS, quick),
    }
    return subject, decode, encode


def shared_secret(name: str) -> tuple[Subject, dict[str, Call], dict[str, Call]]:
    members = {"kty": "oct", "k": encodings.b64url_encode(SECRET), "alg": name}
    key = jwk.Key.parse(members)
    token = jwt.encode(CLAIMS, key)
    data = token.rpartition(".")[0].encode()

    def mac() -> bytes:
        state = hmac.HMAC(SECRET, hashes.SHA256())
        state.update(data)
        return state.finalize()

    tag = mac()
    decode = {"bare": lambda: constant_time.bytes_eq(tag, mac()), "farsign": lambda: jwt.decode(token, key, audience="api")}
    encode = {"bare": mac, "farsign": lambda: jwt.encode(CLAIMS, key), "quick": lambda: jwt.encode(CLAIMS, key)}
    return Subject(name, SECRET, SECRET, members, members, token, CLAIMS), decode, encode


def _private_members(private: Any) -> dict[str, str]:
    encode = encodings.b64url_encode
    if isinstance(private, rsa.RSAPrivateKey):
        numbers = private.private_numbers()
        values = {"d": numbers.d, "p": numbers.p, "q": numbers.q, "dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
        return {name: encode(value.to_bytes((value.bit_length() + 7) // 8, "big")) for name, value in values.items()}
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return {"d": encode(private.private_numbers().private_value.to_bytes((private.key_size + 7) // 8, "big"))}
    return {"d" if isinstance(private, ed25519.Ed25519PrivateKey) else "priv": encode(private.private_bytes_raw())}


def measure(own: dict[str, Call], others: dict[str, Call | str]) -> tuple[dict[str, float], list[str]]:
    """Seconds of our candidates, and farsign's time divided by each library's, or why there is none."""
    running = {name: call for name, call in others.items() if not isinstance(call, str)}
    took = medians({**own, **running})
    ours = took.get("quick", took["farsign"])
    return took, [f"{ours / took[name]:.2f}" if name in running else str(others[name]) for name in NAMES]


def main() -> None:
    verifying: list[tuple[object, ...]] = []
    signing: list[tuple[object, ...]] = []
    for name in (*KEYS, "HS256"):
        subject, decode, encode = shared_secret(name) if name == "HS256" else asymmetric(name)
        pairs = calls(subject)
        took, beside = measure(decode, {other: pair if isinstance(pair, str) else pair[0] for other, pair in pairs.items()})
        floor = f"{took['bare'] / took['PyJWT']:.2f}" if "PyJWT" in took else "-"
        verifying.append((name, took["bare"] * 1e6, took["farsign"] * 1e6, took["farsign"] / took["bare"], *beside, floor))
        took, beside = measure(encode, {other: pair if isinstance(pair, str) else pair[1] for other, pair in pairs.items()})
        signing.append(
            (name, took["bare"] * 1e6, took["farsign"] * 1e6, took["quick"] * 1e6, took["quick"] / took["bare"], *beside)
        )
    against = tuple(f"/{name}" for name in NAMES)
    print(f"{versions()}; reading with {_readers()}")
    table("Decode", ("algorithm", "bare us", "farsign us", "/bare", *against, "bare/PyJWT"), verifying)
    table("Encode", ("algorithm", "bare us", "farsign us", "not verified", "/bare", *against), signing)


def _readers() -> str:
    json_reader = "msgspec" if strict_json.msgspec is not None else "json"
    return f"{json_reader} and {'pybase64' if encodings._simd is not None else 'binascii'}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # joserfc advises against the name EdDSA, Authlib points to joserfc
    main()
