"""Credentials as botocore finds them, but never in a caller's time: found at first use, renewed ahead, read again when refused."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import botocore.session
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.credentials import Credentials as StaticCredentials
from botocore.exceptions import NoCredentialsError
from botocore.loaders import create_loader

from farsign.driver import Credential, ExpiringCredential, KeyURI
from farsign.errors import ConfigurationError, CredentialsExpired, CredentialsNotFound

from . import _hosts
from ._deadline import current, deadline

EMULATOR: Final = "emulator"  # the emulators' access key and secret


class Credentials:
    """What one client signs with. ``find`` returns botocore's credentials, or None; it is called again after a refusal."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find, self._found = find, None
        self._kept = ExpiringCredential(self._fetch)

    def attach(self, request: Any, **_: Any) -> None:
        """The handler of botocore's event ``before-sign.kms``."""
        request.context.setdefault("signing", {})["request_credentials"] = self

    def get_frozen_credentials(self) -> Any:
        """botocore's signer asks for this. Waits as long as the call under way may take."""
        watch = current()
        return self._kept.get(watch.remaining() if watch else 0.0)

    def refresh(self, timeout: float) -> bool:
        """Read them again from wherever they come. False: not if that was done within the last 30 s."""
        self._found = None
        return self._kept.refresh(timeout)

    def _fetch(self, seconds: float) -> Credential[Any]:
        with deadline(seconds):  # keeps botocore's log from spelling them out
            found = self._found = self._found or self._find()
            if found is None:
                raise NoCredentialsError()
            try:
                frozen = found.get_frozen_credentials()
            except RuntimeError:  # botocore: "the refreshed credentials are still expired"
                step = "compare this machine's clock with AWS's"
                raise CredentialsExpired("the credentials that AWS hands out have expired already", next_step=step) from None
        _refuse_unprintable(frozen)
        end: datetime | None = getattr(found, "_expiry_time", None)  # botocore shows it nowhere else
        return Credential(frozen, time.monotonic() + end.timestamp() - time.time() if end else None)


def _refuse_unprintable(frozen: Any) -> None:
    """A secret store or a file often adds a line break, which would break the header or make a signature that AWS refuses."""
    for name in ("access_key", "secret_key", "token"):
        value = getattr(frozen, name) or ""
        if not (value.isascii() and value.isprintable()) or " " in value:
            message = f"the {name.replace('_', ' ')} that AWS's settings hold has a line break or another character that none has"
            raise CredentialsNotFound(message, next_step="take it out where it is set: a trailing line break, most often")


class Source(NamedTuple):
    """Where clients and credentials come from."""

    create: Callable[..., Any]  # as session.client
    find: Callable[[str], Any]  # region -> botocore's credentials, or None
    region: str | None
    ca: str | None  # a file
    own: bool  # the credentials were given for this key, not found around


def source_of(uri: KeyURI, given: Any, allow: Sequence[str]) -> Source:
    """A session that was given, or nothing of this machine (auth=emulator), or this process's settings. Raises BotoCoreError."""
    if given is not None:
        from boto3 import Session  # loaded already, by whoever made one

        if not isinstance(given, Session):
            step = "give boto3.Session(...), boto3.Session(botocore_session=...) for botocore's own, or leave session= out"
            raise ConfigurationError(f"session= is a boto3 session, not {type(given).__name__}", next_step=step)
        if uri.get("auth") or uri.get("profile"):
            raise uri.refuse(
                "has auth= or profile=, and a session was given besides", "say in one place whose credentials to use"
            )
        inner = given._session  # boto3 shows the CA bundle nowhere else
        return Source(given.client, lambda _: given.get_credentials(), given.region_name, _ca(inner), own=True)
    if uri.get("auth"):
        alone = _isolated()
        return Source(alone.create_client, lambda _: StaticCredentials(EMULATOR, EMULATOR), None, _ca(alone), own=True)
    session = _session(profile=uri.get("profile"))
    session.get_scoped_config()  # raises ProfileNotFound
    region = session.get_config_variable("region") or os.environ.get("AWS_REGION")  # which other SDKs read, and boto3 does not
    find = partial(_ambient, uri.get("profile"), allow)
    return Source(session.create_client, find, region, _ca(session), own=False)


def _ambient(profile: str | None, allow: Sequence[str], region: str) -> Any:
    """What this process's settings say now, found without sending anything to a host that is not AWS's."""

    def guard(request: Any, **_: Any) -> None:
        parts = urlsplit(request.url)
        _hosts.check(f"{parts.scheme}://{parts.netloc}", own_credentials=False, allow=allow)

    session = _session(profile=profile)
    session.set_config_variable("region", region)
    session.register("before-send", guard)  # of STS and SSO, whose endpoints stand in settings, too
    return session.get_credentials()


def _session(**options: Any) -> Any:
    """A botocore session. All of this process read AWS's service models once: that is most of what making a client costs."""
    session = botocore.session.Session(**options)
    session.lazy_register_component("data_loader", lambda: _models(session.get_config_variable("data_path")))
    return session


_models = lru_cache(maxsize=4)(create_loader)  # by AWS_DATA_PATH


def _ca(session: Any) -> str | None:
    file: str | None = session.get_config_variable("ca_bundle")
    return file


def _isolated() -> Any:
    """A botocore session that no variable and no file of this machine reaches, but the CA bundle."""
    known = BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    names = {name: (None, None, default, kind) for name, (_, _, default, kind) in known if name != "ca_bundle"}
    files = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    return _session(session_vars=names | files)


def assumed(role: str, external_id: str | None, source: Any, create_sts: Callable[..., Any]) -> Any:
    """Credentials of a role that ``source`` may assume; None if there is no source."""
    if source is None:
        return None
    extra = {"RoleSessionName": "farsign"} | ({"ExternalId": external_id} if external_id else {})
    fetcher = AssumeRoleCredentialFetcher(create_sts, source, role, extra_args=extra)
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
