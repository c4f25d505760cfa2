"""Private keys of every kind, and signing with them by parameters as providers name them: hash, salt, prehashed, external mu.

ECDSA signatures are DER here; an emulator whose wire wants r||s converts.
"""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from farsign._base.algorithms import lookup
from farsign._base.primitives import CURVES, HASHES, MLDSA_NAMES, PublicKey

try:
    from cryptography.hazmat.primitives.asymmetric import mldsa
except ImportError:  # cryptography 46 and older
    mldsa = None  # type: ignore[assignment]  # absent module, checked before every use

PrivateKey = Any  # cryptography's private key classes; ML-DSA's may be absent, so no closed union can be written
LeadingZero = Literal["", "r", "s", "any"]

# What providers offer beyond JOSE's hashes.
EXTRA_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "SHA1": hashes.SHA1(),  # noqa: S303  # transit offers it; an emulator has to
    "SHA3-224": hashes.SHA3_224(),
    "SHA3-256": hashes.SHA3_256(),
    "SHA3-384": hashes.SHA3_384(),
    "SHA3-512": hashes.SHA3_512(),
}


def hash_named(name: str) -> hashes.HashAlgorithm:
    """SHA224 SHA256 SHA384 SHA512, SHA1, SHA3-224 ... SHA3-512. Raises KeyError."""
    return HASHES.get(name) or EXTRA_HASHES[name]


class RSAPool:
    """RSA keys cost 50 ms to 2 s to make. A store takes different ones and gives them back when it is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[int, list[PrivateKey]] = defaultdict(list)

    def take(self, bits: int) -> PrivateKey:
        with self._lock:
            if self._idle[bits]:
                return self._idle[bits].pop()
        return rsa.generate_private_key(public_exponent=65537, key_size=bits)

    def give_back(self, keys: Iterable[PrivateKey]) -> None:
        with self._lock:
            for key in keys:
                self._idle[key.key_size].append(key)


RSA_POOL: Final = RSAPool()


def kind_of(algorithm: str, bits: int = 2048) -> str:
    """The kind of key that signs a JOSE algorithm: ``RSA-2048``, ``P-256``, ``secp256k1``, ``Ed25519``, ``ML-DSA-44``, ..."""
    row = lookup(algorithm)
    if row.kty == "RSA":
        return f"RSA-{bits}"
    return row.curve or row.primitive or row.name


def generate(kind: str) -> PrivateKey:
    """A new private key of that kind. Raises ValueError for a kind that there is not, or not with this ``cryptography``."""
    if kind.startswith("RSA-"):
        return RSA_POOL.take(int(kind[4:]))
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind]())
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind in MLDSA_NAMES and mldsa:
        try:
            return getattr(mldsa, f"{kind.replace('-', '')}PrivateKey").generate()
        except UnsupportedAlgorithm:
            raise ValueError(f"this cryptography makes no keys of kind {kind}") from None
    if kind == "secret":
        return secrets.token_bytes(32)  # of a key that cannot sign: it exists to be refused
    raise ValueError(f"no keys of kind {kind!r} here")


def pem_of_new_key(algorithm: str) -> bytes:
    """PKCS#8, unencrypted."""
    key = generate(kind_of(algorithm))
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def sign(
    key: PrivateKey,
    data: bytes,
    *,
    hash: str = "",
    prehashed: bool = False,
    salt: int | Literal["digest", "max"] | None = None,
    mu: bool = False,
    leading_zero: LeadingZero = "",
) -> bytes:
    """Sign ``data``: the message, or its digest if ``prehashed``, or ML-DSA's 64-byte mu.

    hash: as in ``hash_named``, "" for Ed25519 and ML-DSA. salt: None is PKCS#1 v1.5, anything else PSS with MGF1 of the same
    hash. leading_zero: repeat an ECDSA signature until that number, written in full length, begins with a zero byte.
    Raises ValueError if a digest has not the length of its hash.
    """
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, _padding(hash, salt), _hash(hash, prehashed))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        scheme = ec.ECDSA(_hash(hash, prehashed))
        return _until_leading_zero(lambda: key.sign(data, scheme), key, leading_zero)
    signature: bytes = key.sign_mu(data) if mu else key.sign(data)
    return signature


def verify(
    key: PublicKey,
    signature: bytes,
    data: bytes,
    *,
    hash: str = "",
    prehashed: bool = False,
    salt: int | Literal["digest", "max", "auto"] | None = None,
    mu: bool = False,
) -> None:
    """The counterpart of ``sign``, by its parameters; salt "auto" accepts any. Raises cryptography's InvalidSignature."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, _padding(hash, salt), _hash(hash, prehashed))
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(_hash(hash, prehashed)))
        elif mu:
            key.verify_mu(signature, data)
        else:
            key.verify(signature, data)
    except ValueError:
        raise InvalidSignature from None  # a signature of a length that cannot be


def parameters(algorithm: str, form: str) -> dict[str, Any]:
    """The keyword arguments of ``sign`` for a JOSE algorithm and a form of input: digest, message, mu."""
    row = lookup(algorithm)
    return {
        "hash": row.hash,
        "prehashed": form == "digest",
        "salt": "digest" if row.kind == "RSA-PSS" else None,
        "mu": form == "mu",
    }


def _hash(name: str, prehashed: bool) -> hashes.HashAlgorithm | Prehashed:
    return Prehashed(hash_named(name)) if prehashed else hash_named(name)


def _padding(hash_name: str, salt: int | str | None) -> padding.PSS | padding.PKCS1v15:
    if salt is None:
        return padding.PKCS1v15()
    hash_ = hash_named(hash_name)
    words: dict[str, Any] = {"digest": padding.PSS.DIGEST_LENGTH, "max": padding.PSS.MAX_LENGTH, "auto": padding.PSS.AUTO}
    return padding.PSS(mgf=padding.MGF1(hash_), salt_length=words[salt] if isinstance(salt, str) else salt)


def _until_leading_zero(once: Callable[[], bytes], key: ec.EllipticCurvePrivateKey, wanted: LeadingZero) -> bytes:
    signature = once()
    if wanted:
        top = 8 * ((key.key_size - 1) // 8)  # below 2**top, the first byte is zero
        while not _has_leading_zero(signature, wanted, top):
            signature = once()
    return signature


def _has_leading_zero(signature: bytes, wanted: LeadingZero, top: int) -> bool:
    r, s = decode_dss_signature(signature)
    return (wanted in ("r", "any") and r >> top == 0) or (wanted in ("s", "any") and s >> top == 0)
