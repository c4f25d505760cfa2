"""A COSE key for python-cwt (CWT, COSE_Sign1, COSE_Sign; RFC 8392, RFC 9052).

key = farsign_contrib.cwt.COSEKey(signer.key())
token = cwt.encode({"sub": "42"}, key)
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from ._given import known

_KTY: Final = {"OKP": 1, "EC": 2, "RSA": 3}  # RFC 9053 7, RFC 8230 4
_CRV: Final = {"P-256": 1, "P-384": 2, "P-521": 3, "Ed25519": 6, "secp256k1": 8}  # RFC 9053 7.1, RFC 8812 3.1
_SIGN: Final = 1  # key_ops


def COSEKey(key: Any, kid: bytes | None = None) -> Any:  # noqa: N802  # cwt's name; a function, so that it is imported late
    """A ``cwt.COSEKeyInterface`` that signs. kid: by default the key's own, as UTF-8. The key's URI says its algorithm.

    Raises AlgorithmNotSupported for ML-DSA, which cwt does not have.
    """
    signing = known(key, "cwt", "RSA", *_CRV)
    return _class()(signing, signing.kid.encode() if kid is None else kid)


@cache
def _class() -> Any:
    from cwt.cose_key_interface import COSEKeyInterface

    class RemoteCOSEKey(COSEKeyInterface):
        def __init__(self, signing: Any, kid: bytes) -> None:
            members = signing.public_members()
            algorithm = "EdDSA" if members["kty"] == "OKP" else signing.algorithm
            super().__init__({1: _KTY[members["kty"]], 2: kid, 3: algorithm, 4: [_SIGN]})
            self._signing, self._crv = signing, _CRV.get(members.get("crv", ""), 0)

        @property
        def key(self) -> Any:
            return self._signing.as_private_key()

        @property
        def crv(self) -> int:
            return self._crv

        def sign(self, msg: bytes) -> bytes:
            signature: bytes = self._signing.sign(msg)  # COSE has JOSE's encoding: r||s (RFC 9053 2.1)
            return signature

    return RemoteCOSEKey
