"""Signed URLs of Amazon CloudFront, by botocore's CloudFrontSigner.

    signer = farsign_contrib.cloudfront.CloudFrontSigner(key_pair_id, signer.key())
    url = signer.generate_presigned_url("https://d111.cloudfront.net/a.mp4", date_less_than=expires)

botocore's documentation says SHA-1, which providers do not sign. CloudFront takes SHA-256 too, if the URL says so: RSA and P-256 keys.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from ._given import known, private_key

HASH: Final = "Hash-Algorithm=SHA256"
_ARGUMENTS: Final[dict[str, tuple[Any, ...]]] = {
    "RSA": (padding.PKCS1v15(), hashes.SHA256()),
    "P-256": (ec.ECDSA(hashes.SHA256()),),
}


def CloudFrontSigner(key_id: str, key: Any) -> Any:  # noqa: N802  # botocore's name; a function, so that it is imported late
    """A ``botocore.signers.CloudFrontSigner`` whose URLs say SHA-256. key_id: the public key's id at CloudFront."""
    members, private = known(key, "CloudFront", *_ARGUMENTS).public_members(), private_key(key)
    arguments = _ARGUMENTS[members.get("crv", "RSA")]
    return _class()(key_id, lambda message: private.sign(message, *arguments))


@cache
def _class() -> Any:
    from botocore.signers import CloudFrontSigner as Base

    class SHA256Signer(Base):
        def generate_presigned_url(self, url: str, date_less_than: Any = None, policy: Any = None) -> str:
            return f"{super().generate_presigned_url(url, date_less_than, policy)}&{HASH}"

    return SHA256Signer
