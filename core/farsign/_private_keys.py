"""``cryptography`` private keys whose ``sign`` is remote: what ``SigningKey.as_private_key()`` returns.

The contract is pyca's (cryptography.io, "Cloud KMS and HSM asymmetric keys"): ECDSA signatures are DER, parameter names are theirs.
What a key cannot do raises before any call, saying what it can. No error derives from ValueError, TypeError or AttributeError:
asyncssh and josepy take those for "wrong key, try the next" and hide the reason.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed

from ._base import algorithms
from ._base.encodings import raw_to_der
from ._base.primitives import JWK_CURVE, MLDSA_NAMES, mldsa_class, mldsa_name
from ._signer.signing_key import SigningKey
from .errors import AlgorithmNotSupported, KeyNotExportable

if TYPE_CHECKING:
    from cryptography.utils import Buffer

PSSMaxLength = Literal["refuse", "digest"]


class UnsupportedByRemoteKey(AlgorithmNotSupported, UnsupportedAlgorithm):
    """A padding, hash or operation that this key does not have. Also cryptography's UnsupportedAlgorithm."""

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        UnsupportedAlgorithm.__init__(self, message)
        AlgorithmNotSupported.__init__(self, message, next_step=next_step)


class _Remote:
    """What all kinds share. Two are equal if they are one version of one key; a copy is the key itself."""

    _key: SigningKey

    def __init__(self, key: SigningKey, pss_max_length: PSSMaxLength = "refuse") -> None:
        self._key, self._pss_max_length = key, pss_max_length

    def public_key(self) -> Any:
        """Native and cached: verifying with it needs no network."""
        return self._key.public_key()

    def signing_key(self) -> SigningKey:
        """The SigningKey behind this object."""
        return self._key

    def _remote(self, algorithm: str, data: Buffer, *, hashed: bool = False) -> bytes:
        signer = self._key._signer
        return signer.run(self._key.plan(algorithm, self._octets(data), hashed=hashed), signer.operation(None))

    def _octets(self, data: Buffer) -> bytes:
        try:
            return bytes(memoryview(data))
        except TypeError:  # bytes(7) would be seven zeros
            raise self._no(f"sign {type(data).__name__}: data is bytes, or another buffer") from None

    def _checked(self, digest: Buffer, hash_name: str) -> None:
        """Raises unless it is as long as digests of that hash are."""
        expected, given = int(hash_name.removeprefix("SHA")) // 8, len(self._octets(digest))
        if given != expected:
            raise self._no(f"sign a digest of {given} bytes: {hash_name} has {expected}")

    def _require(self, wanted: algorithms.Algorithm) -> None:
        """Raises unless the key signs this, saying which hash is right for it."""
        if wanted.name not in self._key.primitives:
            able = map(algorithms.lookup, self._key.primitives)
            right = " or ".join(f"hashes.{row.hash}()" for row in able if row.kind == wanted.kind)
            raise self._no(f"sign {wanted.name}", right=right)

    def _no(self, what: str, *, right: str = "") -> UnsupportedByRemoteKey:
        able = f"it signs {' '.join(self._key.primitives)}"
        return UnsupportedByRemoteKey(f"{self._key.name} cannot {what}", next_step=f"{able}; use {right}" if right else able)

    def _not_exportable(self) -> KeyNotExportable:
        return KeyNotExportable(f"{self._key.name}: the private key never leaves the provider")

    def private_bytes(self, encoding: Any = None, format: Any = None, encryption_algorithm: Any = None) -> NoReturn:
        raise self._not_exportable()

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Remote) and self._key.same_version(other._key)

    def __hash__(self) -> int:
        return hash(self._key.thumbprint)

    def __reduce__(self) -> tuple[Any, ...]:
        return private_key, (self._key, self._pss_max_length)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._key.name} kid={self._key.kid}>"


class _Numbered(_Remote):
    """RSA and EC keys have a size, and natively numbers; the other kinds, natively, raw bytes."""

    @property
    def key_size(self) -> int:
        size: int = self._key.public_key().key_size
        return size

    def private_numbers(self) -> NoReturn:
        raise self._not_exportable()


class _Raw(_Remote):
    def private_bytes_raw(self) -> NoReturn:
        raise self._not_exportable()


def _hash_name(algorithm: object) -> tuple[str, bool]:
    """The hash's name in the algorithm table, "" if it has none, and whether the data is a digest already."""
    hashed = isinstance(algorithm, Prehashed)
    chosen = algorithm._algorithm if isinstance(algorithm, Prehashed) else algorithm  # no public accessor; pyca's own example
    return (chosen.name.upper() if isinstance(chosen, hashes.HashAlgorithm) else ""), hashed


class RemoteRSAPrivateKey(_Numbered, rsa.RSAPrivateKey):
    def sign(
        self, data: Buffer, padding: padding.AsymmetricPadding, algorithm: Prehashed | hashes.HashAlgorithm | NoDigestInfo
    ) -> bytes:
        """Remote. PSS takes a salt of the digest's length and MGF1 with the same hash (RFC 7518 3.5), nothing else."""
        hash_name, hashed = _hash_name(algorithm)
        family = self._family(padding, hash_name)
        name = f"{family}{hash_name.removeprefix('SHA')}"
        if not hash_name or name not in algorithms.JOSE:
            raise self._no(f"sign with {hash_name or type(algorithm).__name__}")
        self._require(algorithms.lookup(name))
        if hashed:
            self._checked(data, hash_name)
        return self._remote(name, data, hashed=hashed)

    def _family(self, pad: padding.AsymmetricPadding, hash_name: str) -> str:
        if isinstance(pad, padding.PKCS1v15):
            return "RS"
        if not isinstance(pad, padding.PSS):
            raise self._no(f"sign with {getattr(pad, 'name', type(pad).__name__)}")
        mgf_hash = getattr(pad._mgf, "_algorithm", None)
        if mgf_hash is None or mgf_hash.name.upper() != hash_name:
            raise self._no("sign PSS with an MGF1 hash other than the message's")
        if not self._salt_fits(pad, mgf_hash):
            raise self._no(f"sign PSS with any salt but one of {mgf_hash.digest_size} bytes (padding.PSS.DIGEST_LENGTH)")
        return "PS"

    def _salt_fits(self, pad: padding.PSS, chosen: hashes.HashAlgorithm) -> bool:
        salt = pad._salt_length
        if isinstance(salt, int):
            return salt == chosen.digest_size
        if isinstance(salt, type(padding.PSS.DIGEST_LENGTH)):  # by type: the sentinels get deep-copied
            return True
        if isinstance(salt, type(padding.PSS.MAX_LENGTH)):
            longest = padding.calculate_max_pss_salt_length(self.public_key(), chosen)
            return self._pss_max_length == "digest" or longest == chosen.digest_size
        return False

    def decrypt(self, ciphertext: bytes, padding: padding.AsymmetricPadding) -> NoReturn:
        raise self._no("decrypt")


class RemoteEllipticCurvePrivateKey(_Numbered, ec.EllipticCurvePrivateKey):
    @property
    def curve(self) -> ec.EllipticCurve:
        curve: ec.EllipticCurve = self.public_key().curve
        return curve

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Remote; the signature is DER (RFC 3279 2.2.3)."""
        if not isinstance(signature_algorithm, ec.ECDSA):
            raise self._no(f"sign with {type(signature_algorithm).__name__}")
        if getattr(signature_algorithm, "deterministic_signing", False):
            raise self._no("sign deterministically (RFC 6979): providers draw their own nonces")
        hash_name, hashed = _hash_name(signature_algorithm.algorithm)
        if hash_name not in ("SHA224", "SHA256", "SHA384", "SHA512"):
            raise self._no(f"sign with {hash_name or 'this hash'}")
        algorithm = algorithms.ecdsa(JWK_CURVE[self.curve.name], hash_name)
        self._require(algorithm)
        if hashed:
            self._checked(data, hash_name)
        return raw_to_der(self._remote(algorithm.name, data, hashed=hashed), algorithm.curve)

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        raise self._no("exchange keys")


class RemoteEd25519PrivateKey(_Raw, ed25519.Ed25519PrivateKey):
    def sign(self, data: Buffer) -> bytes:
        """Remote; pure Ed25519, so the provider gets the message itself."""
        return self._remote("Ed25519", data)


class _RemoteMLDSA(_Raw):
    def sign(self, data: Buffer, context: Buffer | None = None) -> bytes:
        """Remote; the empty context only (RFC 9964 4)."""
        if context:
            raise self._no("sign with a context")
        return self._remote(str(mldsa_name(self.public_key())), data)

    def sign_mu(self, mu: Buffer) -> bytes:
        """Remote, over the 64-byte message representative."""
        if len(self._octets(mu)) != 64:
            raise self._no("sign a mu that is not 64 bytes")
        return self._remote(str(mldsa_name(self.public_key())), mu, hashed=True)


def _complete(cls: type) -> type:
    """cryptography adds abstract methods now and then; what we do not know must raise when called, not when the key is made."""
    abc.update_abstractmethods(cls)
    for name in getattr(cls, "__abstractmethods__", ()):
        setattr(cls, name, _stub(name))
    return abc.update_abstractmethods(cls)


def _stub(name: str) -> Any:
    def missing(self: _Remote, *_: object, **__: object) -> NoReturn:
        raise self._no(f"do {name}")

    missing.__name__ = name
    return missing


def _mldsa(name: str) -> type | None:
    base = mldsa_class(name, "PrivateKey")
    return _complete(type(f"Remote{base.__name__}", (_RemoteMLDSA, base), {})) if base else None


_CLASSES: Final[dict[str, type]] = {
    "RSA": _complete(RemoteRSAPrivateKey),
    "EC": _complete(RemoteEllipticCurvePrivateKey),
    "OKP": _complete(RemoteEd25519PrivateKey),
    **{name: made for name in MLDSA_NAMES if (made := _mldsa(name))},
}


def private_key(key: SigningKey, pss_max_length: PSSMaxLength = "refuse") -> Any:
    """The private-key object of one SigningKey."""
    jwk = key.public_members()
    cls = _complete(_CLASSES[jwk["alg"] if jwk["kty"] == "AKP" else jwk["kty"]])
    return cls(key, pss_max_length)
