"""KMS clients: one per process and configuration, retries off, credentials only where they may go."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ProfileNotFound
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from farsign.driver import KeyURI, Shared, is_loopback, shared_client, split_endpoint
from farsign.errors import ConfigurationError

from . import _hosts
from ._credentials import Credentials, Source, assumed, source_of
from ._transport import Transport
from ._uri import Place, place

CONNECTIONS: Final = 256  # kept open; more are made and dropped when more threads sign at once
# What the client is made with; else botocore looks for credentials at once, on the network if need be
_UNUSED: Final = {"aws_access_key_id": "unused", "aws_secret_access_key": "unused"}
_CONFIGURES: Final = ("profile", "role", "external_id", "fips", "dualstack", "auth")  # parameters


@dataclass
class Client:
    """A KMS client and what goes with it. transport: None behind a proxy."""

    kms: Any
    region: str
    credentials: Credentials
    transport: Transport | None

    def close(self) -> None:
        self.kms.close()
        if self.transport:
            self.transport.close()


def client_for(uri: KeyURI, session: Any, allow_hosts: Sequence[str]) -> Shared[Client]:
    """Shared by all keys of one configuration. Raises HostRefused, or another ConfigurationError."""
    where = place(uri)
    settings = tuple(uri.get(name) for name in _CONFIGURES)
    identity = ("awskms", where.region, where.endpoint, settings, id(session), tuple(allow_hosts), _environment())
    return shared_client(identity, lambda: _make(uri, where, session, allow_hosts), Client.close)


def _environment() -> int:
    """Of what boto3 reads, a hash: it holds secrets."""
    read = ("AWS_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return hash(frozenset((name, os.environ.get(name)) for name in os.environ if name.upper().startswith(read)))


def _make(uri: KeyURI, where: Place, session: Any, allow: Sequence[str]) -> Client:
    try:
        return _made(uri, where, source_of(uri, session, allow), allow)
    except ProfileNotFound:
        raise ConfigurationError(
            f"{str(uri)!r}: there is no such AWS profile", next_step="`aws configure list-profiles` lists them"
        ) from None
    except (BotoCoreError, OSError) as error:  # a config file that cannot be read, a CA bundle that is not there
        raise ConfigurationError(
            f"{str(uri)!r}: boto3 cannot use its settings: {error}", next_step="see `aws configure list`"
        ) from None


def _made(uri: KeyURI, where: Place, source: Source, allow: Sequence[str]) -> Client:
    region = where.region or source.region
    if not region:
        raise ConfigurationError(f"{str(uri)!r} does not say its region", next_step="append ?region=..., or set AWS_REGION")
    if where.endpoint:
        _hosts.check(where.endpoint, own_credentials=source.own, allow=allow)
    fips, dualstack = (None if uri.get(name) is None else uri.get(name) == "true" for name in ("fips", "dualstack"))
    kms = source.create(
        "kms",
        region_name=region,
        endpoint_url=where.endpoint or None,
        config=_config(max_pool_connections=CONNECTIONS, use_fips_endpoint=fips, use_dualstack_endpoint=dualstack),
        **_UNUSED,
    )
    _hosts.check(kms.meta.endpoint_url, own_credentials=source.own, allow=allow)  # settings and environment name endpoints, too
    credentials = Credentials(lambda: _found(uri, where, source, region, allow))
    kms.meta.events.register("before-sign.kms", credentials.attach)
    return Client(kms, region, credentials, _watched(kms, source))


def _found(uri: KeyURI, where: Place, source: Source, region: str, allow: Sequence[str]) -> Any:
    role = uri.get("role")
    if not role:
        return source.find(region)

    def sts(service: str, **keys: Any) -> Any:
        endpoint = where.endpoint if uri.get("auth") else None
        client = source.create(service, region_name=region, endpoint_url=endpoint, config=_config(), **keys)
        _hosts.check(client.meta.endpoint_url, own_credentials=source.own, allow=allow)
        return client

    return assumed(role, uri.get("external_id"), source.find(region), sts)


# The Signer retries; layers must not multiply. The timeouts are for what the Transport does not carry. What the driver asks for has
# the right types; botocore's own check would print a message that has not.
_config = partial(
    Config, retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=5, parameter_validation=False
)


def _watched(kms: Any, source: Source) -> Transport | None:
    """The transport that keeps time; None behind a proxy, which botocore knows how to reach."""
    url = kms.meta.endpoint_url
    if not is_loopback(split_endpoint(url)[1]) and (get_environ_proxies(url) or kms.meta.config.proxies):
        return None
    transport = Transport(url, source.ca or os.environ.get("REQUESTS_CA_BUNDLE") or get_cert_path(True), CONNECTIONS)
    kms.meta.events.register("before-send.kms", transport.send)
    return transport
