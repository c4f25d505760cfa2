"""SSH's public keys and signatures on the wire (RFC 4253 6.6, RFC 5656 3.1, RFC 8332 3, RFC 8709 6), of any private-key object."""

from __future__ import annotations

import base64
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

import farsign
from farsign.errors import AlgorithmNotSupported

# SSH's name -> the hash, and the algorithm as farsign calls it. SHA-1 (ssh-rsa) is left out on purpose: RFC 8332.
_RSA: Final = {"rsa-sha2-512": (hashes.SHA512(), "RS512"), "rsa-sha2-256": (hashes.SHA256(), "RS256")}
_EC: Final = {
    "ecdsa-sha2-nistp256": hashes.SHA256(),
    "ecdsa-sha2-nistp384": hashes.SHA384(),
    "ecdsa-sha2-nistp521": hashes.SHA512(),
}


def public_blob(key: farsign.SigningKey) -> bytes:
    """The public key as SSH sends it. Raises AlgorithmNotSupported for kinds that SSH has not."""
    public = key.public_key()
    sshable = isinstance(public, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey))
    if not sshable or (isinstance(public, ec.EllipticCurvePublicKey) and not public.curve.name.endswith("r1")):
        raise AlgorithmNotSupported(f"SSH has no keys like {key.name}", next_step="use RSA, P-256, P-384, P-521 or Ed25519")
    line = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return base64.b64decode(line.split()[1])


def kind(blob: bytes) -> str:
    """ssh-rsa, ecdsa-sha2-nistp256, ssh-ed25519, ..., of a public key."""
    return blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode("ascii")


def signature_algorithms(key: farsign.SigningKey) -> list[str]:
    """What this key can sign, best first: an RSA key of some providers signs with one hash only."""
    name = kind(public_blob(key))
    return [ssh for ssh, (_, ours) in _RSA.items() if ours in key.primitives] if name == "ssh-rsa" else [name]


def sign(private_key: Any, algorithm: str, data: bytes) -> bytes:
    """The signature as SSH sends it: algorithm and blob. Raises what the private-key object raises."""
    if algorithm in _RSA:
        blob = private_key.sign(data, padding.PKCS1v15(), _RSA[algorithm][0])
    elif algorithm in _EC:
        r, s = decode_dss_signature(private_key.sign(data, ec.ECDSA(_EC[algorithm])))
        blob = _mpint(r) + _mpint(s)
    else:
        blob = private_key.sign(data)
    return _string(algorithm.encode()) + _string(blob)


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _mpint(number: int) -> bytes:
    return _string(number.to_bytes(number.bit_length() // 8 + 1, "big"))  # positive numbers only: RFC 4251 5
