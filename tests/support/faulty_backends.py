"""The backends that a fault can be tried on, as data: a new one joins by a row.

What a row says beside the scheme is what no emulator knows: how to open a key with credentials of the test's own, and how the wire looks
to somebody in between.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import pytest

import farsign
from farsign._plugin.discovery import backend
from farsign.errors import BackendBroken, BackendNotInstalled, UnknownScheme
from farsign.testing.emulator import EmulatedKey, Emulator

ALGORITHM: Final = "ES256"


class Given(NamedTuple):
    """A signer whose credentials the test gave, and what must not be seen of them, known once it has signed."""

    signer: farsign.Signer
    secrets: Callable[[], Sequence[str]]


class Wanted(NamedTuple):
    """seconds: how long the credentials take to be had."""

    cloud: Any
    key: EmulatedKey
    seconds: float
    policy: farsign.Policy | None
    monkeypatch: pytest.MonkeyPatch

    @property
    def uri(self) -> str:
        return self.key.uri.replace("&auth=emulator", "")


class Backend(NamedTuple):
    """opened: a key with canary credentials. resolves: it looks names up with Python's socket, so that a test can black them out. http:
    the wire is HTTP, so that there are redirects."""

    scheme: str
    opened: Callable[[Wanted], Given]
    resolves: bool = True
    http: bool = True

    def given(
        self,
        cloud: Emulator,
        key: EmulatedKey,
        monkeypatch: pytest.MonkeyPatch,
        *,
        seconds: float = 0.0,
        policy: farsign.Policy | None = None,
    ) -> Given:
        return self.opened(Wanted(cloud, key, seconds, policy, monkeypatch))


def _aws(wanted: Wanted) -> Given:
    import boto3
    import botocore.session
    from botocore.credentials import Credentials

    import farsign_aws

    made = wanted.cloud.credentials.issue("111122223333", "arn:aws:sts::111122223333:assumed-role/canary/canary", 3600.0)

    class Slowly(botocore.session.Session):
        def get_credentials(self) -> Credentials:
            time.sleep(wanted.seconds)
            return Credentials(made.access_key, made.secret, made.token)

    session = boto3.session.Session(botocore_session=Slowly(), region_name="us-east-1")
    signer = farsign_aws.open_signer(wanted.uri, session=session, policy=wanted.policy)
    return Given(signer, lambda: (made.secret, made.token))


def _azure(wanted: Wanted) -> Given:
    from keyvault import StaticCredential

    import farsign_azure

    token = wanted.cloud.tokens.grant()

    def slowly() -> str:
        time.sleep(wanted.seconds)
        return token

    signer = farsign_azure.open_signer(wanted.uri, credential=StaticCredential(slowly), policy=wanted.policy)
    return Given(signer, lambda: (token,))


def _gcp(wanted: Wanted) -> Given:
    from cloudkms import CANARY, StaticCredentials

    import farsign_gcp

    wanted.cloud.tokens.add(CANARY)
    credentials = StaticCredentials(on_refresh=lambda: time.sleep(wanted.seconds))
    signer = farsign_gcp.open_signer(wanted.uri, credentials=credentials, policy=wanted.policy)
    return Given(signer, lambda: (CANARY,))


def _vault(wanted: Wanted) -> Given:
    from farsign_vault import _emulator_auth as accepted

    for name in [name for name in os.environ if name.startswith(("VAULT_", "BAO_"))]:
        wanted.monkeypatch.delenv(name)
    wanted.monkeypatch.setenv("VAULT_ADDR", wanted.cloud.url)
    wanted.monkeypatch.setenv("VAULT_ROLE_ID", accepted.ROLE_ID)
    wanted.monkeypatch.setenv("VAULT_SECRET_ID", accepted.SECRET_ID)
    wanted.cloud.faults.latency("login", wanted.seconds)
    signer = farsign.open_signer(wanted.key.uri.replace("auth=emulator", "auth=approle"), policy=wanted.policy)
    tokens = wanted.cloud.auth._granted
    return Given(signer, lambda: (accepted.SECRET_ID, *(token for token in tokens if token != accepted.EMULATOR_TOKEN)))


TABLE: Final = (
    Backend("awskms", _aws),
    Backend("azurekms", _azure),
    Backend("gcpkms", _gcp, resolves=False, http=False),
    Backend("hashivault", _vault),
)
IDS: Final = [row.scheme for row in TABLE]


@contextmanager
def running(scheme: str, **options: Any) -> Iterator[Emulator]:
    """That backend's emulator in this process; skips the test where its SDK is missing."""
    try:
        made = backend(scheme).emulator()
    except (BackendNotInstalled, UnknownScheme, BackendBroken) as error:
        pytest.skip(str(error))
    assert made is not None
    with type(made)(**options) as emulator:
        yield emulator
