"""Where credentials may go: hostile hosts in URIs, environment, credentials files, redirects. What arrives there is counted: nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cloudkms import CANARY, KEY, Listener, StaticCredentials
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from driving import MESSAGE, verify
from google.oauth2 import service_account

import farsign
import farsign_gcp
from farsign.errors import HostRefused, InvalidKeyURI, ProviderError
from farsign.testing._http import HttpServer, Reply, Request
from farsign_gcp import _hosts
from farsign_gcp._client import settings
from farsign_gcp._emulator import GcpEmulator

QUICK = farsign.Policy(timeout=1.0, attempts=2)
URI = f"gcpkms://{KEY}"
PEM = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)


def account(token_uri: str) -> dict[str, str]:
    """A service account's key file."""
    return {
        "type": "service_account",
        "project_id": "p-1",
        "private_key_id": "1",
        "private_key": PEM.decode(),
        "client_email": "signer@p-1.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_uri,
    }


@pytest.fixture
def ambient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """A key file that the process's settings name, as a deployment has it."""

    def make(token_uri: str = "https://oauth2.googleapis.com/token") -> None:
        path = tmp_path / "key.json"
        path.write_text(json.dumps(account(token_uri)))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p-1")

    return make


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example",
        "https://evilcloudkms.googleapis.com.evil.example",
        "https://cloudkms.googleapis.com.evil.example",
        "https://evil-bucket.storage.googleapis.com",  # anybody's bucket
        "https://storage.googleapis.com",
        "https://googleapis.com",
        "https://192.0.2.1",
        "http://cloudkms.googleapis.com",
        "http://evil.example",
    ],
)
def test_foreign_hosts_are_refused_before_anything_is_sent(endpoint: str, ambient: Callable[..., None]) -> None:
    """RULES 9, 10."""
    ambient()
    for uri in (f"{URI}?endpoint={endpoint}", f"{URI}?endpoint={endpoint}&auth=emulator"):
        with pytest.raises(HostRefused):
            farsign.open_signer(uri)
    with pytest.raises(HostRefused):
        farsign_gcp.open_signer(f"{URI}?endpoint={endpoint}", credentials=StaticCredentials())


@pytest.mark.parametrize(
    "host",
    [
        "cloudkms.googleapis.com",
        "cloudkms.mtls.googleapis.com",
        "cloudkms.europe-west3.rep.googleapis.com",
        "europe-west3-cloudkms.googleapis.com",
        "cloudkms-mypsc.p.googleapis.com",
        "CloudKMS.GoogleAPIs.com",
    ],
)
def test_googles_own_hosts(host: str) -> None:
    with farsign_gcp.open_signer(f"{URI}?endpoint=https://{host}", credentials=StaticCredentials()):
        pass


def test_the_default_is_googles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables by which Google's client takes another host have no say, or are checked."""
    monkeypatch.setenv("GOOGLE_API_USE_MTLS_ENDPOINT", "always")
    assert settings(farsign.parse_uri(URI), (), StaticCredentials(), None).target == "cloudkms.googleapis.com:443"
    monkeypatch.setenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "evil.example")
    with pytest.raises(HostRefused, match=r"cloudkms\.evil\.example"):
        farsign.open_signer(URI)
    with farsign.open_signer(URI, allow_hosts=["cloudkms.evil.example"]):
        pass


def test_loopback_gets_no_ambient_credentials(ambient: Callable[..., None], listener: Listener) -> None:
    """RULES 10: it gets the emulator's, or what is given for it."""
    ambient()
    for scheme in ("http", "https"):
        with pytest.raises(HostRefused) as caught:
            farsign.open_signer(f"{URI}?endpoint={scheme}://127.0.0.1:{listener.port}")
        assert "auth=emulator" in caught.value.next_step
    assert listener.connections == 0


def test_an_untrusted_certificate_gets_no_token(listener: Listener) -> None:
    uri = f"{URI}?endpoint=https://127.0.0.1:{listener.port}"
    with farsign_gcp.open_signer(uri, credentials=StaticCredentials(), policy=QUICK) as signer, pytest.raises(ProviderError):
        signer.key()
    assert listener.connections > 0
    assert CANARY.encode() not in listener.heard
    assert b"authorization" not in listener.heard


def test_user_info_is_refused_nested_too() -> None:
    """RULES 12."""
    for uri in (
        f"gcpkms://a:b@{KEY}",
        f"{URI}?endpoint=https://a:b@cloudkms.googleapis.com",
        f"{URI}?endpoint=https://cloudkms.googleapis.com@evil.example",
    ):
        with pytest.raises(InvalidKeyURI, match="user-info"):
            farsign.open_signer(uri)


def test_no_proxy_sees_plaintext(gcp: GcpEmulator, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")
    key = gcp.create_key("ES256")
    with farsign.open_signer(key.uri) as signer:
        verify(key.public_key, "ES256", signer.key().sign(MESSAGE))
    assert listener.connections == 0


@pytest.mark.parametrize(
    "where",
    [
        "https://evil.example/token",
        "http://oauth2.googleapis.com/token",
        "https://storage.googleapis.com/token",
        "https://www.googleapis.com/upload/storage/v1/b/evil/o?name=oauth2",  # anybody's bucket
        "https://www.googleapis.com/oauth2/../upload/storage/v1/b/evil/o",
    ],
)
def test_a_credentials_file_cannot_name_a_foreign_token_server(where: str, ambient: Callable[..., None]) -> None:
    """It would get a signed assertion that Google accepts, whatever it is addressed to."""
    ambient(where)
    with farsign.open_signer(URI, policy=QUICK) as signer, pytest.raises(HostRefused):
        signer.key()


@pytest.mark.parametrize("where", ["https://accounts.google.com/o/oauth2/token", "https://www.googleapis.com/oauth2/v4/token"])
def test_token_servers_of_older_files(where: str) -> None:
    _hosts.check_for_secrets(where, own_credentials=False, allow=())


def test_nor_one_on_loopback(ambient: Callable[..., None], listener: Listener) -> None:
    ambient(f"http://127.0.0.1:{listener.port}/token")
    with farsign.open_signer(URI, policy=QUICK) as signer, pytest.raises(HostRefused) as caught:
        signer.key()
    assert "token_uri" in caught.value.next_step
    assert listener.connections == 0


def test_impersonation_stays_with_google() -> None:
    source = StaticCredentials()
    source._universe_domain = "evil.example"
    uri = f"{URI}?impersonate=signer@p-1.iam.gserviceaccount.com"
    with (
        farsign_gcp.open_signer(uri, credentials=source, policy=QUICK) as signer,
        pytest.raises(HostRefused, match=r"evil\.example"),
    ):
        signer.key()


@pytest.mark.parametrize("native", [False, True], ids=["sync", "async"])
def test_a_redirect_takes_no_secret_along(native: bool, gcp: GcpEmulator, listener: Listener) -> None:
    """The token server is the caller's own here, so it is asked; where it points is not."""
    asked: list[Request] = []

    def answer(request: Request) -> Reply:
        asked.append(request)
        return Reply(307, b"", {"Location": f"http://127.0.0.1:{listener.port}/"})

    server = HttpServer(answer)
    server.start()
    info = account(f"http://127.0.0.1:{server.port}/token")
    credentials: Any = service_account.Credentials.from_service_account_info(info)
    uri = gcp.create_key("ES256").uri.replace("&auth=emulator", "")
    with farsign_gcp.open_signer(uri, credentials=credentials, policy=QUICK) as signer, pytest.raises(ProviderError):
        asyncio.run(signer.akey()) if native else signer.key()
    server.close()
    assert any(b"assertion=" in request.body for request in asked)
    assert listener.connections == 0


def test_a_token_server_of_the_callers_own_serves(gcp: GcpEmulator) -> None:
    """The same path as above, to its end: the token that it gives is what Cloud KMS gets."""
    body = json.dumps({"access_token": CANARY, "expires_in": 3600, "token_type": "Bearer"}).encode()
    server = HttpServer(lambda _: Reply(200, body, {"Content-Type": "application/json"}))
    server.start()
    info = account(f"http://127.0.0.1:{server.port}/token")
    credentials: Any = service_account.Credentials.from_service_account_info(info)
    key = gcp.create_key("ES256")
    gcp.tokens = {CANARY}
    with farsign_gcp.open_signer(key.uri.replace("&auth=emulator", ""), credentials=credentials) as signer:
        verify(key.public_key, "ES256", signer.key().sign(MESSAGE))
    server.close()
    assert gcp.metadata["authorization"] == f"Bearer {CANARY}"
