"""What went wrong, on the wire, and the class it becomes; what is retried; what is not told."""

from __future__ import annotations

import asyncio
import hashlib
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from driving import MESSAGE
from keyvault import CANARY, StaticCredential, without_emulator_credential

import farsign
from farsign import errors
from farsign.driver import SignRequest
from farsign.testing.emulator import Reply
from farsign_azure._driver import VaultKey
from farsign_azure._emulator import AzureEmulator
from farsign_azure._emulator_errors import OTHERS, SITUATIONS, VaultError

DIGEST = hashlib.sha256(MESSAGE).digest()
SKEWED = (
    "AADSTS700024: Client assertion is not within its valid time range. Current time: 2026-01-01T10:00:00.0000000Z, "
    "assertion valid from 2026-01-01T08:00:00.0000000Z, expiry time of assertion 2026-01-01T09:00:00.0000000Z."
)
QUICK = farsign.Policy(timeout=1.0, attempt_timeout=0.5)
ONCE = farsign.Policy(timeout=5.0, attempts=1)

# status, code, message, inner code -> class, a part of the next step. Texts: the service's, and those that independent servers answer.
ROWS = [
    (400, "BadParameter", "Algorithm ES384 is not supported by this key.", "", errors.KeyMisuse, "signing key"),
    (400, "BadParameter", "The specified version (9.9) is not recognized.", "", errors.KeyMisuse, "api_version="),
    (400, "BadParameter", "api-version must be specified", "", errors.KeyMisuse, "api_version="),
    (401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.", "", errors.CredentialsExpired, "renew"),
    (
        401,
        "Unauthorized",
        "AKV10022: Invalid audience. Expected https://vault.azure.net, found: x.",
        "",
        errors.CredentialsExpired,
        "renew",
    ),
    (
        401,
        "Unauthorized",
        "AKV10046: Unable to resolve the key used for signature validation.",
        "",
        errors.CredentialsExpired,
        "renew",
    ),
    (403, "Forbidden", "Operation sign is not allowed on a disabled key.", "KeyDisabled", errors.KeyDisabled, "enable"),
    (403, "Forbidden", "Operation is not allowed on a disabled key.", "", errors.KeyDisabled, "enable"),
    (403, "Forbidden", "Operation is not allowed on an expired key.", "", errors.KeyDisabled, "expiry"),
    (403, "Forbidden", "Operation is not allowed on a key that is not yet valid.", "", errors.KeyUnavailable, "activation"),
    (403, "Forbidden", "Operation sign is not permitted on this key.", "", errors.KeyMisuse, "--ops sign"),
    (
        403,
        "Forbidden",
        "The principal is not permitted to perform keys/sign on this vault.",
        "",
        errors.PermissionDenied,
        "allow keys/sign",
    ),
    (
        403,
        "Forbidden",
        "Caller is not authorized to perform action on resource.\r\nAction: 'Microsoft.KeyVault/vaults/keys/sign/action'\r\n",
        "ForbiddenByRbac",
        errors.PermissionDenied,
        "allow keys/sign",
    ),
    (
        403,
        "Forbidden",
        "The user, group or application 'appid=x' does not have keys sign permission on key vault 'v;location=westeurope'.",
        "ForbiddenByPolicy",
        errors.PermissionDenied,
        "allow keys/sign",
    ),
    (
        403,
        "Forbidden",
        "Client address is not authorized and caller is not a trusted service.\r\nClient address: 192.0.2.1\r\n",
        "ForbiddenByFirewall",
        errors.PermissionDenied,
        "firewall",
    ),
    (
        403,
        "Forbidden",
        "Public network access is disabled.",
        "ForbiddenByConnection",
        errors.PermissionDenied,
        "private endpoint",
    ),
    (404, "KeyNotFound", "A key with (name/id) nope was not found in this key vault.", "", errors.KeyNotFound, "recovered"),
    (408, "RequestTimeout", "", "", errors.ProviderUnavailable, "later"),
    (409, "Conflict", "Key is currently in a deleted but recoverable state; ...", "", errors.KeyDeleted, "recover"),
    (409, "Conflict", "The key is being deleted.", "ObjectIsBeingDeleted", errors.KeyDeleted, "recover"),
    (409, "Conflict", "The key is being recovered.", "ObjectIsBeingRecovered", errors.KeyUnavailable, "retry later"),
    (429, "Throttled", "Request was not processed because too many requests were received.", "", errors.Throttled, "vault"),
    (500, "InternalServerError", "", "", errors.ProviderUnavailable, "later"),
    (502, "BadGateway", "", "", errors.ProviderUnavailable, "later"),
    (503, "ServerBusy", "", "", errors.ProviderUnavailable, "later"),
    (504, "GatewayTimeout", "", "", errors.ProviderUnavailable, "later"),
    (307, "Redirect", "", "", errors.ProviderUnavailable, "later"),
    (418, "Teapot", "", "", errors.ProviderUnavailable, "later"),
]


@pytest.mark.parametrize(("status", "code", "message", "inner", "kind", "step"), ROWS)
def test_the_table(
    azure: AzureEmulator, status: int, code: str, message: str, inner: str, kind: type[errors.ProviderError], step: str, order
) -> None:
    key = azure.create_key("ES256")
    with farsign.open_signer(key.uri, policy=ONCE) as signer:
        known = signer.key()
        order(VaultError(status, code, message, inner))
        with pytest.raises(errors.ProviderError) as caught:
            known.sign(MESSAGE)
    error = caught.value
    assert type(error) is kind
    assert step in error.next_step
    assert error.reason == inner or error.reason == code
    assert error.request_id
    assert error.request_id in str(error)
    if message:
        assert message[:30] not in error.diagnostics(), "the service's texts name callers and addresses"


@pytest.fixture
def order(azure: AzureEmulator, monkeypatch: pytest.MonkeyPatch) -> Callable[[VaultError], None]:
    """From now on every signature is answered by this error."""

    def set_up(error: VaultError) -> None:
        monkeypatch.setattr("farsign_azure._emulator.errors.situation", lambda name: error)
        azure.faults.error("sign", "ordered")

    return set_up


@pytest.mark.parametrize(
    ("permission", "act"),
    [
        ("keys/get", lambda driver, version: driver.describe(timeout=5)),
        ("keys/list", lambda driver, version: driver.versions(timeout=5)),
        ("keys/sign", lambda driver, version: driver.sign(SignRequest(version, "ES256", "digest", DIGEST), timeout=5)),
    ],
)
def test_the_missing_permission_is_named(
    azure: AzureEmulator, drive: Callable[..., VaultKey], permission: str, act: Callable[[VaultKey, str], object]
) -> None:
    key = azure.create_key("ES256")
    driver = drive(key.uri)
    azure.deny(permission)
    with pytest.raises(HttpResponseError) as caught:
        act(driver, key.version)
    failure = driver.classify(caught.value)
    assert failure
    assert failure.error is errors.PermissionDenied
    assert failure.permission == permission
    assert failure.reason == "ForbiddenByRbac"


@pytest.mark.parametrize(("retry_after", "told"), [(None, None), (7, 7.0)])
def test_a_throttle_with_and_without_retry_after(
    azure: AzureEmulator, drive: Callable[..., VaultKey], retry_after: float | None, told: float | None
) -> None:
    """The SDK would sleep, and without the header give up; here the Signer decides (retries are off)."""
    key = azure.create_key("ES256")
    driver = drive(key.uri)
    azure.faults.throttle("sign", retry_after=retry_after)
    started = time.monotonic()
    with pytest.raises(HttpResponseError) as caught:
        driver.sign(SignRequest(key.version, "ES256", "digest", DIGEST), timeout=5)
    assert time.monotonic() - started < 1.0
    assert azure.calls("sign") == 1
    failure = driver.classify(caught.value)
    assert failure
    assert (failure.error, failure.retry_after, failure.reason) == (errors.Throttled, told, "Throttled")


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "12"}, 12.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "\u00b2"}, None),
        ({"Retry-After": "9" * 400}, 86_400.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:47 GMT", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 10.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "2", "x-ms-retry-after-ms": "250"}, 2.0),
    ],
)
def test_what_retry_after_may_say(
    azure: AzureEmulator,
    drive: Callable[..., VaultKey],
    order: Callable[[VaultError], None],
    headers: dict[str, str],
    told: float | None,
) -> None:
    """As azure-core reads it; nonsense is as good as nothing, and breaks nothing."""

    class Telling(VaultError):
        def reply(self) -> Reply:
            reply = super().reply()
            reply.headers |= headers
            return reply

    key = azure.create_key("ES256")
    driver = drive(key.uri)
    order(Telling(429, "Throttled", ""))
    with pytest.raises(HttpResponseError) as caught:
        driver.sign(SignRequest(key.version, "ES256", "digest", DIGEST), timeout=5)
    failure = driver.classify(caught.value)
    assert failure
    assert (failure.error, failure.retry_after) == (errors.Throttled, told)


@pytest.mark.parametrize("name", ["unavailable", "ServiceUnavailable", "credentials-expired", "throttled"])
def test_the_sdk_itself_retries_nothing(azure: AzureEmulator, drive: Callable[..., VaultKey], name: str) -> None:
    key = azure.create_key("ES256")
    driver = drive(key.uri)
    driver.describe(timeout=5)
    azure.faults.error("sign", name)
    with pytest.raises(HttpResponseError):
        driver.sign(SignRequest(key.version, "ES256", "digest", DIGEST), timeout=5)
    # a 401 is answered once more, after the challenge: that is the protocol
    assert azure.calls("sign") == (2 if name == "credentials-expired" else 1)


def test_three_throttles_are_ridden_out(azure: AzureEmulator) -> None:
    key = azure.create_key("ES256")
    with farsign.open_signer(key.uri, policy=farsign.Policy(timeout=20)) as signer:
        signer.key()
        azure.faults.throttle("sign", times=3)
        signer.key().sign(MESSAGE)
    assert azure.calls("sign") == 4


def test_states_of_a_key(azure: AzureEmulator) -> None:
    """Not injected: the emulator's own answers, which are those that SITUATIONS orders."""
    now = time.time()

    def refusal(**attributes: object) -> errors.ProviderError:
        key = azure.create_key("ES256", **attributes)
        with farsign.open_signer(key.pinned, policy=QUICK) as signer, pytest.raises(errors.ProviderError) as caught:
            signer.key().sign(MESSAGE)
        return caught.value

    assert type(refusal(enabled=False)) is errors.KeyDisabled
    assert type(refusal(exp=now - 1)) is errors.KeyDisabled
    assert type(refusal(nbf=now + 3600)) is errors.KeyUnavailable
    assert type(refusal(ops=["verify"])) is errors.KeyMisuse


def test_soft_deleted_recovered_and_purged(azure: AzureEmulator) -> None:
    key = azure.create_key("ES256", "auth")
    with farsign.open_signer(key.uri, policy=QUICK) as signer:
        known = signer.key()
        azure.delete(key)
        with pytest.raises(errors.KeyNotFound):
            known.sign(MESSAGE)
        with pytest.raises(errors.KeyNotFound):
            signer.key()
        azure.enable(key)
        signer.invalidate()
        signer.key().sign(MESSAGE)


def test_missing_vaults_keys_and_versions(azure: AzureEmulator) -> None:
    key = azure.create_key("ES256", "auth")
    for uri in (key.uri.replace("/auth?", "/nope?"), key.pinned.replace(key.version_id, "0" * 32)):
        with farsign.open_signer(uri, policy=QUICK) as signer, pytest.raises(errors.KeyNotFound):
            signer.key()


def test_a_vault_whose_name_does_not_resolve() -> None:
    """RFC 6761: .invalid never does."""
    uri = "azurekms://vault.farsign.invalid/auth"
    import farsign_azure

    opened = farsign_azure.open_signer(uri, credential=StaticCredential(), policy=QUICK, allow_hosts=["vault.farsign.invalid"])
    with opened as signer, pytest.raises(errors.ProviderUnavailable) as caught:
        signer.key()
    assert not caught.value.answered
    assert "VAULT" in caught.value.next_step


def test_no_server_is_no_answer(azure: AzureEmulator, drive: Callable[..., VaultKey]) -> None:
    key = azure.create_key("ES256")
    driver = drive(key.uri)
    request = SignRequest(driver.describe(timeout=5).version, "ES256", "digest", DIGEST)
    azure.close()
    with pytest.raises(AzureError) as caught:
        driver.sign(request, timeout=5)
    failure = driver.classify(caught.value)
    assert failure
    assert (failure.error, failure.answered) == (errors.ProviderUnavailable, False)
    assert "check VAULT or endpoint=" in failure.next_step
    azure.start()
    assert driver.sign(request, timeout=5).signature


@pytest.mark.parametrize("kind", ["reset", "truncate", "garbage"])
def test_broken_replies_async(azure: AzureEmulator, kind: str) -> None:
    """aiohttp fails in other ways than requests does."""

    async def run() -> None:
        async with farsign.open_signer(azure.create_key("ES256").uri, policy=farsign.Policy(timeout=20)) as signer:
            key = await signer.akey()
            azure.faults.order(f"{kind}:sign:2")
            await key.asign(MESSAGE)

    asyncio.run(run())
    assert azure.calls("sign") == 3


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (
            ClientAuthenticationError("DefaultAzureCredential failed to retrieve a token from the included credentials."),
            errors.CredentialsNotFound,
        ),
        (
            ClientAuthenticationError("Authentication failed: AADSTS7000222: The provided client secret keys are expired."),
            errors.CredentialsExpired,
        ),
        (ClientAuthenticationError(f"Authentication failed: {SKEWED}"), errors.ClockSkew),
        (
            ClientAuthenticationError(
                f"DefaultAzureCredential failed.\n\tWorkloadIdentityCredential: Authentication failed: {SKEWED}"
            ),
            errors.ClockSkew,
        ),
    ],
)
def test_what_credentials_say(azure: AzureEmulator, error: Exception, kind: type[errors.ProviderError]) -> None:
    import farsign_azure

    def fail() -> str:
        raise error

    uri = without_emulator_credential(azure.create_key("ES256").uri)
    opened = farsign_azure.open_signer(uri, credential=StaticCredential(fail), policy=QUICK)
    with opened as signer, pytest.raises(errors.ProviderError) as caught:
        signer.key()
    assert type(caught.value) is kind
    assert caught.value.next_step


def test_an_error_of_our_own_making_is_no_ones_failure(azure: AzureEmulator, drive: Callable[..., VaultKey]) -> None:
    driver = drive(azure.create_key("ES256").uri)
    for bug in (KeyError("x"), AttributeError("'VaultKey' object has no attribute 'x'"), ValueError("x"), TypeError()):
        assert driver.classify(bug) is None


@pytest.mark.parametrize("name", sorted(SITUATIONS | OTHERS))
def test_nothing_confidential_in_an_error(azure: AzureEmulator, name: str) -> None:
    """RULES 16: not in its text, nor in what it holds on to."""
    import farsign_azure

    uri = without_emulator_credential(azure.create_key("ES256").uri)
    with azure.tokens._lock:
        azure.tokens._granted[CANARY] = azure.tokens._granted["token-of-the-farsign-emulator"]
    with farsign_azure.open_signer(uri, credential=StaticCredential(), policy=ONCE) as signer:
        key = signer.key()
        azure.faults.error("sign", name)
        with pytest.raises(errors.ProviderError) as caught:
            key.sign(MESSAGE)
    told = "".join(traceback.format_exception(caught.value))
    seen: set[int] = set()

    def walk(thing: object) -> None:
        nonlocal told
        if id(thing) in seen or len(seen) > 10_000 or isinstance(thing, type):
            return
        seen.add(id(thing))
        if isinstance(thing, (str, bytes)):
            told += repr(thing)
        elif isinstance(thing, dict):
            for each in (*thing.keys(), *thing.values()):
                walk(each)
        elif isinstance(thing, (list, tuple, set)):
            for each in thing:
                walk(each)
        elif hasattr(thing, "__dict__") and not callable(thing):
            walk(vars(thing))

    error: BaseException | None = caught.value
    while error is not None:
        walk(error.args)
        walk(vars(error))
        error = error.__cause__ or error.__context__
    for secret in (CANARY, "bWVzc2FnZQ", DIGEST.hex(), farsign._base.encodings.b64url_encode(DIGEST)):
        assert secret not in told


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, errors.IntegrityFailure),
        (403, errors.PermissionDenied),
        (429, errors.Throttled),
        (502, errors.ProviderUnavailable),
        (503, errors.ProviderUnavailable),
    ],
)
@pytest.mark.parametrize("body", [b"<html>", b"\xff"])
def test_a_page_that_calls_itself_json(
    azure: AzureEmulator, status: int, kind: type[errors.ProviderError], body: bytes, drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status counts, where it says something."""
    driver = drive(azure.create_key("ES256").uri)
    driver.describe(timeout=5)
    monkeypatch.setattr(azure, "answer", lambda request: Reply(status, body, {"Content-Type": "application/json"}))
    with pytest.raises(Exception) as caught:
        driver.describe(timeout=5)
    failure = driver.classify(caught.value)
    assert kind is (failure.error if failure else type(caught.value))


@pytest.mark.parametrize("file", ["missing", "none.pem"])
def test_a_ca_file_that_is_none(azure: AzureEmulator, file: str, tmp_path: Path) -> None:
    assert azure.certificate
    (tmp_path / "none.pem").touch()
    uri = azure.create_key("ES256").uri.replace(azure.certificate.ca_file, str(tmp_path / file))
    with (
        pytest.raises((errors.ConfigurationError, errors.ProviderUnavailable)) as caught,
        farsign.open_signer(uri, policy=ONCE) as signer,
    ):
        signer.key()
    assert "ca_cert=" in caught.value.next_step


def test_a_reply_of_more_than_a_mebibyte_is_not_read(azure: AzureEmulator, drive, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = drive(azure.create_key("ES256").uri)
    driver.describe(timeout=5)
    monkeypatch.setattr(azure, "answer", lambda request: Reply(200, b" " * (3 << 20), {"Content-Type": "application/json"}))
    with pytest.raises(errors.IntegrityFailure, match="1 MiB"):
        driver.describe(timeout=5)
