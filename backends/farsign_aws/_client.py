"""boto3 clients: one per process and configuration, retries off, credentials only where they may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, CredentialProvider, DeferredRefreshableCredentials
from botocore.exceptions import ProfileNotFound
from botocore.httpsession import get_cert_path

from farsign.driver import KeyURI, Shared, check_host, is_loopback, shared_client, split_endpoint
from farsign.errors import ConfigurationError, HostRefused

from ._transport import Transport
from ._uri import Place, place

# Every partition's own (botocore's endpoints.json); RULES 9
SUFFIXES: Final = (
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
)
CONNECTIONS: Final = 64  # kept open; more are made and dropped when more threads sign at once
EMULATOR: Final = "emulator"  # the emulators' access key and secret


@dataclass
class Client:
    """A KMS client and what goes with it."""

    kms: Any
    region: str
    transport: Transport | None

    def close(self) -> None:
        self.kms.close()
        if self.transport:
            self.transport.close()


def client_for(uri: KeyURI, session: Any, allow_hosts: Sequence[str]) -> Shared[Client]:
    """Shared by all keys of one configuration. Raises HostRefused, or ConfigurationError if no region is known."""
    where = place(uri)
    settings = tuple(uri.get(name) for name in ("profile", "role", "external_id", "fips", "dualstack", "auth"))
    key = ("awskms", where.region, where.endpoint, settings, id(session) if session else None, tuple(allow_hosts))
    return shared_client(key, lambda: _make(uri, where, session, allow_hosts), Client.close)


def _make(uri: KeyURI, where: Place, given: Any, allow_hosts: Sequence[str]) -> Client:
    emulated = uri.get("auth") == EMULATOR
    session: Any = given or boto3.Session(botocore_session=_botocore(uri))
    region = where.region or session.region_name
    if not region:
        raise ConfigurationError(f"{str(uri)!r} does not say its region", next_step="append ?region=..., or set AWS_REGION")
    keys = {"aws_access_key_id": EMULATOR, "aws_secret_access_key": EMULATOR} if emulated else {}
    if where.endpoint:
        _check(where.endpoint, emulated or given is not None, allow_hosts)
    if role := uri.get("role"):
        _assume(session, role, uri, region, where.endpoint if emulated else None, keys, allow_hosts)
        keys = {}
    kms = session.client("kms", region_name=region, endpoint_url=where.endpoint or None, config=_config(uri), **keys)
    _check(kms.meta.endpoint_url, emulated or given is not None, allow_hosts)  # settings and environment name endpoints, too
    return Client(kms, region, _watched(kms, session))


def _botocore(uri: KeyURI) -> Any:
    session = botocore.session.Session(profile=uri.get("profile"))
    try:
        session.get_scoped_config()
    except ProfileNotFound:
        raise ConfigurationError(
            f"{str(uri)!r}: there is no such AWS profile", next_step="`aws configure list-profiles` lists them"
        ) from None
    return session


def _config(uri: KeyURI) -> Config:
    return Config(
        retries={"mode": "standard", "total_max_attempts": 1},  # the Signer retries; layers must not multiply
        connect_timeout=5,
        read_timeout=5,
        max_pool_connections=CONNECTIONS,
        use_fips_endpoint=uri.get("fips") == "true" or None,
        use_dualstack_endpoint=uri.get("dualstack") == "true" or None,
    )


def _check(url: str, own_credentials: bool, allow_hosts: Sequence[str]) -> None:
    scheme, host, port = split_endpoint(url)
    check_host(host, port, scheme=scheme, suffixes=SUFFIXES, allow=allow_hosts)
    if is_loopback(host) and not own_credentials:
        raise HostRefused(
            f"the credentials of this process would go to {url}",
            next_step="for an emulator append &auth=emulator; else give credentials for it: farsign_aws.open_signer(uri, session=...)",
        )


class _Role(CredentialProvider):  # type: ignore[misc]  # botocore has no types
    """The first provider of the chain: an assumed role, renewed by botocore ahead of its end, once for all threads."""

    METHOD = CANONICAL_NAME = "farsign-role"

    def __init__(self, fetcher: Any) -> None:
        super().__init__()
        self._fetcher = fetcher

    def load(self) -> Any:
        return DeferredRefreshableCredentials(method="assume-role", refresh_using=self._fetcher.fetch_credentials)


def _assume(
    session: Any, role: str, uri: KeyURI, region: str, endpoint: str | None, keys: dict[str, str], allow: Sequence[str]
) -> None:
    base = session._session  # boto3's botocore session; it has no public accessor
    source = _Fixed(keys).load() if keys else base.get_credentials()

    def create(service: str, **options: Any) -> Any:
        sts = base.create_client(
            service, region_name=region, endpoint_url=endpoint, config=_config(uri.replace(parameters={})), **options
        )
        _check(sts.meta.endpoint_url, bool(keys), allow)
        return sts

    extra = {"ExternalId": external} if (external := uri.get("external_id")) else {}
    fetcher = AssumeRoleCredentialFetcher(create, source, role, extra_args={"RoleSessionName": "farsign", **extra})
    base.get_component("credential_provider").providers.insert(0, _Role(fetcher))
    base._credentials = None  # what was resolved before is not the role


class _Fixed(CredentialProvider):  # type: ignore[misc]  # botocore has no types
    METHOD = CANONICAL_NAME = "farsign-fixed"

    def __init__(self, keys: dict[str, str]) -> None:
        super().__init__()
        self._keys = keys

    def load(self) -> Any:
        from botocore.credentials import Credentials

        return Credentials(self._keys["aws_access_key_id"], self._keys["aws_secret_access_key"])


def _watched(kms: Any, session: Any) -> Transport | None:
    """The transport that keeps time; None behind a proxy, which botocore knows how to reach."""
    from botocore.utils import get_environ_proxies

    url = kms.meta.endpoint_url
    if get_environ_proxies(url) or kms.meta.config.proxies:
        return None
    verify = session._session.get_config_variable("ca_bundle")
    transport = Transport(url, str(verify or get_cert_path(True)), CONNECTIONS)
    kms.meta.events.register("before-send.kms", transport.send)
    return transport
