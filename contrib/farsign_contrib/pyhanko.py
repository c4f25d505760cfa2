"""A signer for pyHanko: PDF signatures (PAdES too) and CMS.

    signer = farsign_contrib.pyhanko.Signer(signer.key(), certificate)        # a cryptography certificate
    out = signers.sign_pdf(writer, signers.PdfSignatureMetadata(field_name="Signature"), signer=signer)

``prefer_pss=True`` signs with a salt of the digest's length; pyHanko's own choice is the longest, which providers do not sign.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from ._given import check_certificate, private_key, signing_key

_HASHES: Final = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


def Signer(key: Any, certificate: Any, other_certificates: Any = (), **options: Any) -> Any:  # noqa: N802  # pyhanko's name; a function, so that it is imported late
    """A ``pyhanko.sign.Signer``. other_certificates: the chain, to embed; options: prefer_pss, embed_roots, attribute_certs.

    Raises KeyMismatch if the certificate is another key's.
    """
    from asn1crypto import x509
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    def converted(each: Any) -> Any:
        return x509.Certificate.load(each.public_bytes(serialization.Encoding.DER))

    check_certificate(signing_key(key), certificate)
    store = SimpleCertificateStore()
    store.register_multiple([converted(each) for each in other_certificates])
    return _class()(private_key(key), signing_cert=converted(certificate), cert_registry=store, **options)


@cache
def _class() -> Any:
    from asn1crypto.algos import RSASSAPSSParams, SignedDigestAlgorithm
    from pyhanko.sign import Signer as Base

    class FarsignSigner(Base):
        def __init__(self, private: Any, **options: Any) -> None:
            super().__init__(**options)
            self._private = private

        def get_signature_mechanism_for_digest(self, digest_algorithm: str | None) -> Any:
            if not (self.prefer_pss and isinstance(self._private, rsa.RSAPrivateKey) and digest_algorithm in _HASHES):
                return super().get_signature_mechanism_for_digest(digest_algorithm)
            named = {"algorithm": digest_algorithm}
            parameters = {
                "hash_algorithm": named,
                "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": named},
                "salt_length": _HASHES[digest_algorithm].digest_size,
            }
            return SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": RSASSAPSSParams(parameters)})

        async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
            if dry_run:
                return bytes(8192)  # room in the file, enough for ML-DSA-87; pyHanko asks so to learn how much
            return await asyncio.to_thread(_sign, self._private, data, digest_algorithm, self.prefer_pss)

    return FarsignSigner


def _sign(private: Any, data: bytes, digest_algorithm: str, pss: bool) -> bytes:
    chosen = _HASHES.get(digest_algorithm)
    if isinstance(private, rsa.RSAPrivateKey) and chosen:
        pad = padding.PSS(padding.MGF1(chosen), chosen.digest_size) if pss else padding.PKCS1v15()
        return private.sign(data, pad, chosen)
    if isinstance(private, ec.EllipticCurvePrivateKey) and chosen:
        return private.sign(data, ec.ECDSA(chosen))
    signature: bytes = private.sign(data)  # pyright: ignore[reportCallIssue]  # Ed25519 or ML-DSA, which take the data alone
    return signature
