"""Where credentials may go: hostile hosts in URIs, environment, redirects, next pages, challenges. What arrives there is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from azure.core.rest import HttpRequest
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys._shared import HttpChallenge, HttpChallengeCache
from driving import MESSAGE, Listener, verify
from keyvault import CANARY, StaticCredential, without_emulator_credential

import farsign
import farsign_azure
from farsign.errors import HostRefused, IntegrityFailure, InvalidKeyURI, ProviderError, ProviderUnavailable
from farsign.testing.emulator import Reply, Request
from farsign_azure._emulator import AzureEmulator
from farsign_azure._transport import Transport

QUICK = farsign.Policy(timeout=1.0, attempts=2)
SECRET = "canary-client-secret"


class HostileVault(AzureEmulator):
    """Its own tokens are never checked; ``change`` rewrites replies that are authorized, ``challenge`` is what it asks for."""

    change: Callable[[Request, Reply], Reply] | None = None
    challenge: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []  # Authorization headers

    def answer(self, request: Request) -> Reply:
        authorization = request.headers.get("authorization", "")
        if authorization:
            self.heard.append(authorization)
            request.headers = {**request.headers, "authorization": "Bearer token-of-the-farsign-emulator"}
        reply = super().answer(request)
        if self.challenge and reply.status == 401:
            reply.headers["WWW-Authenticate"] = self.challenge
        return self.change(request, reply) if self.change and authorization else reply


@pytest.fixture
def hostile():
    with HostileVault() as running:
        yield running


def ambient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client secret in the environment, as a deployment has it."""
    monkeypatch.setenv("AZURE_TENANT_ID", "11111111-2222-4333-8444-555555555555")
    monkeypatch.setenv("AZURE_CLIENT_ID", "canary-client")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", SECRET)


@pytest.mark.parametrize(
    "uri",
    [
        "azurekms://vault.azure.net.evil.example/K",
        "azurekms://evil.example/K",
        "azurekms://evilvault.azure.net/K",  # not below vault.azure.net
        "azurekms://vault.azure.net/K",
        "azurekms://192.0.2.1/K",
        "azurekms://v-1/K?endpoint=https://evil.example",
        "azurekms://v-1/K?endpoint=http://v-1.vault.azure.net",
        "azurekms://v-1/K?endpoint=https://v-1.vault.azure.net.evil.example&ca_cert=/etc/ssl/ca.pem",
        "azurekms://v-1/K?endpoint=https://evil.example&auth=emulator",
    ],
)
def test_foreign_hosts_are_refused_before_anything_is_sent(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RULES 9, 10."""
    ambient(monkeypatch)
    with pytest.raises(HostRefused):
        farsign.open_signer(uri)
    with pytest.raises(HostRefused):
        farsign_azure.open_signer(uri.replace("&auth=emulator", ""), credential=StaticCredential())


@pytest.mark.parametrize(
    "form",
    ["azurekms://127.0.0.1:{port}/K", "azurekms://localhost:{port}/K", "azurekms://v-1/K?endpoint=https://127.0.0.1:{port}"],
)
def test_loopback_gets_no_ambient_credential(form: str, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """RULES 10."""
    ambient(monkeypatch)
    with pytest.raises(HostRefused) as caught:
        farsign.open_signer(form.format(port=listener.port))
    assert "auth=emulator" in caught.value.next_step
    assert not listener.requests


def test_a_host_that_somebody_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "azurekms://vault.internal.example/K"
    farsign_azure.open_signer(uri, credential=StaticCredential(), allow_hosts=["vault.internal.example"]).close()
    monkeypatch.setenv("FARSIGN_ALLOW_HOSTS", "vault.internal.example")
    farsign_azure.open_signer(uri, credential=StaticCredential()).close()
    farsign.open_signer(uri).close()


@pytest.mark.parametrize(
    "host", ["https://127.0.0.1:{port}", "127.0.0.1:{port}", "https://evil.example/", "http://login.microsoftonline.com"]
)
def test_the_environment_cannot_send_client_secrets_elsewhere(
    host: str, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RULES 9: AZURE_AUTHORITY_HOST."""
    ambient(monkeypatch)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", host.format(port=listener.port))
    with pytest.raises(HostRefused):
        farsign.open_signer("azurekms://v-1/K")
    assert not listener.requests


@pytest.mark.parametrize(
    ("uri", "named", "authority"),
    [
        ("azurekms://v-1/K", "", "https://login.microsoftonline.com"),
        ("azurekms://v-1/K?cloud=usgov", "", "https://login.microsoftonline.us"),
        ("azurekms://v-1.vault.azure.cn/K", "", "https://login.chinacloudapi.cn"),
        ("azurekms://v-1/K", "https://login.microsoftonline.us/", "https://login.microsoftonline.us"),
        ("azurekms://v-1/K", "login.microsoftonline.com", "https://login.microsoftonline.com"),
    ],
)
def test_the_authority_is_the_clouds_or_the_environments(
    uri: str, named: str, authority: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from farsign_azure._client import settings

    if named:
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", named)
    assert settings(farsign.parse_uri(uri), (), None, None).authority == authority


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("tls", [True, False])
def test_no_proxy_stands_between_us_and_an_endpoint(
    azure: AzureEmulator, variable: str, tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over plain http a proxy would see the token."""
    key = azure.create_key("ES256")
    proxy, plain = Listener(tls=False), PlainVault(azure)
    monkeypatch.setenv(variable, proxy.url)
    monkeypatch.setenv(variable.lower(), proxy.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    uri = key.uri if tls else key.uri.replace(azure.url, plain.url)
    try:
        with farsign.open_signer(uri) as signer:
            verify(key.public_key, "ES256", signer.key().sign(MESSAGE))
            verify(key.public_key, "ES256", asyncio.run(signer.key().asign(MESSAGE)))
        assert not proxy.requests
        assert tls or plain.requests
    finally:
        proxy.close()
        plain.close()


class PlainVault(Listener):
    """The same emulator over plain http, as behind a sidecar: it sees X-Forwarded-Proto."""

    def __init__(self, azure: AzureEmulator) -> None:
        self._azure = azure
        super().__init__(tls=False)

    def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        assert request.headers["x-forwarded-proto"] == "https"
        return self._azure._handle(request)


def test_plain_http_to_loopback_with_pages(azure: AzureEmulator) -> None:
    """The SDK insists on https in URLs; the transport speaks http to loopback below it, next pages included."""
    plain = PlainVault(azure)
    key = azure.create_key("ES256")
    for n in range(30):
        azure.rotate(key, created=1_700_000_000 + n)
    try:
        with farsign.open_signer(key.uri.replace(azure.url, plain.url)) as signer:
            verify_any = signer.key()
            verify_any.sign(MESSAGE)
        assert azure.calls("list") == 2
    finally:
        plain.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("operation", ["describe", "adescribe", "sign", "asign"])
def test_redirects_are_not_followed(hostile: HostileVault, listener: Listener, status: int, operation: str) -> None:
    """RULES 11."""
    key = hostile.create_key("ES256")
    with farsign_azure.open_signer(without_emulator_credential(key.uri), credential=StaticCredential(), policy=QUICK) as signer:
        known = signer.key() if "sign" in operation else None
        hostile.change = lambda request, reply: Reply(status, b"{}", {"Location": f"{listener.url}{request.target}"})
        acts = {
            "describe": signer.key,
            "adescribe": lambda: asyncio.run(signer.akey()),
            "sign": lambda: known.sign(MESSAGE),
            "asign": lambda: asyncio.run(known.asign(MESSAGE)),
        }
        with pytest.raises(ProviderError) as caught:
            acts[operation]()
    assert isinstance(caught.value, ProviderUnavailable)
    assert caught.value.reason == f"HTTP {status}"
    assert not listener.requests


def test_next_pages_do_not_leave_the_vault(hostile: HostileVault, listener: Listener) -> None:
    key = hostile.create_key("ES256")

    def elsewhere(request: Request, reply: Reply) -> Reply:
        link = b'"nextLink":"' + f"{listener.url}/keys/x/versions?api-version=7.4".encode() + b'"'
        reply.body = reply.body.replace(b'"nextLink":null', link)
        return reply

    hostile.change = elsewhere
    opened = farsign_azure.open_signer(without_emulator_credential(key.uri), credential=StaticCredential(), policy=QUICK)
    with opened as signer, pytest.raises(HostRefused, match="another host"):
        signer.key()
    assert not listener.requests


def test_a_key_id_that_names_another_host_sends_nothing_there(hostile: HostileVault, listener: Listener) -> None:
    key = hostile.create_key("ES256")
    hostile.change = lambda request, reply: _replaced(reply, b"https://emulator.vault.azure.net/", f"{listener.url}/".encode())
    opened = farsign_azure.open_signer(without_emulator_credential(key.uri), credential=StaticCredential(), policy=QUICK)
    with opened as signer:
        verify(key.public_key, "ES256", signer.key().sign(MESSAGE))
    assert not listener.requests


def _replaced(reply: Reply, old: bytes, new: bytes) -> Reply:
    reply.body = reply.body.replace(old, new)
    return reply


TENANT = "https://login.microsoftonline.com/99999999-dead-4bad-8bad-999999999999"


@pytest.mark.parametrize("tenant", ["", "11111111-2222-4333-8444-555555555555"])
@pytest.mark.parametrize("challenged", [TENANT, "https://login.microsoftonline.com/adfs", "https://evil.example/evil", ""])
def test_the_tenant_never_comes_from_the_challenge(hostile: HostileVault, tenant: str, challenged: str) -> None:
    """RULES 11."""
    key, credential = hostile.create_key("ES256"), StaticCredential()
    if challenged:
        hostile.challenge = f'Bearer authorization="{challenged}", resource="https://vault.azure.net"'
    uri = without_emulator_credential(key.uri) + (f"&tenant={tenant}" if tenant else "")
    with farsign_azure.open_signer(uri, credential=credential) as signer:
        signer.key().sign(MESSAGE)
        asyncio.run(signer.key().asign(MESSAGE))
    assert credential.asked
    for scopes, options in credential.asked:
        assert scopes == ("https://vault.azure.net/.default",)
        assert options.get("tenant_id", "") == tenant


def test_the_tenant_of_the_environment_is_for_ambient_credentials_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential object knows its own."""
    from farsign_azure._client import settings

    ambient(monkeypatch)
    uri = farsign.parse_uri("azurekms://v-1/K")
    assert settings(uri, (), None, None).tenant == "11111111-2222-4333-8444-555555555555"
    assert settings(uri, (), StaticCredential(), None).tenant == ""


@pytest.mark.parametrize(
    "resource",
    [
        "https://graph.microsoft.com",
        "https://vault.azure.net.evil.example",
        "https://azure.net",
        "https://net",
        "https://managedhsm.azure.net",
        "vault.azure.net",
        "",
    ],
)
@pytest.mark.parametrize("how", ["resource", "scope"])
def test_a_challenge_for_another_audience_gets_no_token(hostile: HostileVault, resource: str, how: str) -> None:
    key, credential = hostile.create_key("ES256"), StaticCredential()
    asked = resource if how == "resource" else f"{resource}/.default"
    hostile.challenge = f'Bearer authorization="{TENANT}", {how}="{asked}"'
    opened = farsign_azure.open_signer(without_emulator_credential(key.uri), credential=credential, policy=QUICK)
    with opened as signer, pytest.raises(IntegrityFailure) as caught:
        signer.key()
    assert "audience" in str(caught.value)
    assert credential.asked == []
    assert hostile.calls("describe") == hostile.calls("list") == 0


@pytest.mark.parametrize(
    "challenge", ["Bearer", "Basic realm=x", "", "Bearer authorization=x", 'PoP authorization="https://x/y"']
)
def test_a_challenge_that_is_none(hostile: HostileVault, challenge: str) -> None:
    key, credential = hostile.create_key("ES256"), StaticCredential()
    hostile.challenge = challenge or " "
    opened = farsign_azure.open_signer(without_emulator_credential(key.uri), credential=credential, policy=QUICK)
    with opened as signer, pytest.raises(ProviderError):
        signer.key()
    assert hostile.heard == []


def test_a_challenge_that_names_another_authority_is_not_followed(hostile: HostileVault, listener: Listener) -> None:
    """azure-identity's own credential: the client secret goes to the authority that it was made with."""
    from azure.identity import ClientSecretCredential

    assert hostile.certificate
    environment = hostile.environment()
    hostile.challenge = f'Bearer authorization="{listener.url}/tenant", resource="https://vault.azure.net"'
    credential = ClientSecretCredential(
        environment["AZURE_TENANT_ID"],
        environment["AZURE_CLIENT_ID"],
        environment["AZURE_CLIENT_SECRET"],
        authority=hostile.url,
        disable_instance_discovery=True,
        connection_verify=hostile.certificate.ca_file,
    )
    key = hostile.create_key("ES256")
    with farsign_azure.open_signer(without_emulator_credential(key.uri), credential=credential) as signer:
        verify(key.public_key, "ES256", signer.key().sign(MESSAGE))
    assert hostile.calls("token") >= 1
    assert listener.credential_bytes == 0
    assert not listener.requests


def test_the_listener_would_have_heard(listener: Listener) -> None:
    """What the tests above count is there to be counted: the SDK by itself follows its URL."""
    trusting = {"transport": Transport("", listener.certificate.ca_file), "verify_challenge_resource": False}
    challenge = HttpChallenge(listener.url, f'Bearer authorization="{TENANT}", resource="https://vault.azure.net"')
    HttpChallengeCache.set_challenge_for_url(listener.url, challenge)
    with KeyClient(listener.url, StaticCredential(), retry_total=0, **trusting) as client:
        client.send_request(HttpRequest("GET", "/keys/K"))
    assert listener.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    assert listener.credential_bytes > len(CANARY)


@pytest.mark.parametrize(
    "uri", ["azurekms://canary@v-1/K", "azurekms://v-1/K?endpoint=https://canary:x@127.0.0.1:1&auth=emulator"]
)
def test_user_info_is_refused(uri: str) -> None:
    """RULES 12."""
    with pytest.raises(InvalidKeyURI):
        farsign.open_signer(uri)


def test_options_that_contradict_each_other(azure: AzureEmulator) -> None:
    from farsign.errors import ConfigurationError

    key = azure.create_key("ES256")
    with pytest.raises(ConfigurationError, match="a credential were given"):
        farsign_azure.open_signer(key.uri, credential=StaticCredential())
    with pytest.raises(ConfigurationError, match="a transport and endpoint="):
        farsign_azure.open_signer(without_emulator_credential(key.uri), credential=StaticCredential(), transport=object())
    with pytest.raises(InvalidKeyURI, match="is no Key Vault key"):
        farsign_azure.open_signer("memory:x")
