"""HMAC with shared secrets (RFC 7518 3.2), and the wall between secrets and public keys.

A verifier that takes the text of a public key for a secret lets everybody sign (CVE-2022-29217, CVE-2024-33663, CVE-2024-37568,
CVE-2026-48526). Here a secret is bytes, says its algorithm, is as long as the hash at least, and is refused if it is the text or
the DER of a key or a certificate.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from farsign._base import strict_json
from farsign._base.algorithms import JOSE, Algorithm
from farsign.errors import AlgorithmRequired, InvalidKey

MAC_ALGORITHMS: Final = tuple(row.name for row in JOSE.values() if row.kind == "HMAC")
MAX_SECRET: Final = 4096  # bytes; longer ones are documents, not secrets
_KEY_TEXT: Final = re.compile(rb"\s*(-----BEGIN |---- BEGIN |ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-)")
_DER_LOADERS: Final[tuple[Callable[[bytes], Any], ...]] = (
    serialization.load_der_public_key,
    x509.load_der_x509_certificate,
    lambda der: serialization.load_der_private_key(der, password=None),
)


def mac_algorithm(alg: object) -> Algorithm:
    """HS256, HS384 or HS512. A secret does not say for itself which."""
    if isinstance(alg, str) and alg in MAC_ALGORITHMS:
        return JOSE[alg]
    raise AlgorithmRequired("a shared secret is for one of " + " ".join(MAC_ALGORITHMS), next_step="say which: alg='HS256'")


def check_secret(secret: object, algorithm: Algorithm) -> bytes:
    """The secret. Raises InvalidKey if it is too short for the algorithm, or no secret but a key that others may know."""
    if not isinstance(secret, bytes):
        raise InvalidKey(
            f"a shared secret is bytes, not {type(secret).__name__}", next_step="decode it: text has no one meaning as a secret"
        )
    if not (algorithm.size or 0) <= len(secret) <= MAX_SECRET:
        raise InvalidKey(f"a secret for {algorithm.name} has {algorithm.size} to {MAX_SECRET} bytes, this one {len(secret)}",
                         next_step=f"make one with secrets.token_bytes({algorithm.size})")  # fmt: skip
    if _is_key_text(secret) or _is_jwk_text(secret) or _is_der(secret):
        raise InvalidKey(
            "a key or a certificate is no shared secret", next_step="Key.from_pem, Key.from_der and Key.parse read keys"
        )
    return bytes(secret)


def _is_key_text(secret: bytes) -> bool:
    return _KEY_TEXT.match(secret) is not None


def _is_jwk_text(secret: bytes) -> bool:
    if not secret.lstrip().startswith((b"{", b"[")):
        return False
    try:
        return isinstance(strict_json.loads(secret), (dict, list))
    except ValueError:
        return b'"kty"' in secret or b'"keys"' in secret


def _is_der(secret: bytes) -> bool:
    der = _outermost(secret.lstrip())
    for load in _DER_LOADERS if der[:1] == b"\x30" else ():
        try:
            load(der)
        except UnsupportedAlgorithm:
            return True  # DER of a key, of a kind that is not built in
        except (ValueError, TypeError):
            continue  # not this structure (TypeError: an encrypted private key is asked for its password)
        return True
    return False


def _outermost(der: bytes) -> bytes:
    """Without what follows the first structure, such as the newline at a file's end (X.690 8.1.3)."""
    octets = der[1] & 0x7F if len(der) > 1 and der[1] & 0x80 else 0
    length = int.from_bytes(der[2 : 2 + octets], "big") if octets else int.from_bytes(der[1:2], "big")
    return der[: 2 + octets + length]


def mac_signer(secret: bytes, algorithm: Algorithm) -> Callable[[bytes], bytes]:
    name = algorithm.hash.lower()
    return lambda data: hmac.digest(secret, data, name)


def mac_checker(secret: bytes, algorithm: Algorithm) -> Callable[[bytes, bytes], None]:
    name = algorithm.hash.lower()

    def check(signature: bytes, data: bytes) -> None:
        if not hmac.compare_digest(signature, hmac.digest(secret, data, name)):
            raise InvalidSignature

    return check
