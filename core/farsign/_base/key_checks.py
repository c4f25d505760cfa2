"""What a public key has to be before it may verify anything: sizes, exponents, and no key that lets anybody sign.

NIST SP 800-131A (RSA 2048), RFC 8725 3.4 (invalid points), CVE-2017-15361 (ROCA), RFC 7748 6.1 and RFC 8032 5.1.7 (small order).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from farsign.errors import InvalidKey

_RSA_BITS: Final = range(2048, 8192 + 1)


class WeakKeyWarning(UserWarning):
    """A key that is accepted, and that should be replaced."""


def check_public_key(key: Any) -> None:
    """Raises InvalidKey for a ``cryptography`` public key that must not be trusted. EC points were checked when it was loaded."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        check_rsa(numbers.n, numbers.e)
    elif isinstance(key, ed25519.Ed25519PublicKey):
        check_ed25519(key.public_bytes_raw())


def check_rsa(n: int, e: int) -> None:
    """RULES 30: the modulus has 2048 to 8192 bits and does not show the ROCA pattern; the exponent is odd, 3 <= e < 2^32."""
    if n.bit_length() not in _RSA_BITS:
        raise InvalidKey(f"an RSA key of {n.bit_length()} bits", next_step="use one of 2048 to 8192 bits")
    if not n & 1:
        raise InvalidKey("an RSA modulus is odd")
    if not e & 1 or not 3 <= e < 1 << 32:
        raise InvalidKey("an RSA exponent is odd, at least 3 and below 2^32", next_step="use a key whose exponent is 65537")
    if _roca(n):
        raise InvalidKey("this RSA key was made by the generator of CVE-2017-15361 (ROCA): its private key can be computed from it",
                         next_step="make a new key elsewhere")  # fmt: skip
    if e == 3:
        warnings.warn("an RSA key with exponent 3 verifies; 65537 is what keys should have", WeakKeyWarning, stacklevel=4)


_ROCA_PRIMES: Final = tuple(p for p in range(3, 168) if all(p % q for q in range(2, int(p**0.5) + 1)))


@cache
def _roca_residues() -> tuple[tuple[int, frozenset[int]], ...]:
    """Per small prime, the powers of 65537: a modulus of the faulty generator is one of them modulo each prime."""
    return tuple((p, frozenset(_powers(65537 % p, p))) for p in _ROCA_PRIMES)


def _powers(base: int, modulus: int) -> Iterator[int]:
    value = base
    yield value
    while (value := value * base % modulus) != base:
        yield value


def _roca(n: int) -> bool:
    return all(n % p in residues for p, residues in _roca_residues())


_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
# y of the points whose order divides 8, canonical: anybody can sign for a key that is one of them
_SMALL_ORDER: Final = frozenset(
    (
        0,
        1,
        _P - 1,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    )
)


def check_ed25519(raw: bytes) -> None:
    """A point of the curve, in its one encoding, and not of small order."""
    encoded = int.from_bytes(raw, "little")
    y = encoded & ((1 << 255) - 1)
    if y in _SMALL_ORDER:
        raise InvalidKey("an Ed25519 key of small order: anybody can sign for it")
    if y >= _P or not _on_curve(y):
        raise InvalidKey("not the encoding of an Ed25519 point")


def _on_curve(y: int) -> bool:
    """Whether x^2 = u/v, with u = y^2 - 1 and v = d y^2 + 1, has a root (RFC 8032 5.1.3): it has if u v is a square, u/v being u v / v^2.

    x = 0 only for y = 1 and -1, which are small.
    """
    square = y * y % _P
    return _jacobi((square - 1) * (_D * square + 1) % _P, _P) == 1


def _jacobi(a: int, n: int) -> int:
    """The Jacobi symbol (a/n) of an odd n: for a prime, 1 if a is a square. A fifth of the time of Euler's criterion."""
    sign = 1
    while a:
        twos = (a & -a).bit_length() - 1
        a >>= twos
        if (twos & 1 and n & 7 in (3, 5)) != (a & 3 == n & 3 == 3):
            sign = -sign
        a, n = n % a, a
    return sign if n == 1 else 0
