"""Credentials that are absent, expire, are refused, are somebody's own; transports of the caller's; what is in no log."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import google.auth.transport.requests
import grpc
import pytest
from cloudkms import CANARY, KEY, StaticCredentials, sdk
from driving import MESSAGE, under_load, verify
from google.auth.compute_engine import Credentials as MachineCredentials
from google.auth.compute_engine import _metadata
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import RefreshError
from google.cloud.kms_v1.services.key_management_service.transports import (
    KeyManagementServiceGrpcAsyncIOTransport,
    KeyManagementServiceGrpcTransport,
)
from google.oauth2.credentials import Credentials

import farsign
import farsign_gcp
from farsign import errors
from farsign.testing._http import HttpServer, Reply, Request
from farsign_gcp import _client
from farsign_gcp._emulator import GcpEmulator

QUICK = farsign.Policy(timeout=2.0, attempts=3)


def without_emulator_credential(uri: str) -> str:
    """The same address, for credentials that the test gives."""
    return uri.replace("&auth=emulator", "")


@pytest.fixture
def key(gcp: GcpEmulator) -> Any:
    return gcp.create_key("ES256")


@pytest.fixture
def opened(key: Any) -> Any:
    signers: list[farsign.Signer] = []

    def make(credentials: Any, more: str = "", policy: farsign.Policy = QUICK) -> farsign.Signer:
        uri = without_emulator_credential(key.uri) + more
        signers.append(farsign_gcp.open_signer(uri, credentials=credentials, policy=policy))
        return signers[-1]

    yield make
    for signer in signers:
        signer.close(timeout=1.0)


Opened = Callable[..., farsign.Signer]


def test_without_credentials_it_says_where_to_get_some() -> None:
    with farsign.open_signer(f"gcpkms://{KEY}", policy=QUICK) as signer, pytest.raises(errors.CredentialsNotFound) as caught:
        signer.key()
    assert "gcloud auth application-default login" in caught.value.next_step


def test_a_credentials_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent/key.json")
    with farsign.open_signer(f"gcpkms://{KEY}", policy=QUICK) as signer, pytest.raises(errors.CredentialsNotFound):
        signer.key()


def test_a_token_that_is_refused_is_fetched_again_once(gcp: GcpEmulator, opened: Opened, key: Any) -> None:
    gcp.tokens = {"second"}
    credentials = StaticCredentials("first", "second")
    signature = opened(credentials).key().sign(MESSAGE)
    verify(key.public_key, "ES256", signature)
    assert credentials.refreshed == 2
    assert (gcp.calls("list"), gcp.calls("describe"), gcp.calls("sign")) == (2, 1, 1)


def test_a_token_that_is_refused_for_good_is_not_hammered(gcp: GcpEmulator, opened: Opened) -> None:
    """RULES 21: one renewal per 30 s."""
    gcp.tokens = {"another"}
    credentials = StaticCredentials()
    signer = opened(credentials)
    for _ in range(5):
        with pytest.raises(errors.CredentialsExpired):
            signer.key()
    assert credentials.refreshed == 2


def test_a_bare_token_serves_until_it_is_refused(gcp: GcpEmulator, opened: Opened, key: Any) -> None:
    """It cannot be renewed; the class says so, and the token is used again when it is accepted again."""
    known = opened(Credentials(token=CANARY)).key()
    gcp.tokens = {"another"}
    with pytest.raises(errors.CredentialsExpired):
        known.sign(MESSAGE)
    gcp.tokens = {CANARY}
    verify(key.public_key, "ES256", known.sign(MESSAGE))


def test_google_refuses_a_token(opened: Opened) -> None:
    def refuse() -> None:
        raise RefreshError("invalid_grant: Token has been expired or revoked.", {"error": "invalid_grant"})

    with pytest.raises(errors.CredentialsExpired) as caught:
        opened(StaticCredentials(on_refresh=refuse)).key()
    assert "gcloud auth application-default login" in caught.value.next_step


def test_many_threads_fetch_one_token(opened: Opened, gcp: GcpEmulator, key: Any) -> None:
    """RULES 21: single flight; google-auth's own plugin fetches one per thread."""
    credentials = StaticCredentials(on_refresh=lambda: time.sleep(0.2))
    signer = opened(credentials)
    with ThreadPoolExecutor(32) as threads:
        signatures = list(threads.map(lambda _: signer.key().sign(MESSAGE), range(64)))
    assert credentials.refreshed == 1
    for signature in signatures:
        verify(key.public_key, "ES256", signature)


def test_a_token_that_ends_under_32_threads_is_one_fetch(opened: Opened, gcp: GcpEmulator) -> None:
    """RULES 21: UNAUTHENTICATED for all of them at once; nobody's signature fails for it."""
    gcp.tokens = {"first"}
    credentials = StaticCredentials("first", "second", on_refresh=lambda: time.sleep(0.1))
    key = opened(credentials, policy=farsign.Policy(timeout=20.0, attempt_timeout=10.0)).key()
    assert not under_load(lambda: key.sign(MESSAGE), lambda: setattr(gcp, "tokens", {"second"}))
    assert credentials.refreshed == 2


class TokenServer:
    """It fails so many times with that status, then gives tokens."""

    def __init__(self, status: int, times: int) -> None:
        self.status, self.failing, self.asked = status, times, 0
        self._server = HttpServer(self._answer)
        self._server.start()
        self.url, self.close = f"http://127.0.0.1:{self._server.port}", self._server.close

    def _answer(self, request: Request) -> Reply:
        self.asked += 1
        headers = {"Content-Type": "application/json", "Metadata-Flavor": "Google"}
        if self.asked <= self.failing:
            return Reply(self.status, b"{}", headers)
        return Reply(200, json.dumps({"access_token": CANARY, "expires_in": 3600}).encode(), headers)


def of_a_user(server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    return Credentials(None, refresh_token="x", token_uri=f"{server.url}/token", client_id="x", client_secret="x")


def of_a_machine(server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(_metadata, "_METADATA_ROOT", f"{server.url}/computeMetadata/v1/", raising=False)  # older ones
    monkeypatch.setattr(_metadata, "_get_metadata_root", lambda _: f"{server.url}/computeMetadata/v1/", raising=False)
    return MachineCredentials(scopes=("https://www.googleapis.com/auth/cloudkms",), service_account_email="default")


@pytest.mark.parametrize("found", [of_a_user, of_a_machine])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_layers_of_retry_do_not_multiply(
    found: Callable[..., Any], status: int, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fetch is one request, whatever it meets; the Signer tries again."""
    with closing(TokenServer(status, times=99)) as server:
        started = time.monotonic()
        with pytest.raises(errors.ProviderUnavailable):
            opened(found(server, monkeypatch)).key()
        assert server.asked == QUICK.attempts
        assert time.monotonic() - started < 0.8, "google-auth slept"


def test_a_token_server_that_fails_once_costs_nothing(opened: Opened, key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(TokenServer(503, times=1)) as server:
        verify(key.public_key, "ES256", opened(of_a_user(server, monkeypatch)).key().sign(MESSAGE))
        assert server.asked == 2


def test_signers_with_the_same_credentials_share_a_token_and_a_channel(gcp: GcpEmulator) -> None:
    credentials, before = StaticCredentials(), len(_client._open)
    uris = [without_emulator_credential(gcp.create_key("ES256").uri) for _ in range(20)]
    signers = [farsign_gcp.open_signer(uri, credentials=credentials) for uri in uris]
    for signer in signers:
        signer.check()
    assert (len(_client._open), credentials.refreshed) == (before + 1, 1)
    for signer in signers:
        signer.close()
    assert len(_client._open) == before


def test_a_slow_token_server_ends_nobodys_deadline(opened: Opened) -> None:
    """RULES 17, 21: the wait ends, the fetch goes on and serves the next."""
    credentials = StaticCredentials(on_refresh=lambda: time.sleep(1.0))
    signer = opened(credentials)
    started = time.monotonic()
    with pytest.raises((errors.DeadlineExceeded, errors.ProviderUnavailable)):
        signer.key(timeout=0.3)
    assert time.monotonic() - started < 0.3 + 0.25
    signer.key(timeout=5.0)
    assert credentials.refreshed == 1


def test_a_loop_goes_on_while_a_token_is_fetched(opened: Opened, key: Any) -> None:
    fetching = threading.Event()

    def slowly() -> None:
        if fetching.is_set():
            time.sleep(0.5)

    credentials = StaticCredentials("first", "second", life=0.2, on_refresh=slowly)
    known = opened(credentials).key()
    time.sleep(0.3)  # it has expired by now
    fetching.set()

    async def run() -> int:
        tasks = [asyncio.create_task(known.asign(MESSAGE)) for _ in range(20)]
        ticks = 0
        while not all(task.done() for task in tasks):
            ticks += 1
            await asyncio.sleep(0.01)
        for task in tasks:
            verify(key.public_key, "ES256", task.result())
        return ticks

    assert asyncio.run(run()) > 10
    assert credentials.refreshed <= 3


def test_the_quota_project_goes_along(gcp: GcpEmulator, opened: Opened) -> None:
    opened(StaticCredentials(), "&quota_project=p-2").check()
    assert gcp.metadata["x-goog-user-project"] == "p-2"
    assert gcp.metadata["authorization"] == f"Bearer {CANARY}"


def test_impersonation(gcp: GcpEmulator, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source's token goes to IAM, the account's to Cloud KMS."""
    asked: list[tuple[str, Any, Any]] = []

    def iam(self: Any, url: str, method: str = "GET", body: Any = None, headers: Any = None, *_: Any, **__: Any) -> Any:
        asked.append((url, json.loads(body), headers))
        data = json.dumps({"accessToken": "impersonated", "expireTime": "2199-01-01T00:00:00Z"}).encode()
        return SimpleNamespace(status=200, data=data, headers={})

    monkeypatch.setattr(google.auth.transport.requests.Request, "__call__", iam)
    opened(StaticCredentials(), "&impersonate=signer@p-1.iam.gserviceaccount.com").check()
    (url, body, headers), *others = asked
    assert not others
    assert (
        url
        == "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/signer@p-1.iam.gserviceaccount.com:generateAccessToken"
    )
    assert {name.lower(): value for name, value in headers.items()}["authorization"] == f"Bearer {CANARY}"
    assert body["scope"] == ["https://www.googleapis.com/auth/cloud-platform"]
    assert gcp.metadata["authorization"] == "Bearer impersonated"


def test_anonymous_credentials(opened: Opened, gcp: GcpEmulator) -> None:
    opened(AnonymousCredentials()).check()
    assert "authorization" not in gcp.metadata


@pytest.mark.parametrize("what", ["token", object(), {"token": CANARY}])
def test_what_is_no_credential_is_refused(what: Any, opened: Opened) -> None:
    with pytest.raises(errors.ConfigurationError, match="not synchronous google-auth credentials") as caught:
        opened(what)
    assert CANARY not in caught.value.diagnostics()


def test_two_answers_to_one_question_are_refused(key: Any) -> None:
    transport: Any = lambda: None  # noqa: E731 - never called
    for objects in ({"credentials": StaticCredentials()}, {"transport": transport}):
        with pytest.raises(errors.ConfigurationError, match="were given"):
            farsign_gcp.open_signer(key.uri, **objects)
    with pytest.raises(errors.ConfigurationError, match="were given"):
        farsign_gcp.open_signer(f"gcpkms://{KEY}", credentials=StaticCredentials(), transport=transport)
    with pytest.raises(errors.InvalidKeyURI, match="no Cloud KMS key"):
        farsign_gcp.open_signer("memory:x")


def test_a_signer_with_objects_is_not_picklable(opened: Opened) -> None:
    """RULES 8."""
    with pytest.raises(errors.NotPicklable):
        pickle.dumps(opened(StaticCredentials()))


def test_a_transport_has_to_be_a_synchronous_one(gcp: GcpEmulator) -> None:
    def asynchronous() -> Any:
        async def make() -> Any:
            return KeyManagementServiceGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(gcp.url))

        return asyncio.run(make())

    for transport in (object(), lambda: "x", asynchronous):
        with pytest.raises(errors.ConfigurationError, match="no synchronous KeyManagementService transport"):
            farsign_gcp.open_signer(f"gcpkms://{KEY}", transport=transport)


def test_a_grpc_transport_of_the_callers(gcp: GcpEmulator, key: Any) -> None:
    """It stays open: it is the caller's."""
    transport = KeyManagementServiceGrpcTransport(channel=grpc.insecure_channel(gcp.url))
    for _ in range(2):
        with farsign_gcp.open_signer(key.uri.partition("?")[0], transport=transport) as signer:
            verify(key.public_key, "ES256", signer.key().sign(MESSAGE))
            verify(key.public_key, "ES256", asyncio.run(signer.key().asign(MESSAGE)))
    transport.close()


class Records(logging.Handler):
    """All that anybody logs while it is in place, whatever a logger's own settings are."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.told = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.told += repr(vars(record))

    def __enter__(self) -> Records:
        self._before = [(logger, logger.level) for logger in map(logging.getLogger, ("", "google"))]
        for logger, _ in self._before:
            logger.addHandler(self)
            logger.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *_: object) -> None:
        for logger, level in self._before:
            logger.removeHandler(self)
            logger.setLevel(level)


def test_no_log_of_anybodys_holds_a_token_or_a_digest(opened: Opened, gcp: GcpEmulator, key: Any) -> None:
    """RULES 16. Google's client puts requests and metadata into its records as soon as the root logger is at DEBUG."""
    with Records() as theirs:
        sdk(gcp.url).get_public_key(name=key.version, retry=None, timeout=5)
    assert "payload" in theirs.told
    with Records() as ours:
        opened(StaticCredentials()).check()
    assert "payload" not in ours.told
    assert CANARY not in ours.told
