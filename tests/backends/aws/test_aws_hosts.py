"""Hostile hosts: a URI, the environment or a file points elsewhere, and a listener that plays every host of the world counts what
reaches it of this process's credentials: nothing (RULES 9, 10, 12)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.credentials import SSOProvider
from botocore.tokens import SSOTokenProvider

import farsign
import farsign_aws
from farsign import errors
from farsign.testing._tls import server_certificate
from farsign_aws import _hosts
from farsign_aws._driver import AwsKey

KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = "arn:aws:iam::111122223333:role/signer"
SECRETS = {"AWS_ACCESS_KEY_ID": "AKIACANARYCANARY", "AWS_SECRET_ACCESS_KEY": "canary/secret", "AWS_SESSION_TOKEN": "canary-token"}
TELLTALES = (b"AKIACANARYCANARY", b"canary", b"AWS4-HMAC")
EVIL = "evil.example"
NAMES = (EVIL, "*.evil.example", "kms.eu-west-1.amazonaws.com", "sts.eu-west-1.amazonaws.com", "*.s3.amazonaws.com", "*.execute-api.eu-west-1.amazonaws.com",
         "*.compute.amazonaws.com", "*.amazonaws.com", "kms.eu-west-1.amazonaws.co", "localhost", "127.0.0.1")  # fmt: skip
PATIENT = farsign.Policy(timeout=20.0, attempt_timeout=10.0, attempts=1)


class World:
    """Every host, on every port, with and without TLS, and with a certificate that this process trusts."""

    def __init__(self) -> None:
        self.certificate = server_certificate(NAMES)
        self.heard = b""
        self.reply = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        self.close = self._listener.close

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                threading.Thread(target=self._hear, args=self._listener.accept()[:1], daemon=True).start()

    def _hear(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:  # a client that went away
            sock.settimeout(5)
            tls = sock.recv(1, socket.MSG_PEEK) == b"\x16"
            with self.certificate.context.wrap_socket(sock, server_side=True) if tls else sock as plain:
                while data := plain.recv(65536):
                    self.heard += data
                    plain.sendall(self.reply)

    @property
    def secrets(self) -> int:
        return sum(self.heard.count(word) for word in TELLTALES)


@pytest.fixture
def world(no_settings: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world, look_up = World(), socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, *rest, **more: look_up("127.0.0.1", world.port, *rest, **more))
    monkeypatch.setenv("AWS_CA_BUNDLE", world.certificate.ca_file)
    for provider in (SSOProvider, SSOTokenProvider):  # botocore has looked up the home when it was imported
        monkeypatch.setattr(provider, "_SSO_TOKEN_CACHE_DIR", str(no_settings / "sso"))
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    yield world
    world.close()


class Attack(NamedTuple):
    name: str
    uri: str
    environment: dict[str, str] = {}  # noqa: RUF012  # read only
    config: str = ""
    refused_by: type[errors.ConfigurationError] = errors.HostRefused


PLAIN = f"awskms:///{KEY}?region=eu-west-1"
ATTACKS = [
    Attack("authority", f"awskms://{EVIL}/{KEY}?region=eu-west-1"),
    Attack("authority with a port", f"awskms://{EVIL}:8443/{KEY}?region=eu-west-1"),
    Attack("authority in capitals with a dot", f"awskms://Evil.EXAMPLE./{KEY}?region=eu-west-1"),
    Attack("endpoint", f"{PLAIN}&endpoint=https://{EVIL}"),
    Attack("endpoint over http", f"{PLAIN}&endpoint=http://{EVIL}"),
    Attack("AWS over http", f"{PLAIN}&endpoint=http://kms.eu-west-1.amazonaws.com"),
    Attack("user-info", f"awskms://kms.eu-west-1.amazonaws.com@{EVIL}/{KEY}", refused_by=errors.InvalidKeyURI),
    Attack("nested user-info", f"{PLAIN}&endpoint=https://kms.eu-west-1.amazonaws.com@{EVIL}", refused_by=errors.InvalidKeyURI),
    Attack("nested and escaped", f"{PLAIN}&endpoint=https://kms.eu-west-1.amazonaws.com%40{EVIL}", refused_by=errors.InvalidKeyURI),
    Attack("a path that looks like a host", f"{PLAIN}&endpoint=https://{EVIL}/kms.eu-west-1.amazonaws.com", refused_by=errors.InvalidKeyURI),
    Attack("below a look-alike", f"awskms://kms.eu-west-1.amazonaws.com.{EVIL}/{KEY}?region=eu-west-1"),
    Attack("a misspelling", f"awskms://kms.eu-west-1.amazonaws.co/{KEY}?region=eu-west-1"),
    Attack("somebody's bucket", f"awskms://evil.s3.amazonaws.com/{KEY}?region=eu-west-1"),
    Attack("a bucket called kms", f"awskms://kms.s3.amazonaws.com/{KEY}?region=eu-west-1"),
    Attack("somebody's gateway", f"awskms://abc123.execute-api.eu-west-1.amazonaws.com/{KEY}?region=eu-west-1"),
    Attack("somebody's machine", f"awskms://ec2-1-2-3-4.eu-west-1.compute.amazonaws.com/{KEY}?region=eu-west-1"),
    Attack("a name before", f"awskms://evil-kms.eu-west-1.amazonaws.com/{KEY}?region=eu-west-1"),
    Attack("loopback", f"{PLAIN}&endpoint=http://127.0.0.1:4566"),
    Attack("loopback by name", f"{PLAIN}&endpoint=https://localhost:4566"),
    Attack("loopback, IPv6", f"{PLAIN}&endpoint=http://[::1]:4566"),
    Attack("loopback as authority", f"awskms://localhost:4566/{KEY}?region=eu-west-1"),
    Attack("AWS_ENDPOINT_URL_KMS", PLAIN, {"AWS_ENDPOINT_URL_KMS": f"https://{EVIL}"}),
    Attack("AWS_ENDPOINT_URL", PLAIN, {"AWS_ENDPOINT_URL": f"http://{EVIL}:81"}),
    Attack("AWS_ENDPOINT_URL_KMS on loopback", PLAIN, {"AWS_ENDPOINT_URL_KMS": "http://localhost:4566"}),
    Attack("AWS_ENDPOINT_URL_KMS with user-info", PLAIN, {"AWS_ENDPOINT_URL_KMS": f"https://kms.eu-west-1.amazonaws.com@{EVIL}"},
           refused_by=errors.ConfigurationError),
    Attack("the config file", PLAIN, config=f"[default]\nendpoint_url = https://{EVIL}\n"),
    Attack("a service in the config file", PLAIN, config=f"[default]\nservices = s\n[services s]\nkms =\n  endpoint_url = https://{EVIL}\n"),
    Attack("a profile", f"{PLAIN}&profile=p", config=f"[profile p]\nendpoint_url = https://{EVIL}\n"),
    Attack("AWS_ENDPOINT_URL_STS with role", f"{PLAIN}&role={ROLE}", {"AWS_ENDPOINT_URL_STS": f"https://{EVIL}"}),
    Attack("STS on loopback with role", f"{PLAIN}&role={ROLE}", {"AWS_ENDPOINT_URL_STS": "http://localhost:4566"}),
    Attack("STS at a gateway with role", f"{PLAIN}&role={ROLE}", {"AWS_ENDPOINT_URL_STS": "https://a.execute-api.eu-west-1.amazonaws.com"}),
    Attack("a profile's own role and STS", f"{PLAIN}&profile=p", {"AWS_ENDPOINT_URL_STS": f"https://{EVIL}"},
           f"[profile p]\nrole_arn = {ROLE}\ncredential_source = Environment\n"),
    Attack("a web identity", PLAIN.replace("region", "profile=w&region"), {"AWS_ENDPOINT_URL_STS": f"https://{EVIL}"},
           f"[profile w]\nrole_arn = {ROLE}\nweb_identity_token_file = TOKEN_FILE\n"),
    Attack("single sign-on", f"{PLAIN}&profile=s", {"AWS_ENDPOINT_URL_SSO": f"https://{EVIL}"},
           "[profile s]\nsso_session = x\nsso_account_id = 111122223333\nsso_role_name = r\n"
           "[sso-session x]\nsso_region = eu-west-1\nsso_start_url = https://x.awsapps.com/start\n"),
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
def test_no_credential_reaches_a_hostile_host(
    attack: Attack, world: World, no_settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = no_settings / "token"
    token.write_text("canary-web-identity")
    (no_settings / "config").write_text(attack.config.replace("TOKEN_FILE", str(token)))
    signed_in(no_settings)
    for name, value in attack.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(attack.refused_by) as caught, farsign.open_signer(attack.uri, policy=PATIENT) as signer:
        signer.key()
    assert world.secrets == 0
    assert b"canary-web-identity" not in world.heard
    assert caught.value.next_step
    assert not {word for word in SECRETS.values() if word in caught.value.diagnostics()}


def signed_in(home: Path) -> None:
    """A token as `aws sso login` leaves it."""
    cache = home / "sso"
    cache.mkdir()
    end = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = {"accessToken": "canary-sso", "expiresAt": end, "startUrl": "https://x.awsapps.com/start", "region": "eu-west-1"}
    (cache / f"{hashlib.sha1(b'x').hexdigest()}.json").write_text(json.dumps(content))


CONTROLS: list[tuple[str, str, dict[str, str], dict[str, Any]]] = [
    ("allow_hosts", f"awskms://{EVIL}/{KEY}?region=eu-west-1", {}, {"allow_hosts": [EVIL]}),
    ("FARSIGN_ALLOW_HOSTS", f"{PLAIN}&endpoint=http://{EVIL}", {"FARSIGN_ALLOW_HOSTS": f"http://{EVIL}"}, {}),
    ("AWS itself", PLAIN, {}, {}),
    ("STS, allowed", f"{PLAIN}&role={ROLE}", {"AWS_ENDPOINT_URL_STS": f"https://{EVIL}"}, {"allow_hosts": [EVIL]}),
]


@pytest.mark.parametrize(("uri", "environment", "options"), [row[1:] for row in CONTROLS], ids=[row[0] for row in CONTROLS])
def test_the_listener_would_have_heard(
    uri: str, environment: dict[str, str], options: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: where credentials may go, they arrive, so the zeros above mean something."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(errors.ProviderError), farsign.open_signer(uri, policy=PATIENT, **options) as signer:
        signer.key()
    assert world.secrets > 0


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.parametrize("native", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("uri", [PLAIN, f"{PLAIN}&role={ROLE}"], ids=["KMS", "STS"])
def test_a_redirect_carries_nothing_to_another_host(
    uri: str, status: int, native: bool, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """RULES 11. AWS's own host, or who has taken its place, sends the request elsewhere: nothing arrives there."""
    caplog.set_level("CRITICAL", "botocore.credentials")  # its record would keep what failed alive
    world.reply = f"HTTP/1.1 {status} Moved\r\nLocation: https://{EVIL}/\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    with farsign.open_signer(uri, policy=PATIENT) as signer, pytest.raises(errors.ProviderError):
        asyncio.run(signer.akey()) if native else signer.key()
    gc.collect()  # urllib3 leaves the connection of a 303 open when it fails on botocore's headers; here, not in the test that follows
    hosts = [line.split(b":", 1)[1].strip() for line in world.heard.splitlines() if line.lower().startswith(b"host:")]
    assert hosts
    assert set(hosts) <= {b"kms.eu-west-1.amazonaws.com", b"sts.eu-west-1.amazonaws.com"}


def test_a_session_may_go_to_loopback_but_not_elsewhere(world: World, no_settings: Path) -> None:
    """RULES 10: credentials that were given for that host."""
    session = boto3.Session("canary-own", "own", region_name="eu-west-1")
    with pytest.raises(errors.HostRefused):
        farsign_aws.open_signer(f"awskms://{EVIL}/{KEY}", session=session)
    assert world.secrets == 0
    signer = farsign_aws.open_signer(f"{PLAIN}&endpoint=http://localhost:4566", session=session, policy=PATIENT)
    with signer, pytest.raises(errors.PermissionDenied):
        signer.key()
    assert b"canary-own" in world.heard
    assert b"AKIACANARYCANARY" not in world.heard


def test_an_emulator_elsewhere_has_to_be_allowed(world: World) -> None:
    """In a compose file it has a host name; its fixed credentials are nobody's."""
    uri = f"{PLAIN}&endpoint=http://kms:4566&auth=emulator"
    with pytest.raises(errors.HostRefused):
        farsign.open_signer(uri)
    with pytest.raises(errors.PermissionDenied), farsign.open_signer(uri, policy=PATIENT, allow_hosts=["kms:4566"]) as signer:
        signer.key()
    assert b"Credential=emulator/" in world.heard
    assert world.secrets == world.heard.count(b"AWS4-HMAC")


SIGN_IN = ["eu-west-1.signin.aws.amazon.com", "oidc.eu-west-1.amazonaws.com", "portal.sso.us-gov-west-1.amazonaws.com",
           "sts.amazonaws.com", "sts-fips.us-east-1.amazonaws.com", "sts.cn-north-1.amazonaws.com.cn",
           "vpce-0123456789abcdef0-abcdefgh.sts.eu-west-1.vpce.amazonaws.com", "us-east-1.oauth.signin.aws"]  # fmt: skip


@pytest.mark.parametrize("host", SIGN_IN)
def test_where_boto3_gets_credentials_from(host: str) -> None:
    _hosts.check(f"https://{host}", own_credentials=False, allow=())


ENDPOINTS = [
    ("", "https://kms.eu-west-1.amazonaws.com"),
    ("&fips=true", "https://kms-fips.eu-west-1.amazonaws.com"),
    ("&dualstack=true", "https://kms.eu-west-1.api.aws"),
    ("&fips=true&dualstack=true", "https://kms-fips.eu-west-1.api.aws"),
]


@pytest.mark.parametrize(("parameters", "endpoint"), ENDPOINTS)
def test_aws_other_endpoints(parameters: str, endpoint: str, no_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(parameters: str) -> str:
        key = AwsKey(farsign.parse_uri(PLAIN + parameters))
        key.close()
        url: str = key._shared.client.kms.meta.endpoint_url
        return url

    assert chosen(parameters) == endpoint
    for name in ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"):
        monkeypatch.setenv(name, "true")
    assert chosen("") == ENDPOINTS[-1][1]
    assert chosen("&fips=false&dualstack=false") == ENDPOINTS[0][1], "what a URI says counts"
