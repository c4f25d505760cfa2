"""What went wrong, on the wire, and the class it becomes; what is tried again; what is not told."""

from __future__ import annotations

import hashlib
import socket
import time
import traceback
from collections.abc import Callable

import pytest
import requests
from driving import MESSAGE
from hvac.exceptions import VaultDown, VaultError
from transit import CANARY, ask

import farsign
from farsign import errors
from farsign.driver import SignRequest
from farsign.testing._http import HttpServer
from farsign.testing.emulator import Reply, Request
from farsign_vault._driver import VaultKey
from farsign_vault._emulator import VaultEmulator
from farsign_vault._emulator_errors import ServerError, internal

DIGEST = hashlib.sha256(MESSAGE).digest()
ONCE = farsign.Policy(timeout=5.0, attempts=1)


def plugin(status: int, text: str) -> ServerError:
    return ServerError(status, f"1 error occurred:\n\t* {text}\n\n")


# what the server says -> class, a part of the next step. Texts as OpenBao 2.6 answered them, or as its source or Vault's has them.
ROWS = [
    (ServerError(400, "signing key not found"), errors.KeyNotFound, "namespace"),
    (ServerError(400, "missing client token"), errors.CredentialsExpired, "renew"),
    (ServerError(400, 'invalid hash algorithm "md5"'), errors.KeyMisuse, "signing key"),
    (ServerError(400, "unable to decode input as base64: illegal base64 data"), errors.KeyMisuse, "signing key"),
    (ServerError(400, "key type aes256-gcm96 does not support signing"), errors.KeyMisuse, "signing key"),
    (
        ServerError(400, "hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15"),
        errors.KeyMisuse,
        "signing",
    ),
    (ServerError(400, "salt length is invalid: -2"), errors.KeyMisuse, "signing key"),
    (ServerError(401, "unauthorized"), errors.CredentialsExpired, "renew"),
    (ServerError(403, "permission denied"), errors.CredentialsExpired, "VAULT_TOKEN"),
    (
        ServerError(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"),
        errors.CredentialsExpired,
        "VAULT_TOKEN",
    ),
    (ServerError(403), errors.CredentialsExpired, "VAULT_TOKEN"),
    (plugin(403, "permission denied"), errors.PermissionDenied, 'path "transit/sign/auth" { capabilities = ["update"] }'),
    (ServerError(404), errors.KeyNotFound, "transit/keys"),
    (ServerError(404, "namespace not found"), errors.KeyNotFound, "VAULT_NAMESPACE"),
    (ServerError(404, 'no handler for route "kms/sign/auth". route entry not found.'), errors.KeyNotFound, "secrets enable"),
    (plugin(404, "unsupported path"), errors.KeyNotFound, "mount"),
    (plugin(405, "unsupported operation"), errors.KeyMisuse, "no transit engine"),
    (ServerError(408), errors.ProviderUnavailable, "later"),
    (ServerError(412, "required index state not present"), errors.KeyUnavailable, "active"),
    (ServerError(413, "http: request body too large"), errors.KeyMisuse, "max_request_size"),
    (ServerError(429, 'request path "transit/sign/auth": rate limit quota exceeded'), errors.Throttled, "quota"),
    (ServerError(472), errors.ProviderUnavailable, "later"),
    (ServerError(473), errors.ProviderUnavailable, "later"),
    (
        internal("requested version for signing is less than the minimum encryption key version"),
        errors.KeyDisabled,
        "min_encryption",
    ),
    (internal("requested version for signing is higher than the latest key version"), errors.KeyNotFound, "version="),
    (internal("requested version for signing is negative"), errors.KeyMisuse, "signing key"),
    (internal("requested version for signing does not contain a private part"), errors.KeyMisuse, "signing key"),
    (internal("no such key version"), errors.KeyNotFound, "version="),
    (internal("key is soft deleted"), errors.KeyDeleted, "restore"),
    (internal("policy has been soft-deleted"), errors.KeyDeleted, "restore"),
    (internal("crypto/rsa: input must be hashed message"), errors.KeyMisuse, "signing key"),
    (internal("unsupported rsa signature algorithm pkcs7"), errors.KeyMisuse, "signing key"),
    (internal("unsupported hash algorithm"), errors.KeyMisuse, "signing key"),
    (internal("requested salt length 999 is invalid"), errors.KeyMisuse, "signing key"),
    (internal("missing 'context' for key derivation; the key was created using a derived key"), errors.KeyMisuse, "signing key"),
    (internal("message signing not supported for key type hmac"), errors.KeyMisuse, "signing key"),
    (internal("context deadline exceeded"), errors.ProviderUnavailable, "later"),
    (internal("storage is on fire"), errors.ProviderUnavailable, "later"),
    (ServerError(500, "local node not active but active cluster node not found"), errors.ProviderUnavailable, "quorum"),
    (ServerError(500), errors.ProviderUnavailable, "later"),
    (ServerError(501, "Vault is not initialized"), errors.ProviderUnavailable, "operator init"),
    (ServerError(502), errors.ProviderUnavailable, "later"),
    (ServerError(503, "Vault is sealed"), errors.ProviderUnavailable, "unseal"),
    (ServerError(503), errors.ProviderUnavailable, "later"),
    (ServerError(504), errors.ProviderUnavailable, "later"),
    (ServerError(307), errors.ProviderUnavailable, "standby"),
    (ServerError(301), errors.ProviderUnavailable, "standby"),
    (ServerError(418, "teapot"), errors.ProviderUnavailable, "later"),
]


@pytest.mark.parametrize(("answer", "kind", "step"), ROWS, ids=[f"{row[0].status} {' '.join(row[0].told)[:40]}" for row in ROWS])
def test_the_table(
    vault: VaultEmulator, order: Callable[[ServerError], None], answer: ServerError, kind: type[errors.ProviderError], step: str
) -> None:
    key = vault.create_key("ES256", "auth")
    with farsign.open_signer(key.uri, policy=ONCE) as signer:
        known = signer.key()
        order(answer)
        with pytest.raises(errors.ProviderError) as caught:
            known.sign(MESSAGE)
    error = caught.value
    assert type(error) is kind
    assert step in error.next_step
    assert error.reason == f"HTTP {answer.status}"
    for text in answer.told:
        assert text[:30] not in str(error), "the server's texts may repeat what was sent"


@pytest.fixture
def order(vault: VaultEmulator, monkeypatch: pytest.MonkeyPatch) -> Callable[[ServerError], None]:
    """From now on every signature is answered by this."""

    def set_up(error: ServerError) -> None:
        monkeypatch.setattr("farsign_vault._emulator.errors.situation", lambda name, path: error)
        vault.faults.error("sign", "ordered")

    return set_up


@pytest.mark.parametrize("mount", ["transit", "team/kms"])
@pytest.mark.parametrize(
    ("verb", "capability", "act"),
    [
        ("keys", "read", lambda driver, version: driver.describe(timeout=5)),
        ("keys", "read", lambda driver, version: driver.versions(timeout=5)),
        ("sign", "update", lambda driver, version: driver.sign(SignRequest(version, "ES256", "digest", DIGEST), timeout=5)),
    ],
)
def test_the_missing_permission_is_named(
    vault: VaultEmulator,
    drive: Callable[..., VaultKey],
    mount: str,
    verb: str,
    capability: str,
    act: Callable[[VaultKey, str], object],
) -> None:
    key = vault.create_key("ES256", "auth", mount=mount)
    driver = drive(key.uri)
    vault.deny(f"{mount}/{verb}/auth")
    with pytest.raises(VaultError) as caught:
        act(driver, key.version)
    failure = driver.classify(caught.value)
    assert failure
    assert (failure.error, failure.permission) == (errors.PermissionDenied, f"{capability} on {mount}/{verb}/auth")


def test_states_of_a_server(vault: VaultEmulator) -> None:
    """Not injected: the emulator's own moods."""
    key = vault.create_key("ES256", "auth")

    def refusal() -> errors.ProviderError:
        with farsign.open_signer(key.uri, policy=ONCE) as signer, pytest.raises(errors.ProviderError) as caught:
            signer.key()
        return caught.value

    vault.quota, vault.retry_after = 0, True
    throttled = refusal()
    assert (type(throttled), throttled.retry_after) == (errors.Throttled, 1.0)
    vault.retry_after = False
    assert refusal().retry_after is None
    vault.quota, vault.standby = None, ""
    assert "no active node" in refusal().next_step
    vault.standby = "http://10.0.0.9:8200"
    assert "active node" in refusal().next_step
    vault.sealed = True
    assert "unseal" in refusal().next_step
    vault.sealed, vault.standby = False, None
    with farsign.open_signer(key.uri) as signer:
        signer.check()


def test_keys_that_are_not_there(vault: VaultEmulator) -> None:
    for uri, step in (
        (f"hashivault://nope?addr={vault.url}&auth=emulator", "key, mount and namespace"),
        (f"hashivault://nope?mount=kms&addr={vault.url}&auth=emulator", "no engine is mounted"),
        (f"hashivault://nope?namespace=kms&addr={vault.url}&auth=emulator", "namespace="),
    ):
        with farsign.open_signer(uri) as signer, pytest.raises(errors.KeyNotFound) as caught:
            signer.key()
        assert step in caught.value.next_step


def test_a_quota_is_ridden_out(vault: VaultEmulator) -> None:
    key = vault.create_key("ES256")
    with farsign.open_signer(key.uri, policy=farsign.Policy(timeout=20)) as signer:
        signer.key()
        vault.quota = 5
        for _ in range(8):
            signer.key().sign(MESSAGE)


def test_one_throttle_waits_as_long_as_it_says(vault: VaultEmulator) -> None:
    key = vault.create_key("ES256")
    with farsign.open_signer(key.uri, policy=farsign.Policy(timeout=20)) as signer:
        signer.key()
        vault.faults.throttle("sign", 1, retry_after=1)
        started = time.monotonic()
        signer.key().sign(MESSAGE)
        assert time.monotonic() - started >= 1.0
    assert vault.calls("sign") == 2


@pytest.mark.parametrize("name", ["unavailable", "throttled", "key-unavailable", "credentials-expired", "storage is on fire"])
def test_layers_of_retry_do_not_multiply(vault: VaultEmulator, drive: Callable[..., VaultKey], name: str) -> None:
    """One driver call is one request, whatever it meets."""
    key = vault.create_key("ES256")
    driver = drive(key.uri)
    driver.describe(timeout=5)
    vault.faults.error("sign", name)
    with pytest.raises(VaultError):
        driver.sign(SignRequest(key.version, "ES256", "digest", DIGEST), timeout=5)
    assert vault.calls("sign") == 1


@pytest.mark.parametrize(
    ("name", "attempts"), [("unavailable", 8), ("disabled", 1), ("denied", 1), ("misuse", 1), ("not-found", 2)]
)
def test_how_often_an_operation_asks(vault: VaultEmulator, name: str, attempts: int) -> None:
    """The budget that permanent errors as HTTP 500 would burn."""
    key = vault.create_key("ES256")
    with farsign.open_signer(key.uri, policy=farsign.Policy(timeout=20)) as signer:
        held = signer.key()
        vault.faults.error("sign", name)
        with pytest.raises(errors.ProviderError):
            held.sign(MESSAGE)
    assert vault.calls("sign") == attempts


def test_a_server_that_resets_is_asked_again_at_once_on_a_new_connection(
    vault: VaultEmulator, drive: Callable[..., VaultKey]
) -> None:
    """RULES 23: outside budget and breaker."""
    key = vault.create_key("ES256")
    driver = drive(key.uri)
    driver.describe(timeout=5)  # the connection that is reused
    vault.faults.order("reset:sign:1")
    reply = driver.sign(SignRequest(key.version, "ES256", "digest", DIGEST), timeout=5)
    assert reply.version == key.version
    assert vault.calls("sign") == 2


def test_a_reset_on_a_fresh_connection_is_a_failure(vault: VaultEmulator, drive: Callable[..., VaultKey]) -> None:
    key = vault.create_key("ES256")
    driver = drive(key.uri)
    vault.faults.order("reset:describe:1")
    with pytest.raises(requests.ConnectionError) as caught:
        driver.describe(timeout=5)
    failure = driver.classify(caught.value)
    assert failure
    assert (failure.error, failure.reason, failure.answered) == (errors.ProviderUnavailable, "connect", False)


def test_a_connection_that_was_idle_is_not_trusted(
    vault: VaultEmulator, drive: Callable[..., VaultKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    """RULES 23."""
    key = vault.create_key("ES256")
    driver = drive(key.uri)
    ports = set()
    handler = vault._server._handler

    def count(request: Request) -> Reply:
        ports.update(sock.getpeername()[1] for sock in list(vault._server._connections))
        return handler(request)

    monkeypatch.setattr(vault._server, "_handler", count)
    driver.describe(timeout=5)
    driver.describe(timeout=5)
    assert len(ports) == 1
    monkeypatch.setattr("farsign._plugin.kept.IDLE", 0.0)
    time.sleep(0.01)
    driver.describe(timeout=5)
    assert len(ports) == 2


@pytest.mark.parametrize(
    ("fault", "reasons"),
    [("stall", {"timeout"}), ("slow_drip:9", {"timeout"}), ("truncate", {"reset"}), ("garbage", {"garbled reply"})],
)
def test_broken_replies(vault: VaultEmulator, fault: str, reasons: set[str]) -> None:
    key = vault.create_key("ES256")
    with farsign.open_signer(key.uri, policy=farsign.Policy(timeout=1.0, attempt_timeout=0.5, attempts=1)) as signer:
        held = signer.key()
        kind, _, seconds = fault.partition(":")
        vault.faults.order(f"{kind}:sign{':' + seconds if seconds else ''}")
        with pytest.raises((errors.ProviderUnavailable, errors.IntegrityFailure, errors.DeadlineExceeded)) as caught:
            held.sign(MESSAGE)
    last = caught.value.__cause__ if isinstance(caught.value, errors.DeadlineExceeded) else caught.value
    assert isinstance(last, errors.ProviderError)
    assert last.reason in reasons


def test_a_reply_of_more_than_a_mebibyte_is_not_read(drive: Callable[..., VaultKey]) -> None:
    server = HttpServer(lambda request: Reply(200, b" " * (3 << 20), {"Content-Type": "application/json"}))
    server.start()
    try:
        driver = drive(f"hashivault://k?addr=http://127.0.0.1:{server.port}&auth=emulator")
        with pytest.raises(errors.IntegrityFailure, match="1 MiB"):
            driver.describe(timeout=5)
    finally:
        server.close()


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "9" * 400}, 86_400.0),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:47 GMT", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 10.0),
        ({"Retry-After": "inf"}, None),
        ({}, None),
    ],
)
def test_what_retry_after_may_say(drive: Callable[..., VaultKey], headers: dict[str, str], told: float | None) -> None:
    server = HttpServer(lambda request: Reply(429, b'{"errors":["request path: rate limit quota exceeded"]}', dict(headers)))
    server.start()
    try:
        driver = drive(f"hashivault://k?addr=http://127.0.0.1:{server.port}&auth=emulator")
        with pytest.raises(VaultError) as caught:
            driver.describe(timeout=5)
    finally:
        server.close()
    failure = driver.classify(caught.value)
    assert failure
    assert (failure.error, failure.retry_after) == (errors.Throttled, told)


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"", b"<html>", b"[" * 100_000])
@pytest.mark.parametrize("status", [200, 400, 403, 500, 503])
def test_replies_that_are_not_the_servers(drive: Callable[..., VaultKey], body: bytes, status: int) -> None:
    """A proxy's page, or worse."""
    server = HttpServer(lambda request: Reply(status, body, {"Content-Type": "text/html"}))
    server.start()
    try:
        driver = drive(f"hashivault://k?addr=http://127.0.0.1:{server.port}&auth=emulator")
        with pytest.raises((errors.IntegrityFailure, VaultError)) as caught:
            driver.describe(timeout=5)
        if isinstance(caught.value, VaultError):
            assert driver.classify(caught.value)
    finally:
        server.close()


def test_plain_http_to_a_server_that_speaks_tls(drive: Callable[..., VaultKey]) -> None:
    """The answer is no JSON."""
    server = HttpServer(
        lambda request: Reply(400, b"Client sent an HTTP request to an HTTPS server.\n", {"Content-Type": "text/plain"})
    )
    server.start()
    try:
        driver = drive(f"hashivault://k?addr=http://127.0.0.1:{server.port}&auth=emulator")
        with pytest.raises(VaultError) as caught:
            driver.describe(timeout=5)
    finally:
        server.close()
    failure = driver.classify(caught.value)
    assert failure
    assert failure.error is errors.ProviderUnavailable
    assert "https://" in failure.next_step


def test_nobody_listens(drive: Callable[..., VaultKey]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    driver = drive(f"hashivault://k?addr=http://127.0.0.1:{port}&auth=emulator")
    with pytest.raises(requests.ConnectionError) as caught:
        driver.describe(timeout=5)
    failure = driver.classify(caught.value)
    assert failure
    assert (failure.reason, failure.answered) == ("connect", False)


def test_a_name_that_does_not_resolve(drive: Callable[..., VaultKey], monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    driver = drive("hashivault://k?addr=https://vault.invalid&auth=emulator", allow_hosts=("vault.invalid",))
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(requests.ConnectionError) as caught:
        driver.describe(timeout=5)
    failure = driver.classify(caught.value)
    assert failure
    assert failure.reason == "dns"
    assert "addr=" in failure.next_step


def test_what_nobody_knows_is_the_backends_own_mistake(drive: Callable[..., VaultKey], vault: VaultEmulator) -> None:
    driver = drive(vault.create_key("ES256").uri)
    assert driver.classify(ZeroDivisionError()) is None
    known = driver.classify(VaultDown("x"))
    assert known
    assert known.error is errors.ProviderUnavailable


def test_nothing_secret_is_told(vault: VaultEmulator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """RULES 16: the token in the environment, a server that repeats it, and requests' errors, which hold the request."""
    key = vault.create_key("ES256", "auth")
    monkeypatch.setenv("VAULT_ADDR", vault.url)
    monkeypatch.setenv("VAULT_TOKEN", CANARY)
    with farsign.open_signer("hashivault://auth", policy=ONCE) as signer, caplog.at_level("DEBUG"):
        for name in (f"bad token {CANARY}", "sealed"):
            vault.faults.error("describe", name)
            with pytest.raises(errors.ProviderError) as caught:
                signer.key()
            vault.faults.clear()
            told = "".join(traceback.format_exception(caught.value)) + caught.value.diagnostics() + repr(signer)
            assert CANARY not in told
        vault.close()
        with pytest.raises(errors.ProviderError) as caught:
            signer.key()
        assert CANARY not in "".join(traceback.format_exception(caught.value)) + caplog.text
        error: BaseException | None = caught.value
        while error is not None:
            assert not isinstance(error, requests.RequestException)
            error = error.__cause__ or error.__context__
    assert key.version


def test_the_emulator_answers_what_the_table_expects(vault: VaultEmulator) -> None:
    """The texts above are also what a request without any SDK gets here."""
    vault.create_key("ES256", "auth")
    assert ask(vault, "POST", "transit/sign/nope", {})[:2] == (400, {"errors": ["signing key not found"]})
    assert ask(vault, "GET", "transit/keys/nope")[:2] == (404, {"errors": []})
    assert ask(vault, "POST", "transit/sign/auth", {"key_version": 9})[0] == 500


@pytest.mark.parametrize(
    ("body", "headers", "kind", "reason"),
    [
        (b"no gzip", {"Content-Encoding": "gzip"}, errors.IntegrityFailure, "garbled reply"),
        (b'{"data":{"signature":"vault:v1:AA","key_version":1e999}}', {}, errors.IntegrityFailure, "garbled reply"),
    ],
)
def test_bodies_that_cannot_be_read(
    drive: Callable[..., VaultKey], body: bytes, headers: dict[str, str], kind: type[Exception], reason: str
) -> None:
    server = HttpServer(lambda request: Reply(200, body, headers))
    server.start()
    driver = drive(f"hashivault://k?addr=http://127.0.0.1:{server.port}&auth=emulator")
    with pytest.raises((kind, requests.RequestException)) as caught:
        driver.sign(SignRequest("transit/k/v1", "ES256", "digest", bytes(32)), timeout=5)
    server.close()
    if isinstance(caught.value, requests.RequestException):
        failure = driver.classify(caught.value)
        assert failure
        assert (failure.error, failure.reason) == (kind, reason)


def test_silence_within_a_body_is_a_timeout(vault: VaultEmulator, drive: Callable[..., VaultKey]) -> None:
    driver = drive(vault.create_key("ES256").uri)
    driver.describe(timeout=5)
    vault.faults.slow_drip("describe", 60.0)
    with pytest.raises(requests.RequestException) as caught:
        driver.describe(timeout=0.03)  # less than the pause between two pieces
    failure = driver.classify(caught.value)
    assert failure
    assert (failure.reason, failure.answered) == ("timeout", False)
