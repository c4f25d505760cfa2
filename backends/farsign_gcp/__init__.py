"""Google Cloud KMS, for farsign.

    gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K                       the newest enabled version that verifiers can know
    gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/V   that version for ever; kid= is allowed

Parameters: ``alg`` (only versions with that algorithm count), ``endpoint`` (a regional or private endpoint, https), ``quota_project``,
``impersonate`` (a service account), ``auth=emulator``. sigstore's, gocloud's, Tink's, smallstep's and securesystemslib's spellings are
understood.

Permissions to paste: cloudkms.cryptoKeyVersions.viewPublicKey, .useToSign and, unless the URI pins a version, .list, for asymmetric keys
have no primary version, so that the versions are all there is to go by::

    gcloud kms keys add-iam-policy-binding K --keyring R --location L --member serviceAccount:APP --role roles/cloudkms.signerVerifier
    gcloud kms keys add-iam-policy-binding K --keyring R --location L --member serviceAccount:APP --role roles/cloudkms.viewer   # .list

Authentication: Application Default Credentials, as google-auth finds them (GOOGLE_APPLICATION_CREDENTIALS, gcloud's login, the metadata
server, workload identity), or credentials and transports of your own through ``open_signer``. ``impersonate=`` also needs
iam.serviceAccounts.getAccessToken on that account, ``quota_project=`` serviceusage.services.use on that project.

What Cloud KMS cannot do: P-521; RS384 and PS384; RS512 and PS512 below 4096 bits; rotate signing keys by itself. Keys for raw PKCS#1
(RSA_SIGN_RAW_PKCS1_*), SLH-DSA and MACs are refused. Ed25519 and ML-DSA keys sign the message itself, here up to 64 KiB; ML-DSA keys with
EXTERNAL_MU sign any size.
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
    from ._emulator import GcpEmulator

    return GcpEmulator()


def open_signer(
    uri: str,
    *,
    credentials: Any = None,
    transport: Any = None,
    policy: farsign.Policy | None = None,
    allow_hosts: Sequence[str] = (),
) -> farsign.Signer:
    """A Signer with objects that no URI can carry. Such a signer is not picklable.

    credentials: google-auth credentials, synchronous ones; farsign refreshes them on a thread of its own, so they serve asyncio too.
    transport: a synchronous KeyManagementService transport of google-cloud-kms, gRPC or REST, or a function that makes one; it brings its
    own credentials and its own host. A gRPC transport does not survive a fork: where processes fork, give the function.
    Raises InvalidKeyURI, HostRefused, BackendNotInstalled or another ConfigurationError.
    """
    import farsign

    from . import _driver

    parsed = farsign.parse_uri(uri)
    if parsed.scheme != "gcpkms":
        raise parsed.refuse("is no Cloud KMS key", "write gcpkms://projects/..., or open it with farsign.open_signer(uri)")
    return farsign.open_signer(
        parsed,
        policy=policy,
        allow_hosts=allow_hosts,
        opener=partial(_driver.open_key, credentials=credentials, transport=transport),
    )
