"""An application's credential for azure-identity, its certificate's key behind farsign.

    credential = farsign_contrib.azure_identity.credential(signer.key(), certificate, tenant_id, client_id)
    client = SecretClient(vault_url, credential)

The certificate (a ``cryptography`` object; ``x509.CertificateBuilder(...).sign(signer.key().as_private_key(), ...)`` makes one) is
uploaded to the app registration. A new assertion is signed whenever a new token is needed, about once an hour.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from cryptography.hazmat.primitives import hashes

from ._given import check_certificate, known, private_key

_LIFE: Final = 600  # seconds; Entra refuses assertions that live longer than a day


def credential(key: Any, certificate: Any, tenant_id: str, client_id: str, **options: Any) -> Any:
    """An ``azure.identity.ClientAssertionCredential``; options are its own, such as authority."""
    from azure.identity import ClientAssertionCredential

    func = assertion(key, certificate, tenant_id, client_id, options.get("authority", "login.microsoftonline.com"))
    return ClientAssertionCredential(tenant_id, client_id, func, **options)


def assertion(
    key: Any, certificate: Any, tenant_id: str, client_id: str, authority: str = "login.microsoftonline.com"
) -> Callable[[], str]:
    """What ClientAssertionCredential, also the asynchronous one, calls. Raises KeyMismatch if the certificate is another key's.

    PS256 if the key signs it, else RS256; no other algorithm is accepted by Entra.
    """
    import jwt

    signing, private = known(key, "Entra", "RSA"), private_key(key)
    check_certificate(signing, certificate)
    algorithm = "PS256" if "PS256" in signing.primitives else "RS256"
    thumbprint = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
    audience = f"https://{authority.removeprefix('https://').rstrip('/')}/{tenant_id}/oauth2/v2.0/token"

    def make() -> str:
        now = int(time.time())
        claims = {"aud": audience, "iss": client_id, "sub": client_id, "jti": str(uuid.uuid4()), "nbf": now, "exp": now + _LIFE}
        return jwt.encode(claims, private, algorithm=algorithm, headers={"x5t#S256": thumbprint})

    return make
