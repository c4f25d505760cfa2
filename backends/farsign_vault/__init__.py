"""HashiCorp Vault's and OpenBao's transit engine, for farsign: ``hashivault://KEY`` and ``openbao://KEY``.

Without ``version=`` the newest version is meant, once verifiers can know it. Parameters: ``alg`` (needed for RSA keys), ``version``,
``mount`` (default transit; gocloud's ``engine`` is understood), ``namespace``, ``addr`` (default VAULT_ADDR), ``ca_cert`` (a PEM file),
``auth``, ``auth_role``, ``auth_mount``. gocloud's, Tink's and securesystemslib's spellings are understood.

The policy to paste, for the key "auth" in the mount "transit"; sign takes no other path, because the hash is in the body::

    path "transit/sign/auth" { capabilities = ["update"] }
    path "transit/keys/auth" { capabilities = ["read"] }

Authentication: ``auth=token`` (VAULT_TOKEN), ``token_file`` (VAULT_TOKEN_FILE or ~/.vault-token, read again and again), ``approle``
(VAULT_ROLE_ID, VAULT_SECRET_ID), ``kubernetes`` (the service account's token, ``auth_role=``), ``jwt`` (VAULT_JWT), ``userpass``
(VAULT_USERNAME, VAULT_PASSWORD), ``cert`` (VAULT_CLIENT_CERT, VAULT_CLIENT_KEY). Each secret may stand in a file named by the variable with
_FILE appended. Without ``auth``: VAULT_TOKEN, then the token file. For openbao BAO_ADDR, BAO_TOKEN and so on come first. Anything else logs
in by itself: ``open_signer(uri, client=hvac.Client(...))``.

Credentials go to the host of VAULT_ADDR (or BAO_ADDR), to no other unless it is named in FARSIGN_ALLOW_HOSTS or ``allow_hosts``.

What it cannot do: derived keys, managed keys and Vault Enterprise's ML-DSA, SLH-DSA and hybrid keys; secp256k1, which transit has not;
follow a standby's redirect to another node, because the token would go there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from farsign import driver

if TYPE_CHECKING:
    import farsign
    from farsign.testing.emulator import Emulator

__all__ = ["farsign_emulator", "farsign_explain", "farsign_open", "farsign_uri", "open_signer"]


@driver.hookimpl
def farsign_uri(uri: driver.KeyURI) -> driver.KeyURI:
    from . import _uri

    return _uri.check(uri)


@driver.hookimpl
def farsign_explain(uri: driver.KeyURI) -> list[tuple[str, str]]:
    from . import _uri

    return _uri.explain(uri)


@driver.hookimpl
def farsign_open(uri: driver.KeyURI, allow_hosts: tuple[str, ...]) -> driver.RemoteSigner:
    from . import _driver

    return _driver.open_key(uri, allow_hosts)


@driver.hookimpl
def farsign_emulator(scheme: str) -> Emulator:
    from ._emulator import EMULATORS

    return EMULATORS[scheme]()


def open_signer(
    uri: str, *, client: Any = None, policy: farsign.Policy | None = None, allow_hosts: Sequence[str] = ()
) -> farsign.Signer:
    """A Signer with an object that no URI can carry.

    client: an ``hvac.Client``. Its address, namespace, session and TLS settings are used, and its token, which is read for each call:
    whoever made it renews it. Its URI says no ``addr``, ``namespace``, ``ca_cert`` or ``auth``. Such a signer is not picklable.
    Raises InvalidKeyURI, HostRefused, BackendNotInstalled or another ConfigurationError.
    """
    import farsign

    from . import _driver

    parsed = farsign.parse_uri(uri)
    if parsed.scheme not in ("hashivault", "openbao"):
        raise parsed.refuse("is no transit key", "write hashivault://KEY or openbao://KEY, or use farsign.open_signer(uri)")
    return farsign.open_signer(parsed, policy=policy, allow_hosts=allow_hosts, opener=partial(_driver.open_key, client=client))
