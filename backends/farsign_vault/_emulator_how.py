"""How a request wants to be signed: hash, padding, encoding, and the server's own defaults for what it does not say."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from farsign._base.encodings import b64url_decode, b64url_encode, der_to_raw, raw_to_der
from farsign.testing.emulator import Version

from ._emulator_errors import internal, invalid

HASHES: Final = MappingProxyType(
    {
        "sha1": ("SHA1", 20),
        **{f"sha2-{bits}": (f"SHA{bits}", bits // 8) for bits in (224, 256, 384, 512)},
        **{f"sha3-{bits}": (f"SHA3-{bits}", bits // 8) for bits in (224, 256, 384, 512)},
    }
)
DEFAULT_HASH: Final = "sha2-256"  # for every key, a P-521 one too
CURVES: Final = MappingProxyType({"P-256": ("SHA256", 32), "P-384": ("SHA384", 48), "P-521": ("SHA512", 64)})


@dataclass(slots=True)
class How:
    """What a request says about hash, padding and encoding, with the server's defaults for the rest."""

    hash: str
    version: int
    prehashed: bool
    scheme: str  # of RSA
    jws: bool
    salt: int | str

    @classmethod
    def read(cls, body: Mapping[str, Any], url_hash: str) -> How:
        hash_name = url_hash or str(body.get("hash_algorithm") or body.get("algorithm") or DEFAULT_HASH)
        if hash_name not in HASHES and hash_name != "none":
            raise invalid(f'invalid hash algorithm "{hash_name}"')
        marshaling = str(body.get("marshaling_algorithm") or "asn1")
        if marshaling not in ("asn1", "jws"):
            raise invalid(f'invalid marshaling type "{marshaling}"')
        return cls(
            hash_name,
            number(body, "key_version"),
            body.get("prehashed") in (True, "true", 1, "1"),
            str(body.get("signature_algorithm") or ""),
            marshaling == "jws",
            _salt(body.get("salt_length", "auto")),
        )

    def pss(self, version: Version) -> bool:
        return version.kind.startswith("RSA") and self.scheme != "pkcs1v15"

    def check_rsa(self, version: Version, data: bytes) -> None:
        if self.scheme not in ("", "pss", "pkcs1v15"):
            raise internal(f"unsupported rsa signature algorithm {self.scheme}")
        if self.hash == "none":
            raise internal("unsupported hash algorithm")  # as the emulator has it: PKCS#1 v1.5 without DigestInfo is not for JOSE
        length = HASHES[self.hash][1]
        if self.prehashed and len(data) != length:
            raise internal("crypto/rsa: input must be hashed message")
        most = (version.private.key_size + 6) // 8 - 2 - length
        if self.pss(version) and isinstance(self.salt, int) and self.salt > most:
            raise internal(f"requested salt length {self.salt} is invalid")

    def parameters(self, version: Version) -> dict[str, Any]:
        """Of ``KeyStore.sign``."""
        if version.kind == "Ed25519":  # what is said of hashes is ignored, without a word
            return {}
        name = HASHES[self.hash][0]
        salt = self.salt if self.pss(version) else None
        return {"hash": name, "prehashed": self.prehashed, "salt": salt}

    def input(self, version: Version, data: bytes) -> tuple[bytes, dict[str, Any]]:
        """What ``KeyStore.sign`` takes. A digest of any length is taken for an ECDSA key: its leftmost bits are signed, as many as the
        order of the curve has (FIPS 186-5, 6.4.1; here 512 of P-521's)."""
        options = self.parameters(version)
        if not (self.prehashed and version.kind in CURVES) or len(data) == HASHES[self.hash][1]:
            return data, options
        name, size = CURVES[version.kind]
        return data[:size].rjust(size, b"\0"), {**options, "hash": name}

    def encoded(self, version: Version, signature: bytes) -> str:
        if not self.jws:
            return base64.b64encode(signature).decode()
        if version.kind in CURVES:
            signature = _raw(signature, version.kind)
        return b64url_encode(signature)

    def decoded(self, version: Version, text: str) -> bytes:
        if not self.jws:
            return base64.b64decode(text, validate=True)
        raw = b64url_decode(text)
        return raw_to_der(raw, version.kind) if version.kind in CURVES else raw


def _raw(der: bytes, curve: str) -> bytes:
    """r||s; what a lie has made of the signature is cut or continued likewise."""
    try:
        return der_to_raw(der, curve)
    except ValueError:
        return der


def _salt(given: Any) -> int | str:
    text = str(given).lower()
    if text in ("auto", "0"):
        return "max"
    if text in ("hash", "-1"):
        return "digest"
    try:
        number = int(text)
    except ValueError:
        raise invalid(f"salt length neither 'auto', 'hash', nor an int: {given}") from None
    if number < -1:
        raise invalid(f"salt length is invalid: {number}")
    return number


def number(body: Mapping[str, Any], name: str) -> int:
    """A member that is a whole number; 0 if it is absent."""
    given = body.get(name) or 0
    try:
        return int(given)
    except (TypeError, ValueError):
        raise invalid(f'Field validation failed: error converting input {given} for field "{name}"') from None


def decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("unable to decode input as base64: illegal base64 data at input byte 0") from None
