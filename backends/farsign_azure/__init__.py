"""Azure Key Vault and Managed HSM, for farsign: ``azurekms://VAULT/KEY`` and ``azurekms://VAULT/KEY/VERSION``.

VAULT is a name (``myvault``) or a host (``myvault.vault.azure.net``). Without VERSION the newest enabled version is meant, once verifiers
can know it. Parameters: ``alg`` (needed for RSA keys), ``cloud=public|usgov|china`` and ``hsm=managed`` (for names without a dot),
``tenant``, ``client_id`` (of a user-assigned or workload identity), ``api_version``, ``endpoint`` and ``ca_cert`` (another address for
the vault's host, a private CA), ``auth=emulator``. gocloud's, smallstep's and securesystemslib's spellings are understood.

Permissions to paste: keys/get, keys/sign and, to see a rotation before it signs, keys/list::

    az role assignment create --role "Key Vault Crypto User" --assignee APP --scope VAULT-RESOURCE-ID/keys/KEY     # RBAC; it has all three
    dataActions: Microsoft.KeyVault/vaults/keys/read, Microsoft.KeyVault/vaults/keys/sign/action                   # or a role of your own
    az keyvault set-policy --name VAULT --object-id OBJECT-ID --key-permissions get list sign                      # access policies
    az keyvault role assignment create --hsm-name HSM --role "Managed HSM Crypto User" --assignee APP --scope /keys/KEY   # Managed HSM

Authentication: azure-identity's DefaultAzureCredential (environment, workload identity, managed identity, Azure CLI, ...; narrow it with
AZURE_TOKEN_CREDENTIALS), or any credential object through ``open_signer``. The tenant is the credential's own, ``tenant=`` or
AZURE_TENANT_ID, never the one that a server names.

What it cannot do: Ed25519 and ML-DSA, which Key Vault has not; HS256 to HS512, whose input Key Vault does not document; without keys/get,
nothing, because the public key has to be known. Listing does not tell types: a name whose versions differ in type keeps to the one it has.
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
def farsign_emulator() -> Emulator:
    from ._emulator import AzureEmulator

    return AzureEmulator()


def open_signer(
    uri: str,
    *,
    credential: Any = None,
    transport: Any = None,
    policy: farsign.Policy | None = None,
    allow_hosts: Sequence[str] = (),
) -> farsign.Signer:
    """A Signer with objects that no URI can carry.

    credential: an azure-identity credential, or anything with its synchronous ``get_token`` (or ``get_token_info``); farsign asks it from
    a thread of its own, so it serves asyncio too. transport: an azure-core transport, used instead of farsign's; it may change where
    requests go, and whoever made it closes it. Raises InvalidKeyURI, HostRefused, BackendNotInstalled or another ConfigurationError.
    """
    import farsign

    from . import _driver

    parsed = farsign.parse_uri(uri)
    if parsed.scheme != "azurekms":
        raise parsed.refuse("is no Key Vault key", "write azurekms://VAULT/KEY, or open it with farsign.open_signer(uri)")
    return farsign.open_signer(
        parsed,
        policy=policy,
        allow_hosts=allow_hosts,
        opener=partial(_driver.open_key, credential=credential, transport=transport),
    )
