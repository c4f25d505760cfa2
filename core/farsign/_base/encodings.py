"""Strict base64url (RFC 7515 2, RFC 4648 5) and ECDSA signatures: DER (RFC 3279 2.2.3) to and from r||s (RFC 7518 3.4).

Strict means: one text for one value. What another decoder would forgive is refused here, because forgiven variants are how one
token gets two spellings, and revocation lists miss the second.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from .algorithms import COORDINATE

try:
    from pybase64 import b64decode as _simd
except ImportError:
    _simd = None  # type: ignore[assignment]  # absent module, checked below

_ORDER: Final = MappingProxyType(
    {
        "P-256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        "P-384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        "P-521": 0x01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409,
        "secp256k1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
    }
)
# The order and zero as fixed-length bytes: comparing them is comparing the numbers.
_RANGE: Final = MappingProxyType(
    {curve: (size, bytes(size), _ORDER[curve].to_bytes(size, "big")) for curve, size in COORDINATE.items()}
)

_TABLE: Final = bytes.maketrans(b"-_+/=", b"+/!!!")  # the standard alphabet's own three become characters of no alphabet
_PAD: Final = (b"", b"", b"==", b"=")  # by length mod 4
# By length mod 4: the last characters whose unused bits are zero. A remainder of 1 is never valid.
_LAST: Final = (bytes(range(256)), b"", b"AQgw", b"AEIMQUYcgkosw048")
_REFUSED: Final = "not canonical base64url"


def b64url_encode(data: bytes) -> str:
    """Unpadded base64url text."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode_stdlib(raw: bytes) -> bytes:
    rest = len(raw) & 3
    if raw and raw[-1] not in _LAST[rest]:
        raise ValueError(_REFUSED)
    return binascii.a2b_base64(raw.translate(_TABLE) + _PAD[rest], strict_mode=True)


def _decode_simd(raw: bytes) -> bytes:
    rest = len(raw) & 3
    if raw and raw[-1] not in _LAST[rest]:
        raise ValueError(_REFUSED)
    return _simd(raw.translate(_TABLE) + _PAD[rest], None, True)  # pyright: ignore[reportOptionalCall]  # chosen below only if present


#: Bytes of canonical, unpadded base64url bytes. Raises ValueError for anything else: padding, spaces, +/, stray bits.
b64url_decode_bytes: Callable[[bytes], bytes] = _decode_stdlib if _simd is None else _decode_simd


def b64url_decode(text: str | bytes) -> bytes:
    """As b64url_decode_bytes, of text too."""
    return b64url_decode_bytes(text.encode("ascii") if isinstance(text, str) else text)


def der_to_raw(signature: bytes, curve: str) -> bytes:
    """r||s, fixed length, of a DER ECDSA signature. Raises ValueError if it is not DER or r, s are not in 1..n-1."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    r, s = decode_dss_signature(signature)
    order, size = _ORDER[curve], COORDINATE[curve]
    if not (0 < r < order and 0 < s < order):
        raise ValueError("ECDSA signature out of range")
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def raw_to_der(signature: bytes, curve: str) -> bytes:
    """DER of a fixed-length r||s. Raises ValueError if the length is wrong or r, s are not in 1..n-1."""
    size, zero, order = _RANGE[curve]
    r, s = signature[:size], signature[size:]
    if len(s) != size or not (zero < r < order and zero < s < order):  # len(s) first: bytes of equal length compare as numbers
        raise ValueError("ECDSA signature of wrong length or out of range")
    body = _der_integer(r) + _der_integer(s)
    return (b"\x30%c%b" if len(body) < 0x80 else b"\x30\x81%c%b") % (len(body), body)


def _der_integer(number: bytes) -> bytes:
    """Of a positive big-endian number of at most 126 bytes."""
    digits = number.lstrip(b"\0")
    return (b"\x02%c%b" if digits[0] < 0x80 else b"\x02%c\0%b") % (len(digits) + (digits[0] >> 7), digits)
