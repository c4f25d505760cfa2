"""Where credentials go, and where none ever go: a listener in every place that a URI, the environment or a server could name."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import hvac
import pytest
from driving import MESSAGE, Listener, verify
from transit import CANARY

import farsign
import farsign_vault
from farsign.errors import ConfigurationError, HostRefused, InvalidKeyURI, KeyNotFound, ProviderError, ProviderUnavailable
from farsign.testing.emulator import Reply, Request
from farsign_vault import _emulator_auth as accepted
from farsign_vault._driver import VaultKey
from farsign_vault._emulator import VaultEmulator
from farsign_vault._wire import ask as wire_ask

QUICK = farsign.Policy(timeout=5.0, attempts=1)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every credential that the environment can hold."""
    for name in ("TOKEN", "ROLE_ID", "SECRET_ID", "JWT", "PASSWORD"):
        for family in ("VAULT", "BAO"):
            monkeypatch.setenv(f"{family}_{name}", CANARY)
    monkeypatch.setenv("VAULT_USERNAME", "canary")


AUTH = ["", "auth=token", "auth=approle", "auth=kubernetes&auth_role=r", "auth=jwt", "auth=userpass"]


@pytest.mark.parametrize("auth", AUTH)
@pytest.mark.parametrize("scheme", ["hashivault", "openbao"])
def test_an_addr_that_nobody_named_gets_nothing(secrets: None, listener: Listener, scheme: str, auth: str) -> None:
    """RULES 9, 10: loopback is no exception for the credentials of this process."""
    uri = f"{scheme}://k?addr={quote(listener.url, safe=':/')}" + (f"&{auth}" if auth else "")
    with pytest.raises(HostRefused) as caught:
        farsign.open_signer(uri)
    assert "_ADDR" in caught.value.next_step
    for host in ("https://vault.example", "https://vault.example:8200", "http://10.0.0.1:8200", "https://[2001:db8::1]"):
        with pytest.raises(HostRefused, match="credentials would go to"):
            farsign.open_signer(f"{scheme}://k?addr={host}" + (f"&{auth}" if auth else ""))
    assert not listener.requests


def test_a_configured_address_does_not_vouch_for_another(
    secrets: None, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example:8200")
    for addr in (
        listener.url,
        "https://vault.example",  # another port
        "http://vault.example:8200",  # in the clear
        "https://vault.example.evil.example:8200",
        "https://evil.example:8200",
    ):
        with pytest.raises(HostRefused):
            farsign.open_signer(f"hashivault://k?addr={addr}")
    farsign.open_signer("hashivault://k?addr=https://VAULT.example:8200/").close()
    monkeypatch.setenv("VAULT_ADDR", listener.url.replace("127.0.0.1", "localhost"))
    with pytest.raises(HostRefused):
        farsign.open_signer(f"hashivault://k?addr={listener.url}")  # another name is another host
    assert not listener.requests


def test_openbao_and_vault_do_not_lend_each_other_tokens(
    listener: Listener, vault: VaultEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_ADDR", vault.url)
    monkeypatch.setenv("VAULT_TOKEN", CANARY)
    monkeypatch.setenv("BAO_ADDR", listener.url)
    with farsign.open_signer("openbao://k", policy=QUICK) as signer, pytest.raises(ProviderError):
        signer.key()
    with pytest.raises(HostRefused):
        farsign.open_signer(f"hashivault://k?addr={listener.url}")
    assert listener.credential_bytes == 0


@pytest.mark.parametrize(
    "value", ["vault.example", "https://vault.example/ui", "https://u:canary@vault.example", "unix:///run/vault.sock", "//x"]
)
@pytest.mark.parametrize("variable", ["VAULT_ADDR", "BAO_ADDR"])
def test_an_address_in_the_environment_that_is_none(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """RULES 12: user-info there too."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=f"{variable} is not the URL of a server") as caught:
        farsign.open_signer("openbao://k")
    assert "canary" not in caught.value.diagnostics()


def test_no_address_at_all() -> None:
    with pytest.raises(ConfigurationError, match="does not say which server") as caught:
        farsign.open_signer("openbao://k")
    assert "BAO_ADDR or VAULT_ADDR" in caught.value.next_step


def test_hosts_that_were_named_may_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    farsign.open_signer("hashivault://k?addr=https://vault.example", allow_hosts=["vault.example"]).close()
    monkeypatch.setenv("FARSIGN_ALLOW_HOSTS", "http://10.0.0.1:8200")
    farsign.open_signer("hashivault://k?addr=http://10.0.0.1:8200").close()
    monkeypatch.setenv("VAULT_ADDR", "http://10.0.0.2:8200")  # in the clear, because somebody said so
    farsign.open_signer("hashivault://k").close()


def test_the_emulators_token_goes_to_loopback_and_is_no_secret(secrets: None, listener: Listener) -> None:
    uri = f"hashivault://k?addr={listener.url}&auth=emulator"
    with farsign.open_signer(uri, policy=QUICK) as signer, pytest.raises(ProviderError):
        signer.key()
    assert listener.requests
    for request in listener.requests:
        assert CANARY not in f"{request.headers} {request.body!r}"
    with pytest.raises(HostRefused):
        farsign.open_signer("hashivault://k?addr=https://vault.example&auth=emulator")


@pytest.mark.parametrize(
    "uri",
    [
        "hashivault://canary@k",
        "hashivault://k?addr=https://canary@vault.example",
        "hashivault://k?addr=https://u:canary@vault.example",
        "hcvault://u:canary@vault.example/transit/keys/k",
        "hashivault://k?addr=https:%2f%2fu:canary%40vault.example",
    ],
)
def test_user_info_is_refused(uri: str) -> None:
    """RULES 12."""
    with pytest.raises(InvalidKeyURI) as caught:
        farsign.open_signer(uri)
    assert "canary" not in caught.value.diagnostics()


class Hostile(VaultEmulator):
    """Sends everybody elsewhere, from the chosen operation on."""

    elsewhere = ""
    on = "/sign/"
    status = 307

    def answer(self, request: Request) -> Reply:
        if self.elsewhere and self.on in request.target:
            return Reply(self.status, b"", {"Location": self.elsewhere + request.target, "Set-Cookie": "vault=canary; Path=/"})
        return super().answer(request)


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


@pytest.mark.parametrize("native", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("on", ["/sign/", "/keys/", "/login", "/renew-self"])
def test_no_redirect_carries_the_token_to_another_host(
    hostile: Hostile, listener: Listener, monkeypatch: pytest.MonkeyPatch, status: int, on: str, native: bool
) -> None:
    """RULES 11: hvac by itself sends it."""
    monkeypatch.setattr("farsign_vault._login.LOOK_AGAIN", 0.05)
    hostile.create_key("ES256", "auth")
    hostile.elsewhere, hostile.on, hostile.status = listener.url, on, status
    monkeypatch.setenv("VAULT_ADDR", hostile.url)
    monkeypatch.setenv("VAULT_TOKEN", hostile.auth.grant())
    monkeypatch.setenv("VAULT_ROLE_ID", accepted.ROLE_ID)
    monkeypatch.setenv("VAULT_SECRET_ID", accepted.SECRET_ID)
    auth = "?auth=approle" if on == "/login" else ""
    with farsign.open_signer(f"hashivault://auth{auth}", policy=QUICK) as signer:
        if on == "/renew-self":
            key = signer.check()
            time.sleep(0.1)
            asyncio.run(key.asign(MESSAGE)) if native else key.sign(MESSAGE)  # the token is good, whatever renewing it says
        else:
            with pytest.raises(ProviderUnavailable) as caught:
                asyncio.run(signer.acheck()) if native else signer.check()
            assert "standby" in caught.value.next_step
    assert listener.credential_bytes == 0
    assert not listener.requests


@pytest.mark.parametrize("native", [False, True], ids=["sync", "async"])
def test_no_redirect_of_a_given_client_does_either(native: bool, hostile: Hostile, listener: Listener) -> None:
    hostile.create_key("ES256", "auth")
    hostile.elsewhere = listener.url
    client = hvac.Client(url=hostile.url, token=hostile.auth.grant())
    with (
        farsign_vault.open_signer("hashivault://auth", client=client, policy=QUICK) as signer,
        pytest.raises(ProviderUnavailable),
    ):
        asyncio.run(signer.acheck()) if native else signer.check()
    assert not listener.requests


@pytest.mark.parametrize(
    "location", ["http://[", "http://x:99999/", "//", "\x7f", "http://" + "a" * 5000, "file:///etc/passwd", "%"]
)
def test_a_redirect_to_nowhere_is_an_answer(
    vault: VaultEmulator, drive: Callable[..., VaultKey], monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    key = drive(vault.create_key("ES256").uri)
    monkeypatch.setattr(vault, "answer", lambda request: Reply(307, b"", {"Location": location}))
    with pytest.raises(hvac.exceptions.VaultError) as caught:
        key.describe(timeout=5)
    failure = key.classify(caught.value)
    assert failure
    assert failure.error is ProviderUnavailable


def test_the_listener_would_have_heard(hostile: Hostile, listener: Listener) -> None:
    """What the tests above count is there to be counted: hvac by itself follows, with the token."""
    hostile.elsewhere, hostile.on = listener.url, "/keys/"
    hvac.Client(url=hostile.url, token=CANARY).secrets.transit.read_key("auth")
    assert listener.requests[0].headers["x-vault-token"] == CANARY
    assert listener.credential_bytes >= len(CANARY)


def test_cookies_and_netrc_add_nothing(vault: VaultEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """requests would read ~/.netrc, and keep what a server sets."""
    from pathlib import Path

    (Path(str(tmp_path)) / ".netrc").write_text("machine 127.0.0.1 login canary password canary\n")
    (Path(str(tmp_path)) / ".netrc").chmod(0o600)
    heard: list[Request] = []
    real = vault.answer

    def answer(request: Request) -> Reply:
        heard.append(request)
        reply = real(request)
        reply.headers["Set-Cookie"] = "a=canary; Path=/"
        return reply

    monkeypatch.setattr(vault, "answer", answer)
    with farsign.open_signer(vault.create_key("ES256").uri) as signer:
        signer.check()
    assert len(heard) >= 2
    for request in heard:
        assert "authorization" not in request.headers
        assert "cookie" not in request.headers


def test_plain_http_to_loopback_goes_through_no_proxy(
    vault: VaultEmulator, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", listener.url)
    monkeypatch.setenv("ALL_PROXY", listener.url)
    monkeypatch.setenv("NO_PROXY", "")
    key = vault.create_key("ES256")
    with farsign.open_signer(key.uri) as signer:
        verify(key.public_key, "ES256", signer.key().sign(MESSAGE))
    assert not listener.requests


def test_a_proxy_is_used_to_reach_other_hosts(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", listener.url)
    monkeypatch.setenv("VAULT_ADDR", "http://vault.example:8200")
    monkeypatch.setenv("VAULT_TOKEN", CANARY)
    with farsign.open_signer("hashivault://k", policy=QUICK) as signer, pytest.raises(ProviderError):
        signer.key()
    assert listener.requests[0].target == "http://vault.example:8200/v1/transit/keys/k"


def test_a_given_clients_plain_http_stays_on_loopback() -> None:
    with pytest.raises(HostRefused, match="plain http"):
        farsign_vault.open_signer("hashivault://k", client=hvac.Client(url="http://vault.example", token="x"))
    farsign_vault.open_signer("hashivault://k", client=hvac.Client(url="https://vault.example", token="x")).close()
    client = hvac.Client(url="http://vault.example", token="x")
    farsign_vault.open_signer("hashivault://k", client=client, allow_hosts=["vault.example"]).close()
    with pytest.raises(ConfigurationError, match="client's URL"):
        farsign_vault.open_signer("hashivault://k", client=hvac.Client(url="https://u:p@vault.example", token="x"))


# -- paths ----------------------------------------------------------------------------------------------------------------

NAMES = [
    "k", "../../sys/seal", "..%2f..%2fsys%2fseal", "k/../../../sys/seal", "k?x=1", "k#x", "k;x", "k//x", "/k", "k/", ".", "..", "",
    "k\n", "k\r\nX-Vault-Token: canary", "k\x00", "k%00", "K" * 300, "schlüssel", "k k", "http://evil.example/", "//evil.example/k",
    "k@evil.example", "\\k", "{k}", "k%", "_k_", "k.k-k", ".k", "-k", "k.",
]  # fmt: skip


class _Heard(VaultEmulator):
    paths: list[str]

    def answer(self, request: Request) -> Reply:
        self.paths.append(request.target)
        return super().answer(request)


@pytest.fixture(scope="module")
def hearing() -> Iterator[_Heard]:
    with _Heard() as running:
        running.paths = []
        yield running


@pytest.mark.parametrize("where", ["key", "mount", "user", "auth_mount"])
@pytest.mark.parametrize("name", NAMES, ids=[ascii(name)[:30] for name in NAMES])
def test_through_the_real_hvac_the_path_is_one_of_the_templates(hearing: _Heard, name: str, where: str) -> None:
    """RULES 13: checked again just before the call, whatever came past the parser."""
    import re

    from hvac.adapters import RawAdapter

    path = {
        "key": f"/v1/transit/sign/{name}",
        "mount": f"/v1/{name}/keys/k",
        "user": f"/v1/auth/userpass/login/{name}",
        "auth_mount": f"/v1/auth/{name}/login",
    }[where]
    hearing.paths.clear()
    adapter = RawAdapter(hearing.url, allow_redirects=False)
    try:
        wire_ask(adapter, "POST", path, timeout=5, token="x", body={})
    except (hvac.exceptions.VaultError, ConfigurationError):
        pass
    finally:
        adapter.close()
    for heard in hearing.paths:
        assert re.fullmatch(r"/v1/([\w.-]+/)+(sign|keys)/[\w.-]+|/v1/auth/([\w.-]+/)+login(/[\w.-]+)?", heard, re.ASCII)
        assert ".." not in heard.split("/")
        assert "seal" not in heard or heard.startswith("/v1/auth/")
    assert bool(hearing.paths) == bool(re.fullmatch(r"\w([\w.-]*\w)?|http", name, re.ASCII))


def test_a_namespace_is_a_header_that_nothing_escapes_from(vault: VaultEmulator) -> None:
    for namespace in ("a%0d%0aX-Vault-Token:%20canary", "..", "a/../b", "%2e%2e"):
        with pytest.raises(InvalidKeyURI):
            farsign.open_signer(f"hashivault://k?namespace={namespace}&addr={vault.url}&auth=emulator")


def test_a_namespace_of_the_environment_is_checked_too(vault: VaultEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", vault.url)
    monkeypatch.setenv("VAULT_TOKEN", "x")
    monkeypatch.setenv("VAULT_NAMESPACE", "a\r\nX-Evil: 1")
    with pytest.raises(ConfigurationError, match="VAULT_NAMESPACE"):
        farsign.open_signer("hashivault://k")
    monkeypatch.setenv("VAULT_NAMESPACE", "admin/")
    with farsign.open_signer("hashivault://k") as signer, pytest.raises(KeyNotFound):
        signer.key()


def test_what_a_reply_names_goes_into_no_path(vault: VaultEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version comes over the wire and into the next request: only its number does."""
    key = vault.create_key("ES256", "auth")
    real, heard = vault.answer, []

    def answer(request: Request) -> Reply:
        heard.append(request.target)
        reply = real(request)
        if "/keys/" in request.target:
            body = json.loads(reply.body)
            body["data"]["name"] = "../../sys/seal"
            body["data"]["keys"]["../../sys/seal"] = body["data"]["keys"]["1"]
            reply.body = json.dumps(body).encode()
        return reply

    monkeypatch.setattr(vault, "answer", answer)
    with farsign.open_signer(key.uri, policy=QUICK) as signer, pytest.raises(ProviderError):
        signer.check()
    assert set(heard) <= {"/v1/transit/keys/auth", "/v1/transit/sign/auth"}
