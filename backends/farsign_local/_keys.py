"""Private keys of this process that sign by algorithm name, and making new ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from farsign._base.algorithms import Algorithm, lookup
from farsign._base.key_checks import check_public_key
from farsign._base.primitives import CURVES, HASHES, algorithms_of, pss, spki
from farsign.driver import Form, KeyDescription, SignReply, SignRequest
from farsign.errors import AlgorithmNotSupported, ConfigurationError, InvalidKey, KeyMisuse

PrivateKey = Any  # cryptography's private key classes; ML-DSA's may be absent, so no closed union can be written

RSA_BITS: Final = (2048, 3072, 4096)


class LocalKey:
    """A private key. ``only``: the one algorithm that it may be used with, where its file says so. Raises InvalidKey."""

    def __init__(self, private: PrivateKey, *, only: str | None = None) -> None:
        able = algorithms_of(private) if hasattr(private, "public_key") else ()
        if not able:
            raise InvalidKey(f"no signature algorithm for this kind of key ({_kind(private)})", next_step=_KINDS)
        check_public_key(private.public_key())  # no verifier of ours would accept what it signs
        names = able if only is None else tuple(name for name in able if name == (lookup(only).primitive or only))
        if not names:
            raise InvalidKey(f'"alg" says {only}, which this kind of key ({_kind(private)}) cannot sign', next_step=_KINDS)
        self._private = private
        self.public_key: bytes = spki(private.public_key())
        self.inputs: Mapping[str, Mapping[Form, int | None]] = {name: _forms(lookup(name), private) for name in names}

    def sign(self, request: SignRequest) -> bytes:
        """ECDSA as DER. Raises KeyMisuse for what this key does not sign."""
        if request.form not in self.inputs.get(request.algorithm, ()):
            raise KeyMisuse(f"this key does not sign a {request.form} with {request.algorithm}")
        algorithm = lookup(request.algorithm)
        try:
            return _SIGN[algorithm.kind](self._private, algorithm, request)
        except ValueError:
            raise KeyMisuse(f"{algorithm.name} takes no {request.form} of {len(request.data)} bytes") from None


@dataclass(frozen=True, slots=True)
class Version:
    """A key with its name, and the time since when its URI means it (seconds since the epoch)."""

    name: str
    key: LocalKey
    created: float

    def describe(self, *, pinned: bool) -> KeyDescription:
        return KeyDescription(self.name, self.key.public_key, self.key.inputs, pinned, created=self.created, protection="process")

    def sign(self, request: SignRequest) -> SignReply:
        return SignReply(self.key.sign(request), self.name)


def generate(alg: str, bits: int = RSA_BITS[0]) -> PrivateKey:
    """A new private key for that algorithm; ``bits`` is an RSA key's size. Raises AlgorithmNotSupported, ConfigurationError."""
    algorithm = lookup(alg)
    if algorithm.kty == "RSA":
        if bits not in RSA_BITS:
            raise ConfigurationError(f"an RSA key of {bits} bits is not made here", next_step=f"choose from {RSA_BITS}")
        return rsa.generate_private_key(65537, bits)
    if algorithm.kty == "EC":
        return ec.generate_private_key(CURVES[algorithm.curve]())
    if algorithm.kty == "OKP":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm.kty == "AKP":
        return mldsa_class(alg).generate()
    raise AlgorithmNotSupported(f"no private key signs {alg}", next_step=_KINDS)


def mldsa_class(alg: str) -> Any:
    """cryptography's private key class for ML-DSA-44, -65 or -87. Raises AlgorithmNotSupported where it has none that works."""
    try:
        found = getattr(mldsa, f"{alg.replace('-', '')}PrivateKey")
        found.from_seed_bytes(bytes(32))  # cryptography 47 has the class, and no implementation
    except (AttributeError, UnsupportedAlgorithm):
        raise AlgorithmNotSupported(f"this cryptography has no {alg}", next_step="pip install -U cryptography") from None
    return found


_KINDS: Final = "use RSA, EC (P-256, P-384, P-521, secp256k1), Ed25519 or, with cryptography 48 or newer, ML-DSA"


def _kind(private: PrivateKey) -> str:
    return type(private).__name__ if not isinstance(private, ec.EllipticCurvePrivateKey) else f"EC {private.curve.name}"


def _forms(algorithm: Algorithm, private: PrivateKey) -> Mapping[Form, int | None]:
    if algorithm.digests:
        return {"digest": HASHES[algorithm.hash].digest_size, "message": None}
    if algorithm.kind == "ML-DSA" and hasattr(private, "sign_mu"):  # cryptography 49 and newer
        return {"message": None, "mu": 64}
    return {"message": None}


def _hash(algorithm: Algorithm, request: SignRequest) -> hashes.HashAlgorithm | Prehashed:
    chosen = HASHES[algorithm.hash]
    return Prehashed(chosen) if request.form == "digest" else chosen


def _pkcs1(private: PrivateKey, algorithm: Algorithm, request: SignRequest) -> bytes:
    signature: bytes = private.sign(request.data, padding.PKCS1v15(), _hash(algorithm, request))
    return signature


def _pss(private: PrivateKey, algorithm: Algorithm, request: SignRequest) -> bytes:
    signature: bytes = private.sign(request.data, pss(algorithm), _hash(algorithm, request))
    return signature


def _ecdsa(private: PrivateKey, algorithm: Algorithm, request: SignRequest) -> bytes:
    signature: bytes = private.sign(request.data, ec.ECDSA(_hash(algorithm, request)))
    return signature


def _whole(private: PrivateKey, algorithm: Algorithm, request: SignRequest) -> bytes:
    sign = private.sign if request.form == "message" else private.sign_mu
    signature: bytes = sign(request.data)
    return signature


_SIGN: Final[Mapping[str, Callable[[PrivateKey, Algorithm, SignRequest], bytes]]] = {
    "RSA-PKCS1": _pkcs1,
    "RSA-PSS": _pss,
    "ECDSA": _ecdsa,
    "Ed25519": _whole,
    "ML-DSA": _whole,
}
