"""Local cryptography with public keys: digests, ML-DSA's mu, and checking a signature, by algorithm name.

Signatures here are in JOSE encoding (r||s for ECDSA). PSS means MGF1 with the same hash and a salt of the digest's length
(RFC 7518 3.5); ML-DSA means the empty context (RFC 9964 4).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from farsign.errors import AlgorithmNotSupported, InvalidKey

from . import algorithms
from .algorithms import Algorithm, Form
from .encodings import raw_to_der

try:
    from cryptography.hazmat.primitives.asymmetric import mldsa
except ImportError:  # cryptography 46 and older
    mldsa = None  # type: ignore[assignment]  # absent module, checked before every use

PublicKey = Any  # cryptography's public key classes; ML-DSA's may be absent, so no closed union can be written

HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "SHA224": hashes.SHA224(),
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}
CURVES: Final[dict[str, type[ec.EllipticCurve]]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
    "secp256k1": ec.SECP256K1,
}
JWK_CURVE: Final[dict[str, str]] = {str(cls.name): name for name, cls in CURVES.items()}
MLDSA_NAMES: Final = ("ML-DSA-44", "ML-DSA-65", "ML-DSA-87")


def digest(algorithm: Algorithm, message: bytes) -> bytes:
    return hashlib.new(algorithm.hash.lower(), message).digest()


def raw_bytes(public_key: Any) -> bytes:
    """The encoding of an Ed25519 (RFC 8032) or ML-DSA (FIPS 204) public key."""
    raw: bytes = public_key.public_bytes_raw()
    return raw


def mu(public_key: PublicKey, message: bytes) -> bytes:
    """ML-DSA's 64-byte message representative for the empty context (FIPS 204, algorithm 7, line 6)."""
    tr = hashlib.shake_256(raw_bytes(public_key)).digest(64)
    return hashlib.shake_256(tr + b"\x00\x00" + message).digest(64)


def load_spki(der: bytes) -> PublicKey:
    """The native public key. Raises InvalidKey."""
    try:
        return serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidKey(f"not a usable SubjectPublicKeyInfo: {type(error).__name__}") from None


def spki(public_key: PublicKey) -> bytes:
    """SubjectPublicKeyInfo DER, re-encoded: equal keys give equal bytes."""
    encoded: bytes = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded


def mldsa_class(name: str, part: str) -> type[Any] | None:
    """cryptography's class, e.g. ("ML-DSA-65", "PublicKey"); None where this cryptography has none."""
    return getattr(mldsa, f"{name.replace('-', '')}{part}", None) if mldsa else None


def mldsa_name(key: object) -> str | None:
    """ML-DSA-44, -65 or -87 of a public or private key object, else None."""
    for name in MLDSA_NAMES:
        if any(cls and isinstance(key, cls) for cls in (mldsa_class(name, "PublicKey"), mldsa_class(name, "PrivateKey"))):
            return name
    return None


def algorithms_of(key: PublicKey) -> tuple[str, ...]:
    """The primitives that a public or private key of this kind can be used with, JOSE's first. Empty: none that we know."""
    if isinstance(key, (rsa.RSAPublicKey, rsa.RSAPrivateKey)):
        return ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
    if isinstance(key, (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)):
        curve = JWK_CURVE.get(key.curve.name)
        if curve is None:
            return ()
        names = [algorithms.ecdsa(curve, hash_name).name for hash_name in ("SHA256", "SHA384", "SHA512")]
        return tuple(sorted(names, key=lambda name: name not in algorithms.JOSE))
    if isinstance(key, (ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey)):
        return ("Ed25519",)
    name = mldsa_name(key)
    return (name,) if name else ()


Check = Callable[[bytes, bytes], None]  # (signature in JOSE encoding, data); raises InvalidSignature


def checker(public_key: PublicKey, name: str, form: Form = "message") -> Check:
    """A function that checks signatures over data of that form, with everything that can be prepared prepared.

    Raises AlgorithmNotSupported if the key cannot be used so. The function raises cryptography's InvalidSignature and nothing else.
    """
    algorithm = algorithms.lookup(name)
    if algorithm.kind == "HMAC" or (algorithm.primitive or name) not in algorithms_of(public_key):
        raise AlgorithmNotSupported(f"{name} does not fit this kind of key")
    return _CHECKERS[algorithm.kind](public_key, algorithm, form)


def _hash(algorithm: Algorithm, form: Form) -> hashes.HashAlgorithm | Prehashed:
    chosen = HASHES[algorithm.hash]
    return Prehashed(chosen) if form == "digest" else chosen


def pss(algorithm: Algorithm) -> padding.PSS:
    chosen = HASHES[algorithm.hash]
    return padding.PSS(mgf=padding.MGF1(chosen), salt_length=chosen.digest_size)


def _rsa(key: rsa.RSAPublicKey, algorithm: Algorithm, form: Form) -> Check:
    pad = pss(algorithm) if algorithm.kind == "RSA-PSS" else padding.PKCS1v15()
    hash_, verify, size = _hash(algorithm, form), key.verify, (key.key_size + 7) // 8

    def check(signature: bytes, data: bytes) -> None:
        if len(signature) != size:  # RFC 8017 8.1.2, step 1: OpenSSL takes a PSS signature whose leading zeros were cut off
            raise InvalidSignature
        try:
            verify(signature, data, pad, hash_)
        except ValueError:
            raise InvalidSignature from None  # a digest of the wrong length

    return check


def _ecdsa(key: ec.EllipticCurvePublicKey, algorithm: Algorithm, form: Form) -> Check:
    scheme, verify, curve = ec.ECDSA(_hash(algorithm, form)), key.verify, algorithm.curve

    def check(signature: bytes, data: bytes) -> None:
        try:
            der = raw_to_der(signature, curve)
        except ValueError:
            raise InvalidSignature from None
        verify(der, data, scheme)

    return check


def _ed25519(key: ed25519.Ed25519PublicKey, algorithm: Algorithm, form: Form) -> Check:
    return key.verify


def _mldsa(key: PublicKey, algorithm: Algorithm, form: Form) -> Check:
    verify = key.verify if form == "message" else getattr(key, "verify_mu", None)
    if verify is None:
        raise AlgorithmNotSupported("external mu needs cryptography 49 or newer", next_step="pip install -U cryptography")

    def check(signature: bytes, data: bytes) -> None:
        try:
            verify(signature, data)
        except ValueError:
            raise InvalidSignature from None

    return check


_CHECKERS: Final[dict[str, Callable[[Any, Algorithm, Form], Check]]] = {
    "RSA-PKCS1": _rsa,
    "RSA-PSS": _rsa,
    "ECDSA": _ecdsa,
    "Ed25519": _ed25519,
    "ML-DSA": _mldsa,
}


@lru_cache(maxsize=512)
def checker_for_spki(der: bytes, name: str, form: Form) -> Check:
    return checker(load_spki(der), name, form)
