"""``Key``: what one key verifies with, its algorithm frozen when it was made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from farsign._base import strict_json
from farsign._base.algorithms import JOSE, default_name, primitive
from farsign._base.jwk_parse import check_kid, parse_jwk
from farsign._base.key_checks import check_public_key
from farsign._base.primitives import Check, algorithms_of, checker
from farsign._base.public_jwk import public_jwk, thumbprint
from farsign.errors import AlgorithmRequired, InvalidKey

from .key_source import KeySource
from .mac import check_secret, mac_algorithm, mac_checker, mac_signer
from .token_errors import UnknownKey

if TYPE_CHECKING:
    from farsign._signer.signing_key import SigningKey

MAX_KEY_TEXT: Final = 65_536  # bytes of one JWK, PEM or certificate
_PEM_LABEL: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_TO_PUBLIC: Final = "give the public key: `openssl pkey -in FILE -pubout`"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Key(KeySource):
    """Verifies signatures of one algorithm. Immutable; made by ``parse`` and the ``from_...`` functions.

    algorithm: its JWS name. accepts: that, and both names of Ed25519 for a key made without alg (RULES 27).
    kid: text, or None. A token that names another kid is not for this key.

    All that make one raise InvalidKey, and AlgorithmRequired if the key fits several algorithms (RSA, secrets) and ``alg`` is missing.
    """

    algorithm: str
    accepts: frozenset[str]
    kid: str | None
    check: Check  # raises InvalidSignature
    native: Any = None  # cryptography's public key; None for a shared secret
    mac: Callable[[bytes], bytes] | None = None  # makes a MAC, where the key is a secret that may sign

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", {})  # KeySource's, which a frozen class cannot set otherwise

    @classmethod
    def parse(cls, jwk: str | bytes | Mapping[str, Any], *, alg: str | None = None, kid: str | None = None) -> Key:
        """Of a JWK (RFC 7517): a mapping, or JSON text, in which a member given twice is seen and refused.

        alg: for an RSA or oct JWK that does not say its own; contradicting what it says is an error. kid: likewise.
        """
        parsed = parse_jwk(json_object(jwk, "JWK", MAX_KEY_TEXT))
        for name, ours, theirs in (("alg", alg, parsed.alg), ("kid", kid, parsed.kid)):
            if ours is not None and theirs is not None and ours != theirs:
                raise InvalidKey(f"the JWK has another {name} than the one asked for")
        alg, kid = parsed.alg or alg, parsed.kid if parsed.kid is not None else kid
        if parsed.secret is None:
            return _public(parsed.public_key, alg, kid)
        return _secret(parsed.secret, alg, kid, may_sign=parsed.operations is None or "sign" in parsed.operations)

    @classmethod
    def from_pem(cls, pem: str | bytes, *, alg: str | None = None, kid: str | None = None) -> Key:
        """Of one PEM block: a public key or a certificate."""
        data = _octets(pem, "PEM")
        labels = _PEM_LABEL.findall(data)
        if len(labels) != 1:
            raise InvalidKey(
                f"a PEM with one block was expected, this one has {len(labels)}", next_step="give one public key or certificate"
            )
        if b"PRIVATE" in labels[0]:
            raise InvalidKey("a private key does not belong where signatures are verified", next_step=_TO_PUBLIC)
        load = x509.load_pem_x509_certificate if labels[0] == b"CERTIFICATE" else serialization.load_pem_public_key
        return cls.from_public_key(_loaded(data, load), alg=alg, kid=kid)

    @classmethod
    def from_der(cls, der: bytes, *, alg: str | None = None, kid: str | None = None) -> Key:
        """Of DER: a SubjectPublicKeyInfo or a certificate."""
        data = _octets(der, "DER")
        return cls.from_public_key(
            _loaded(data, serialization.load_der_public_key, x509.load_der_x509_certificate), alg=alg, kid=kid
        )

    @classmethod
    def from_certificate(
        cls, certificate: x509.Certificate | str | bytes, *, alg: str | None = None, kid: str | None = None
    ) -> Key:
        """Of an X.509 certificate: object, PEM or DER. Only its key is read; whether to trust it is the caller's business."""
        if not isinstance(certificate, x509.Certificate):
            data = _octets(certificate, "certificate")
            certificate = _loaded(
                data, x509.load_pem_x509_certificate if b"-----BEGIN" in data else x509.load_der_x509_certificate
            )
        return cls.from_public_key(certificate, alg=alg, kid=kid)

    @classmethod
    def from_public_key(cls, public_key: Any, *, alg: str | None = None, kid: str | None = None) -> Key:
        """Of a ``cryptography`` public key (or certificate) object."""
        native = _key_of(public_key) if isinstance(public_key, x509.Certificate) else public_key
        if hasattr(native, "private_bytes"):
            raise InvalidKey("a private key does not belong where signatures are verified", next_step="give key.public_key()")
        if not algorithms_of(native):
            raise InvalidKey(
                f"{type(native).__name__} is no public key of a supported kind", next_step="use RSA, EC, Ed25519 or ML-DSA"
            )
        check_public_key(native)
        return _public(native, alg, kid)

    @classmethod
    def from_secret(cls, secret: bytes, *, alg: str, kid: str | None = None) -> Key:
        """Of a shared secret for HS256, HS384 or HS512: bytes, at least as long as the hash (RFC 7518 3.2). It signs, too."""
        return _secret(secret, alg, kid, may_sign=True)

    @classmethod
    def of(cls, signing_key: SigningKey) -> Key:
        """What verifies the signatures of a SigningKey."""
        return cls.from_public_key(signing_key.public_key(), alg=signing_key.algorithm, kid=signing_key.kid)

    @property
    def thumbprint(self) -> str:
        """RFC 7638, SHA-256, unpadded base64url. Raises InvalidKey for a shared secret."""
        return thumbprint(self._jwk())

    def public_key(self) -> Any:
        """The ``cryptography`` public key. Raises InvalidKey for a shared secret."""
        if self.native is None:
            raise InvalidKey("a shared secret has no public key", next_step="use an asymmetric key where others verify")
        return self.native

    def jwk(self) -> dict[str, str]:
        """The public JWK with kid (its own, else the thumbprint), alg and use. Raises InvalidKey for a shared secret."""
        members = self._jwk()
        return {**members, "kid": self.kid or thumbprint(members), "alg": self.algorithm, "use": "sig"}

    def _jwk(self) -> dict[str, str]:
        return public_jwk(self.public_key())

    def find(self, header: Mapping[str, Any]) -> Key:
        kid = header.get("kid")
        if kid is None or self.kid is None or kid == self.kid:
            return self
        raise UnknownKey("the token names another key (kid)", kid=kid)

    def __repr__(self) -> str:
        return f"<Key {self.algorithm} kid={self.kid}>"


def _public(native: Any, alg: str | None, kid: str | None) -> Key:
    names = [name for name in algorithms_of(native) if name in JOSE]
    if alg is None and len(names) != 1:
        raise AlgorithmRequired(f"this key fits {' '.join(names)}", next_step="say which your issuer uses: alg='RS256'")
    algorithm = default_name(names[0]) if alg is None else alg
    if not isinstance(algorithm, str) or algorithm not in JOSE or primitive(algorithm) not in names:
        raise InvalidKey(
            f"alg does not fit this key, which fits {' '.join(names)}", next_step="give one of these, or another key"
        )
    accepts = frozenset(("EdDSA", "Ed25519") if alg is None and algorithm == "EdDSA" else (algorithm,))
    return Key(algorithm, accepts, None if kid is None else check_kid(kid), checker(native, algorithm), native=native)


def _secret(secret: bytes, alg: str | None, kid: str | None, *, may_sign: bool) -> Key:
    algorithm = mac_algorithm(alg)
    secret = check_secret(secret, algorithm)
    check, mac = mac_checker(secret, algorithm), mac_signer(secret, algorithm) if may_sign else None
    return Key(algorithm.name, frozenset((algorithm.name,)), None if kid is None else check_kid(kid), check, mac=mac)


def json_object(document: str | bytes | Mapping[str, Any], what: str, most: int) -> Mapping[str, Any]:
    """The object in a document that is JSON text or parsed already. Raises InvalidKey."""
    if isinstance(document, Mapping):
        return document
    try:
        return strict_json.loads_object(_octets(document, what, most))
    except ValueError as error:
        reason = str(error)  # our own text
    raise InvalidKey(f"the {what} is no strict JSON object: {reason}")


def _octets(text: object, what: str, most: int = MAX_KEY_TEXT) -> bytes:
    if not isinstance(text, (str, bytes)):
        raise InvalidKey(f"a {what} is text or bytes, not {type(text).__name__}")
    if len(text) > most:
        raise InvalidKey(f"a {what} of more than {most} bytes")
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")


def _loaded(data: bytes, *loaders: Callable[[bytes], Any]) -> Any:
    for load in loaders:
        try:
            return load(data)
        except UnsupportedAlgorithm:
            raise InvalidKey(
                "a key of a kind or on a curve that is not supported", next_step="use RSA, EC, Ed25519 or ML-DSA"
            ) from None
        except ValueError:
            continue
    raise InvalidKey("neither a public key nor a certificate", next_step=f"of a private key {_TO_PUBLIC}")


def _key_of(certificate: x509.Certificate) -> Any:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidKey("the certificate's key is of a kind or on a curve that is not supported") from None
