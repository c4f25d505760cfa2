"""A GitHub App for PyGithub.

    auth = farsign_contrib.pygithub.AppAuth(app_id, signer.key())
    github = Github(auth=auth.get_installation_auth(installation_id))

GitHub makes an App's key itself and hands out the private half: import that into the provider once (AWS KMS, Cloud KMS and Key Vault
take RSA keys), and delete the file. The key is RSA and signs RS256.
"""

from __future__ import annotations

from typing import Any

from ._given import known, private_key


def AppAuth(app_id: int | str, key: Any, **options: Any) -> Any:  # noqa: N802  # PyGithub's name; a function, so that github is imported late
    """A ``github.Auth.AppAuth``; options are its own, such as jwt_expiry."""
    from github import Auth

    known(key, "GitHub", "RSA")
    private = private_key(key)
    return Auth.AppAuth(app_id, lambda: private, **options)
