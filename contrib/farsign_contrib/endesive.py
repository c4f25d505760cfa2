"""An ``hsm=`` object for endesive: CMS signatures with an RSA key, PKCS #1 v1.5 or PSS.

    hsm = farsign_contrib.endesive.HSM(signer.key(), certificate)             # a cryptography certificate
    signed = endesive.signer.sign(data, None, None, [], "sha256", hsm=hsm)     # or endesive.pdf.cms.sign(..., hsm=hsm)

Where PSS is not asked for, endesive takes the private-key object itself as ``key``, EC keys too. Its PSS then asks for the longest salt,
which providers do not sign; through ``hsm=`` the salt is the digest's length: ``HSM(..., pss=True)`` with ``sign(..., pss=True)``.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from ._given import check_certificate, known, private_key

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303  # for the key to refuse, with its reason
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


class HSM:
    """certificate() and sign(), as endesive's BaseHSM has them (importing that needs a PKCS #11 library)."""

    def __init__(self, key: Any, certificate: Any, *, pss: bool = False) -> None:
        check_certificate(known(key, "endesive's hsm", "RSA"), certificate)  # endesive takes EC keys as key=
        self._private, self._pss = private_key(key), pss
        self._certificate = certificate.public_bytes(serialization.Encoding.DER)

    def certificate(self) -> tuple[None, bytes]:
        """No key, and the certificate's DER."""
        return None, self._certificate

    def sign(self, keyid: Any, data: bytes, mech: str) -> bytes:
        """mech: the hash's name, in lower case."""
        chosen = _HASHES[mech.lower()]
        pad = padding.PSS(padding.MGF1(chosen), chosen.digest_size) if self._pss else padding.PKCS1v15()
        signature: bytes = self._private.sign(data, pad, chosen)
        return signature
