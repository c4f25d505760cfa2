"""Tokens: fetched once for all, renewed ahead and after a refusal, claims passed on, azure-identity's own credentials."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.keyvault.keys._shared import HttpChallengeCache
from driving import MESSAGE, under_load, verify
from keyvault import StaticCredential, without_emulator_credential

import farsign
import farsign_azure
from farsign.errors import ClockSkew, ConfigurationError, CredentialsExpired
from farsign.testing.emulator import Reply, Request
from farsign_azure import _client
from farsign_azure._emulator import AzureEmulator

PATIENT = farsign.Policy(timeout=20.0, attempt_timeout=10.0)


def test_one_token_for_all_keys_threads_and_loops(azure: AzureEmulator) -> None:
    """RULES 21: credentials are a single flight."""

    def slowly() -> str:
        time.sleep(0.2)
        return azure.tokens.grant()

    credential = StaticCredential(slowly)
    signers = [
        farsign_azure.open_signer(without_emulator_credential(azure.create_key("ES256").uri), credential=credential)
        for _ in range(8)
    ]
    threads = [threading.Thread(target=lambda signer=signer: signer.key().sign(MESSAGE)) for signer in signers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    async def run() -> None:
        await asyncio.gather(*(signer.key().asign(MESSAGE) for signer in signers))

    asyncio.run(run())
    for signer in signers:
        signer.close()
    assert len(credential.asked) == 1
    assert azure.calls("sign") == 16


def test_a_token_is_renewed_before_it_ends(azure: AzureEmulator) -> None:
    """The SDK asks again within five minutes of the end; ours asks the credential at 80 % of a token's life."""
    credential = StaticCredential(azure.tokens.grant, life=2.0)
    uri = without_emulator_credential(azure.create_key("ES256").uri)
    with farsign_azure.open_signer(uri, credential=credential) as signer:
        key = signer.key()
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            key.sign(MESSAGE)
    assert 2 <= len(credential.asked) <= 6


@pytest.mark.parametrize("native", [False, True])
def test_a_refused_token_is_fetched_again_once(azure: AzureEmulator, native: bool) -> None:
    granted: list[str] = []

    def grant() -> str:
        granted.append(azure.tokens.grant())
        return granted[-1]

    uri = without_emulator_credential(azure.create_key("ES256").uri)
    with farsign_azure.open_signer(uri, credential=StaticCredential(grant)) as signer:
        key = signer.key()
        azure.tokens.revoke(granted[0])
        _sign(key, native)
        assert len(granted) == 2
        azure.tokens.revoke(granted[1])
        with pytest.raises(CredentialsExpired):
            _sign(key, native)
        assert len(granted) == 2, "at most one fetch in 30 s"


def _sign(key: farsign.SigningKey, native: bool) -> bytes:
    return asyncio.run(key.asign(MESSAGE)) if native else key.sign(MESSAGE)


def test_an_expired_token_is_what_the_clock_of_the_vault_says(azure: AzureEmulator) -> None:
    uri = without_emulator_credential(azure.create_key("ES256").uri)
    with farsign_azure.open_signer(uri, credential=StaticCredential(azure.tokens.grant)) as signer:
        key = signer.key()
        azure.clock.advance(4000)
        verify_ok = key.sign(MESSAGE)
        assert verify_ok


def test_a_token_that_another_threads_refusal_took_away(azure: AzureEmulator, drive, monkeypatch: pytest.MonkeyPatch) -> None:
    """azure-keyvault-keys shares ``_token`` between threads without a lock: AttributeError on None, seen under load."""
    key = azure.create_key("ES256")
    driver = drive(key.uri)
    driver.describe(timeout=5)
    policy = driver._vault.client._client._config.authentication_policy
    monkeypatch.setattr(type(policy), "_need_new_token", property(lambda self: setattr(self, "_token", None)))
    with pytest.raises(AttributeError) as caught:
        driver.describe(timeout=5)
    failure = driver.classify(caught.value)
    assert failure
    assert (failure.error, failure.reason) == (CredentialsExpired, "TokenReplaced")


def test_a_race_that_is_lost_once_costs_nothing(azure: AzureEmulator, drive, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = drive(azure.create_key("ES256").uri)
    driver.describe(timeout=5)
    azure.log.clear()
    policy = driver._vault.client._client._config.authentication_policy
    losing = iter([True, True])
    monkeypatch.setattr(
        type(policy), "_need_new_token", property(lambda self: setattr(self, "_token", None) if next(losing, False) else True)
    )
    assert driver.describe(timeout=5)
    assert azure.calls("describe") == 1


def test_an_older_token_that_another_thread_puts_back_is_not_sent(azure: AzureEmulator, drive) -> None:
    """It was handed out before the refresh, to a thread that came late to the SDK's shared policy."""
    granted: list[str] = []

    def grant() -> str:
        granted.append(azure.tokens.grant())
        return granted[-1]

    driver = drive(without_emulator_credential(azure.create_key("ES256").uri), credential=StaticCredential(grant))
    driver.describe(timeout=5)
    policy = driver._vault.client._client._config.authentication_policy
    older = policy._token
    azure.tokens.revoke(granted[0])
    driver.refresh_credentials(timeout=5)
    policy._token = older
    azure.log.clear()
    driver.describe(timeout=5)
    assert [call.operation for call in azure.log] == ["KeyGet"], "no challenge"


@pytest.mark.parametrize("ends", ["revoked", "expired"])
def test_a_token_that_ends_under_32_threads_is_one_fetch(azure: AzureEmulator, ends: str) -> None:
    """RULES 21: nobody's signature fails for it."""
    granted: list[str] = []

    def grant() -> str:
        if granted:
            time.sleep(0.1)
        granted.append(azure.tokens.grant())
        return granted[-1]

    uri = without_emulator_credential(azure.create_key("ES256").uri)
    strike = {"revoked": lambda: azure.tokens.revoke(granted[0]), "expired": lambda: azure.clock.advance(4000)}[ends]
    with farsign_azure.open_signer(uri, credential=StaticCredential(grant), policy=PATIENT) as signer:
        key = signer.key()
        assert not under_load(lambda: key.sign(MESSAGE), strike)
    assert len(granted) == 2


def test_storms_of_refusals_do_not_break_the_client(azure: AzureEmulator) -> None:
    uri = without_emulator_credential(azure.create_key("ES256").uri)
    credential = StaticCredential(azure.tokens.grant)
    seen: list[BaseException] = []
    with farsign_azure.open_signer(uri, credential=credential, policy=farsign.Policy(timeout=20)) as signer:
        key, stop = signer.key(), threading.Event()

        def work() -> None:
            while not stop.is_set():
                try:
                    key.sign(MESSAGE)
                except CredentialsExpired:
                    pass  # a second refusal within 30 s
                except BaseException as error:
                    seen.append(error)
                    return

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            time.sleep(0.05)
            with azure.tokens._lock:
                for token in [token for token in azure.tokens._granted if token.startswith("emulated.")]:
                    del azure.tokens._granted[token]
        stop.set()
        for thread in threads:
            thread.join(20)
    assert not seen


class ClaimingVault(AzureEmulator):
    """Asks those for claims whose token is one of these (continuous access evaluation)."""

    claims = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ=="
    revoked: frozenset[str] = frozenset()

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization", "").removeprefix("Bearer ") in self.revoked:
            challenge = (
                f'Bearer authorization="https://login.microsoftonline.com/x", error="insufficient_claims", claims="{self.claims}"'
            )
            return Reply(401, b"{}", {"WWW-Authenticate": challenge, "Content-Type": "application/json"})
        return super().answer(request)


@pytest.mark.parametrize("native", [False, True])
def test_claims_that_the_vault_asks_for_reach_the_credential_once(native: bool) -> None:
    """RULES 21: however many are told so at once."""
    granted: list[str] = []
    with ClaimingVault() as azure:

        def grant() -> str:
            time.sleep(0.1)
            granted.append(azure.tokens.grant())
            return granted[-1]

        credential = StaticCredential(grant)
        uri = without_emulator_credential(azure.create_key("ES256").uri)
        with farsign_azure.open_signer(uri, credential=credential, policy=farsign.Policy(timeout=20)) as signer:
            key = signer.key()

            async def run() -> None:
                await asyncio.gather(*(key.asign(MESSAGE) for _ in range(16)))

            def threads() -> None:
                with ThreadPoolExecutor(16) as pool:
                    list(pool.map(key.sign, [MESSAGE] * 16))

            key.sign(MESSAGE)
            azure.revoked = frozenset(granted)
            asyncio.run(run()) if native else threads()
    assert [options.get("claims") for _, options in credential.asked] == [None, '{"access_token":{"nbf":{"essential":true}}}']


def test_who_waited_for_a_token_may_leave(capfd: pytest.CaptureFixture[str]) -> None:
    """The thread that brings it then finds nobody, and says nothing."""
    asked, done = threading.Event(), threading.Event()

    class Slow:
        def get_token(self, *_: str, **__: Any) -> AccessToken:
            asked.set()
            done.wait(5)
            return AccessToken("x", 1)

    async def run() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_client.AsyncTokens(cast("_client.Tokens", Slow())).get_token("scope"), 0.1)

    asyncio.run(run())
    assert asked.is_set()
    done.set()
    time.sleep(0.1)
    assert capfd.readouterr().err == ""


def test_another_environment_is_another_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    """RULES 5."""

    def made() -> _client.Settings:
        return _client.settings(farsign.parse_uri("azurekms://v-1/K"), (), None, None)

    monkeypatch.setenv("AZURE_CLIENT_ID", "one")
    one, same = made(), made()
    monkeypatch.setenv("AZURE_CLIENT_ID", "another")
    assert one == same
    assert one != made()


class InfoCredential:
    """Has only the newer method."""

    def __init__(self, azure: AzureEmulator) -> None:
        self.azure, self.options = azure, []

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        self.options.append(options)
        return AccessTokenInfo(self.azure.tokens.grant(), int(time.time()) + 3600)


def test_a_credential_with_get_token_info_only(azure: AzureEmulator) -> None:
    credential = InfoCredential(azure)
    uri = without_emulator_credential(azure.create_key("ES256").uri) + "&tenant=contoso.example"
    with farsign_azure.open_signer(uri, credential=credential) as signer:
        signer.key().sign(MESSAGE)
    assert credential.options == [{"enable_cae": True, "tenant_id": "contoso.example"}]


def test_continuous_access_evaluation_is_asked_for(azure: AzureEmulator) -> None:
    credential = StaticCredential(azure.tokens.grant)
    with farsign_azure.open_signer(without_emulator_credential(azure.create_key("ES256").uri), credential=credential) as signer:
        signer.key()
    assert credential.asked[0] == (("https://vault.azure.net/.default",), {"enable_cae": True})


@pytest.mark.parametrize("where", ["hsm-1.managedhsm.azure.net", "v-1.vault.usgovcloudapi.net"])
def test_the_audience_is_the_hosts(azure: AzureEmulator, where: str) -> None:
    domain = where.partition(".")[2]
    credential = StaticCredential(lambda: azure.tokens.grant(f"https://{domain}"))
    uri = without_emulator_credential(azure.create_key("ES256", vault=where).uri)
    with farsign_azure.open_signer(uri, credential=credential) as signer:
        signer.key().sign(MESSAGE)
    assert credential.asked[0][0] == (f"https://{domain}/.default",)


def test_a_token_for_another_audience_is_refused_by_the_vault(azure: AzureEmulator) -> None:
    credential = StaticCredential(lambda: azure.tokens.grant("https://graph.microsoft.com"))
    opened = farsign_azure.open_signer(without_emulator_credential(azure.create_key("ES256").uri), credential=credential)
    with opened as signer, pytest.raises(CredentialsExpired):
        signer.key()


@pytest.mark.parametrize("native", [False, True])
def test_azure_identity_against_the_token_endpoint(azure: AzureEmulator, native: bool) -> None:
    from azure.identity import ClientSecretCredential

    assert azure.certificate
    env = azure.environment()
    options = {"authority": azure.url, "disable_instance_discovery": True, "connection_verify": azure.certificate.ca_file}
    key = azure.create_key("ES256")
    uri = without_emulator_credential(key.uri)
    good = ClientSecretCredential(env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"], **options)
    with farsign_azure.open_signer(uri, credential=good) as signer:
        verify(key.public_key, "ES256", _sign(signer.key(), native))
    wrong = ClientSecretCredential(env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], "wrong", **options)
    with farsign_azure.open_signer(uri, credential=wrong) as signer, pytest.raises(CredentialsExpired) as caught:
        signer.key(timeout=10)
    assert caught.value.reason == "AADSTS7000215"


def test_an_assertion_out_of_its_time_is_this_machines_clock(azure: AzureEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """RULES 24: the provider refuses for skew."""
    from azure.identity import ClientAssertionCredential

    assert azure.certificate
    answer = azure.tokens.answer
    told = {"error": "invalid_client", "error_description": "AADSTS700024: Client assertion is not within its valid time range."}
    refusal = Reply(401, json.dumps(told).encode(), {"Content-Type": "application/json"})
    monkeypatch.setattr(azure.tokens, "answer", lambda asked, base: refusal if asked.method == "POST" else answer(asked, base))
    options = {"authority": azure.url, "disable_instance_discovery": True, "connection_verify": azure.certificate.ca_file}
    env, uri = azure.environment(), without_emulator_credential(azure.create_key("ES256").uri)
    credential = ClientAssertionCredential(env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], lambda: "canary", **options)
    with farsign_azure.open_signer(uri, credential=credential) as signer, pytest.raises(ClockSkew) as caught:
        signer.key(timeout=10)
    assert caught.value.reason == "AADSTS700024"
    assert "clock" in caught.value.next_step
    assert "canary" not in caught.value.diagnostics()


def test_the_default_chain_gets_what_the_uri_says(monkeypatch: pytest.MonkeyPatch) -> None:
    import azure.identity

    made: list[dict[str, Any]] = []
    monkeypatch.setattr(azure.identity, "DefaultAzureCredential", lambda transport, **options: made.append(options))
    monkeypatch.setenv("AZURE_TENANT_ID", "from-environment")
    for uri in ("azurekms://v-1/K", "azurekms://v-1/K?cloud=china&tenant=t-1&client_id=c-1"):
        _client._credential(_client.settings(farsign.parse_uri(uri), (), None, None))
    assert made == [
        {
            "authority": "https://login.microsoftonline.com",
            "additionally_allowed_tenants": ["from-environment"],
        },
        {
            "authority": "https://login.chinacloudapi.cn",
            "additionally_allowed_tenants": ["t-1"],
            "managed_identity_client_id": "c-1",
            "workload_identity_client_id": "c-1",
        },
    ]


def test_a_cached_challenge_of_somebody_elses_client_is_checked(azure: AzureEmulator) -> None:
    """The SDK keeps challenges for the whole process, those too that were accepted without a check."""
    from azure.keyvault.keys._shared import HttpChallenge

    host = "https://emulator.vault.azure.net"
    poisoned = HttpChallenge(host, 'Bearer authorization="https://login.microsoftonline.com/x", resource="https://azure.net"')
    HttpChallengeCache.set_challenge_for_url(host, poisoned)
    credential = StaticCredential(azure.tokens.grant)
    opened = farsign_azure.open_signer(without_emulator_credential(azure.create_key("ES256").uri), credential=credential)
    with opened as signer, pytest.raises(farsign.errors.IntegrityFailure):
        signer.key()
    assert not credential.asked


def test_reprs_show_no_credential(azure: AzureEmulator) -> None:
    """RULES 16."""

    class Telling(StaticCredential):
        def __repr__(self) -> str:
            return "canary"

    uri = farsign.parse_uri(without_emulator_credential(azure.create_key("ES256").uri))
    assert "canary" not in repr(_client.settings(uri, (), Telling(), None))


def test_what_is_no_credential_is_said_when_the_signer_is_opened() -> None:
    from azure.core.credentials import AzureKeyCredential
    from azure.identity.aio import ClientSecretCredential

    for unfit in (AzureKeyCredential("canary"), "canary", object()):
        with pytest.raises(ConfigurationError, match="is no Azure credential") as caught:
            farsign_azure.open_signer("azurekms://v-1/K", credential=unfit)
        assert "canary" not in caught.value.diagnostics()
        assert "get_token" in caught.value.next_step
    with pytest.raises(ConfigurationError, match="an asynchronous credential") as caught:
        farsign_azure.open_signer("azurekms://v-1/K", credential=ClientSecretCredential("t", "c", "canary"))
    assert "azure.identity's" in caught.value.next_step
