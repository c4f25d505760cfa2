"""A signer for google-auth's credentials.

    signer = farsign_contrib.google_auth.Signer(signer.key(), key_id="the id of the service account's key")
    credentials = service_account.Credentials(signer, service_account_email=..., token_uri=...)

google-auth's own RSASigner and EsSigner sign with the private-key object as well, but copies and pickles of such credentials fail.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from ._given import known, private_key


def Signer(key: Any, key_id: str | None = None) -> Any:  # noqa: N802  # google.auth's name; a function, so that google is imported late
    """A ``google.auth.crypt.Signer``: RS256 with an RSA key, ES256 or ES384 with an EC key; google-auth knows no others.

    key_id: the header's kid, by default the key's own. Raises AlgorithmNotSupported for other kinds of keys.
    """
    signing = known(key, "google-auth", "RSA", "P-256", "P-384")
    return _class(signing.public_members()["kty"])(private_key(key), signing.kid if key_id is None else key_id)


@cache
def _class(kind: str) -> Any:
    from google.auth import crypt

    base: Any = crypt.RSASigner if kind == "RSA" else crypt.EsSigner  # google.auth.jwt knows ES256 by EsSigner alone

    class FarsignSigner(base):
        def __init__(self, private: Any, key_id: str) -> None:
            super().__init__(private, key_id)
            self._private = private

        def __copy__(self) -> Any:
            return self

        def __deepcopy__(self, memo: dict[int, Any]) -> Any:
            return self

        def __reduce__(self) -> tuple[Any, ...]:
            return Signer, (self._private, self.key_id)  # the key pickles by URI; what the base does would export it

    return FarsignSigner
