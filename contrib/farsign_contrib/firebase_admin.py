"""A service account for firebase-admin, whose key signs its access tokens and its custom tokens.

    credential = farsign_contrib.firebase_admin.credential(signer.key(), email, key_id="...")
    firebase_admin.initialize_app(credential, {"projectId": "..."})

The key's certificate is uploaded to the service account (`gcloud iam service-accounts keys upload`), which gives it the key id.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ._given import known
from .google_auth import Signer

SCOPES: Final = tuple(
    f"https://www.googleapis.com/auth/{name}"
    for name in ("cloud-platform", "datastore", "devstorage.read_write", "firebase", "identitytoolkit", "userinfo.email")
)


def credential(
    key: Any,
    service_account_email: str,
    *,
    key_id: str | None = None,
    scopes: Sequence[str] = SCOPES,
    token_uri: str = "https://oauth2.googleapis.com/token",  # noqa: S107  # an address
) -> Any:
    """A ``google.oauth2.service_account.Credentials``, for ``initialize_app`` and any other Google library. RSA keys only."""
    from google.oauth2 import service_account

    known(key, "a service account", "RSA")
    return service_account.Credentials(Signer(key, key_id), service_account_email, token_uri, scopes=list(scopes))
