"""Tokens and logins: each method, renewal before the end, one login for all, and no storm whatever the server says (RULES 21)."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import os
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from driving import MESSAGE
from transit import CANARY, with_auth

import farsign
from farsign.errors import (
    ConfigurationError,
    CredentialsExpired,
    CredentialsNotFound,
    IntegrityFailure,
    PermissionDenied,
    ProviderError,
)
from farsign.events import CredentialsRefreshed
from farsign.testing._tls import ServerCertificate
from farsign.testing.emulator import Reply
from farsign_vault import _emulator_auth as accepted
from farsign_vault import _login
from farsign_vault._emulator import OpenBaoEmulator, VaultEmulator

THREADS = 32
SECONDS = 65.0 if "FARSIGN_SOAK" in os.environ else 1.5
ONCE = farsign.Policy(timeout=5.0, attempts=1)

LOGINS = {
    "approle": ("auth=approle", {"ROLE_ID": accepted.ROLE_ID, "SECRET_ID": accepted.SECRET_ID}),
    "kubernetes": (f"auth=kubernetes&auth_role={accepted.ROLE}", {"JWT": accepted.JWT}),
    "jwt": (f"auth=jwt&auth_role={accepted.ROLE}", {"JWT": accepted.JWT}),
    "jwt, default role": ("auth=jwt", {"JWT": accepted.JWT}),
    "userpass": ("auth=userpass", {"USERNAME": accepted.USERNAME, "PASSWORD": accepted.PASSWORD}),
}
SECRETS = {name for _, variables in LOGINS.values() for name in variables} - {"USERNAME", "ROLE_ID"}


@pytest.fixture
def at_home(vault: VaultEmulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Sets VAULT_ADDR and variables; returns the URI of a key for ``auth``."""

    def make(auth: str = "", **variables: str) -> str:
        monkeypatch.setenv("VAULT_ADDR", vault.url)
        for name, value in variables.items():
            monkeypatch.setenv(f"VAULT_{name}", value)
        if "auth" not in {name.rpartition("/")[2] for name in vault.keys.keys}:
            vault.create_key("ES256", "auth")
        return f"hashivault://auth?{auth}" if auth else "hashivault://auth"

    return make


@pytest.mark.parametrize("method", LOGINS)
def test_each_login(vault: VaultEmulator, at_home: Callable[..., str], method: str) -> None:
    auth, variables = LOGINS[method]
    with farsign.open_signer(at_home(auth, **variables)) as signer:
        signer.check()
        asyncio.run(signer.acheck())
    assert vault.auth.logins == {auth[5:].partition("&")[0]: 1}
    assert {record.operation for record in vault.log} == {"Login", "ReadKey", "Sign"}


@pytest.mark.parametrize("method", LOGINS)
def test_each_secret_from_a_file(vault: VaultEmulator, at_home: Callable[..., str], method: str, tmp_path: Path) -> None:
    auth, variables = LOGINS[method]
    files = {}
    for name, value in variables.items():
        (tmp_path / name).write_text(f"{value}\n")
        files[f"{name}_FILE"] = str(tmp_path / name)
    with farsign.open_signer(at_home(auth, **files)) as signer:
        signer.check()


def test_the_service_accounts_token_is_where_kubernetes_puts_it(
    vault: VaultEmulator, at_home: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert _login.SERVICE_ACCOUNT == "/var/run/secrets/kubernetes.io/serviceaccount/token"
    (tmp_path / "token").write_text(accepted.JWT)
    monkeypatch.setattr(_login, "SERVICE_ACCOUNT", str(tmp_path / "token"))
    with farsign.open_signer(at_home(LOGINS["kubernetes"][0])) as signer:
        signer.check()


@pytest.mark.parametrize("method", LOGINS)
def test_a_refused_login_says_what_to_do_and_nothing_secret(
    vault: VaultEmulator, at_home: Callable[..., str], method: str, caplog: pytest.LogCaptureFixture
) -> None:
    auth, variables = LOGINS[method]
    wrong = {name: CANARY if name in SECRETS else value for name, value in variables.items()}
    caplog.set_level("DEBUG")
    with farsign.open_signer(at_home(auth, **wrong)) as signer, pytest.raises(CredentialsExpired) as caught:
        signer.key()
    error = caught.value
    assert auth[5:].partition("&")[0] in str(error)
    assert error.next_step
    told = error.diagnostics() + repr(error.__cause__) + "".join(traceback.format_exception(error)) + caplog.text
    assert CANARY not in told
    assert vault.calls("login") == 1, "a refusal stands for 30 s"


def test_a_login_that_is_not_there(vault: VaultEmulator, at_home: Callable[..., str]) -> None:
    uri = at_home("auth=approle&auth_mount=apps", ROLE_ID=accepted.ROLE_ID, SECRET_ID=accepted.SECRET_ID)
    with farsign.open_signer(uri) as signer, pytest.raises(CredentialsNotFound, match="auth/apps") as caught:
        signer.key()
    assert "vault auth enable" in caught.value.next_step
    vault.auth.mounts["apps"] = "approle"
    with farsign.open_signer(uri) as signer:
        signer.check()


@pytest.mark.parametrize(
    ("auth", "variable"),
    [
        ("", "VAULT_TOKEN"),
        ("auth=token", "VAULT_TOKEN"),
        ("auth=approle", "VAULT_ROLE_ID"),
        ("auth=jwt", "VAULT_JWT"),
        ("auth=userpass", "VAULT_USERNAME"),
    ],
)
def test_what_is_not_set_is_named(vault: VaultEmulator, at_home: Callable[..., str], auth: str, variable: str) -> None:
    with (
        farsign.open_signer(at_home(auth)) as signer,
        pytest.raises(CredentialsNotFound, match=f"{variable} is not set") as caught,
    ):
        signer.key()
    assert f"{variable}_FILE" in caught.value.next_step
    assert vault.calls("*") == 0


def test_files_that_cannot_be_read(at_home: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, why in (("missing", "No such file"), ("empty", "is empty"), ("binary", "it is no text"), (".", "directory")):
        uri = at_home("auth=token_file", TOKEN_FILE=str(tmp_path / name))
        with farsign.open_signer(uri) as signer, pytest.raises(CredentialsNotFound, match=why):
            signer.key()


def test_a_user_name_is_a_name(vault: VaultEmulator, at_home: Callable[..., str]) -> None:
    """RULES 13: it becomes part of the path."""
    uri = at_home("auth=userpass", USERNAME="../../sys/seal", PASSWORD="x")
    with farsign.open_signer(uri) as signer, pytest.raises(CredentialsNotFound, match="is no name"):
        signer.key()
    assert vault.calls("*") == 0


# -- tokens that are there ------------------------------------------------------------------------------------------------


def test_the_token_of_the_environment_then_the_file(vault: VaultEmulator, at_home: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text(vault.auth.grant())  # where `vault login` puts it; HOME is tmp_path
    for auth in ("", "auth=token_file"):
        with farsign.open_signer(at_home(auth)) as signer:
            signer.check()
    with farsign.open_signer(at_home("", TOKEN=CANARY)) as signer, pytest.raises(CredentialsExpired):
        signer.key()
    with farsign.open_signer(at_home("auth=token", TOKEN=vault.auth.grant())) as signer:
        signer.check()


def test_a_token_file_is_read_again_when_its_token_is_refused(
    vault: VaultEmulator, at_home: Callable[..., str], tmp_path: Path
) -> None:
    file = tmp_path / "sink"
    file.write_text(old := vault.auth.grant())
    with farsign.open_signer(at_home("auth=token_file", TOKEN_FILE=str(file))) as signer:
        key = signer.check()
        file.write_text(vault.auth.grant())
        vault.auth.revoke(old)
        key.sign(MESSAGE)
    assert vault.calls("login") == vault.calls("renew") == 0, "whoever writes the file renews the token"


def test_a_token_file_is_read_again_in_time(
    vault: VaultEmulator, at_home: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_login, "LOOK_AGAIN", 0.2)
    file = tmp_path / "sink"
    file.write_text(old := vault.auth.grant())
    with farsign.open_signer(at_home("auth=token_file", TOKEN_FILE=str(file))) as signer:
        key = signer.check()
        file.write_text(vault.auth.grant())
        time.sleep(0.25)
        vault.auth.revoke(old)
        before = vault.calls("sign")
        key.sign(MESSAGE)
        assert vault.calls("sign") == before + 1, "no refusal was needed"


def test_a_token_that_was_given_is_renewed(
    vault: VaultEmulator, at_home: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_login, "LOOK_AGAIN", 0.2)
    with farsign.open_signer(at_home("", TOKEN=vault.auth.grant(seconds=3600))) as signer:
        key = signer.check()
        assert vault.calls("renew") == 0, "nobody waits for it at first"
        time.sleep(0.25)
        key.sign(MESSAGE)
        key.sign(MESSAGE)
    assert vault.calls("renew") == 1


@pytest.mark.parametrize("token", ["root", "batch", "no policy"])
def test_a_token_that_cannot_be_renewed_is_used_while_it_lasts(
    vault: VaultEmulator, at_home: Callable[..., str], monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setattr(_login, "LOOK_AGAIN", 0.1)
    grants = {"root": {"seconds": None}, "batch": {"batch": True}, "no policy": {}}
    if token == "no policy":
        vault.deny("auth/token/renew-self")
    with farsign.open_signer(at_home("", TOKEN=vault.auth.grant(**grants[token]))) as signer:
        key = signer.check()
        for _ in range(3):
            time.sleep(0.15)
            key.sign(MESSAGE)
    assert vault.calls("renew") == 1


# -- logins that end ------------------------------------------------------------------------------------------------------


@pytest.fixture
def approle(vault: VaultEmulator, at_home: Callable[..., str]) -> Iterator[farsign.Signer]:
    with farsign.open_signer(at_home(*LOGINS["approle"][:1], **LOGINS["approle"][1])) as signer:
        yield signer


def _all_at_once(work: Callable[[], object], count: int = THREADS) -> list[BaseException]:
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def run() -> None:
        try:
            start.wait()
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return errors


def test_the_first_login_of_32_threads_is_one(vault: VaultEmulator, approle: farsign.Signer) -> None:
    vault.faults.latency("login", 0.2)
    assert not _all_at_once(lambda: approle.key().sign(MESSAGE))
    assert vault.calls("login") == 1


def test_a_token_that_ends_under_32_threads_is_one_login(vault: VaultEmulator, approle: farsign.Signer) -> None:
    """Refused (403, bare): log in again, once, for all, and say so once."""
    key = approle.check()
    vault.auth.revoke()
    vault.faults.latency("login", 0.2)
    told: list[object] = []
    stop = farsign.observe(lambda event: told.append(event) if isinstance(event, CredentialsRefreshed) else None)
    assert not _all_at_once(lambda: key.sign(MESSAGE))
    stop()
    assert vault.calls("login") == 2
    assert len(told) == 1


def test_a_token_whose_end_is_known_is_not_used_beyond_it(vault: VaultEmulator, approle: farsign.Signer) -> None:
    vault.auth.ttl, vault.auth.renewable = 1.0, False
    key = approle.check()
    before = vault.calls("sign")
    time.sleep(1.05)
    assert not _all_at_once(lambda: key.sign(MESSAGE))
    assert vault.calls("sign") == before + THREADS, "no refusal was needed"
    assert vault.calls("login") == 2


def test_a_token_is_renewed_before_it_ends(
    vault: VaultEmulator, approle: farsign.Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farsign._plugin.shared.ONCE_IN", 0.1)
    vault.auth.ttl = 1.0
    key = approle.check()
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        key.sign(MESSAGE)
        time.sleep(0.05)
    assert vault.calls("login") == 1
    assert vault.calls("renew") >= 2


def test_a_token_that_comes_to_its_maximum_is_replaced(
    vault: VaultEmulator, approle: farsign.Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal past the maximum is a success with a capped lease."""
    monkeypatch.setattr("farsign._plugin.shared.ONCE_IN", 0.1)
    vault.auth.ttl, vault.auth.max_ttl = 1.0, 1.1
    key = approle.check()
    time.sleep(0.85)
    key.sign(MESSAGE)
    time.sleep(0.2)
    before = vault.calls("sign")
    key.sign(MESSAGE)
    assert (vault.calls("login"), vault.calls("sign")) == (2, before + 1)


def test_a_login_survives_what_passes(vault: VaultEmulator, approle: farsign.Signer) -> None:
    vault.faults.error("login", "sealed", times=2)
    approle.check()
    assert vault.calls("login") == 3


def test_a_login_survives_a_reset(vault: VaultEmulator, approle: farsign.Signer) -> None:
    vault.faults.order("reset:login:1")
    approle.check()
    assert vault.calls("login") == 2


def test_at_most_one_login_in_30_seconds_on_a_server_that_refuses_every_token(
    vault: VaultEmulator, approle: farsign.Signer
) -> None:
    """100 signatures a second, each refused as a bad token is."""
    key = approle.check()
    vault.faults.error("sign", "credentials-expired")
    end = time.monotonic() + SECONDS
    refused = 0
    while time.monotonic() < end:
        with pytest.raises(ProviderError):
            key.sign(MESSAGE)
        refused += 1
        time.sleep(0.01)
    assert refused > 20
    assert vault.calls("login") <= 2 + SECONDS // 30, "the first, and one again"


@pytest.mark.parametrize(
    "auth",
    [
        None,
        {},
        [],
        {"client_token": 5, "lease_duration": 1, "renewable": True},
        {"client_token": "x", "lease_duration": "long", "renewable": True},
    ],
)
def test_a_login_that_is_garbled(
    vault: VaultEmulator, approle: farsign.Signer, monkeypatch: pytest.MonkeyPatch, auth: object
) -> None:
    reply = Reply(200, json.dumps({"auth": auth}).encode(), {"Content-Type": "application/json"})
    monkeypatch.setattr(vault, "answer", lambda request: reply)
    with pytest.raises(IntegrityFailure, match="not a login"):
        approle.key()


def test_a_renewal_that_fails_costs_no_signature(
    vault: VaultEmulator, at_home: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_login, "LOOK_AGAIN", 0.1)
    with farsign.open_signer(at_home("", TOKEN=vault.auth.grant())) as signer:
        key = signer.check()
        for fault in ("error:renew:sealed", "garbage:renew", "truncate:renew"):
            vault.faults.order(fault)
            time.sleep(0.15)
            key.sign(MESSAGE)
            vault.faults.clear()
    assert vault.calls("renew") == 3


def test_a_policy_that_refuses_is_no_reason_to_log_in(vault: VaultEmulator, approle: farsign.Signer) -> None:
    key = approle.check()
    vault.deny("transit/sign/auth")
    before = vault.calls("sign")
    for _ in range(20):
        with pytest.raises(PermissionDenied) as caught:
            key.sign(MESSAGE)
    assert 'path "transit/sign/auth" { capabilities = ["update"] }' in caught.value.next_step
    assert vault.calls("login") == 1
    assert vault.calls("sign") == before + 20, "and none is tried again"


def test_a_refused_login_is_not_tried_again_for_30_seconds(
    vault: VaultEmulator, at_home: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = at_home("auth=approle", ROLE_ID=accepted.ROLE_ID, SECRET_ID="wrong")
    with farsign.open_signer(uri, policy=ONCE) as signer:
        for _ in range(30):
            with pytest.raises(CredentialsExpired):
                signer.key()
        assert vault.calls("login") == 1
        monkeypatch.setenv("VAULT_SECRET_ID", accepted.SECRET_ID)
        monkeypatch.setattr(_login, "NO_LOGIN", 0.0)
        signer.check()


def test_keys_of_one_configuration_share_a_login(vault: VaultEmulator, at_home: Callable[..., str]) -> None:
    auth, variables = LOGINS["approle"]
    uri = at_home(auth, **variables)
    vault.create_key("ES256", "other")
    with farsign.open_signer(uri) as one, farsign.open_signer(uri.replace("auth?", "other?")) as other:
        one.check()
        other.check()
    assert vault.calls("login") == 1


def test_the_redacted_login_is_in_no_log(
    vault: VaultEmulator, approle: farsign.Signer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RULES 16: nor is the token that it gave."""
    monkeypatch.setattr("farsign_vault._emulator_auth.secrets.token_urlsafe", lambda size: CANARY)
    with caplog.at_level("DEBUG"):
        approle.check()
        vault.faults.error("sign", "denied")
        with pytest.raises(PermissionDenied) as caught:
            approle.key().sign(MESSAGE)
    told = caplog.text + "".join(traceback.format_exception(caught.value)) + repr(approle)
    assert CANARY not in told
    assert accepted.SECRET_ID not in told
    assert _holds_nothing(caught.value)


def _holds_nothing(error: BaseException | None) -> bool:
    """No request, reply or frame with the token in the graph of causes."""
    while error is not None:
        assert not hasattr(error, "request")
        assert not hasattr(error, "response")
        assert CANARY not in repr(vars(error))
        error = error.__cause__ or error.__context__
    return True


# -- TLS certificates -----------------------------------------------------------------------------------------------------


class WithTls(VaultEmulator):
    tls_names = ("127.0.0.1", "localhost")


@pytest.fixture
def own() -> Iterator[ServerCertificate]:
    """Not the one that all emulators of this process share."""
    made = ServerCertificate(("127.0.0.1", "localhost"))
    yield made
    made._folder.cleanup()


@pytest.fixture
def client_certificate(tmp_path: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, private = tmp_path / "client.pem", tmp_path / "client.key"
    cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return cert, private


def test_the_login_by_certificate(
    own: ServerCertificate, monkeypatch: pytest.MonkeyPatch, client_certificate: tuple[Path, Path]
) -> None:
    monkeypatch.setattr("farsign.testing.emulator.server_certificate", lambda names: own)
    own.context.load_verify_locations(client_certificate[0])
    own.context.verify_mode = ssl.CERT_REQUIRED
    with WithTls() as vault:
        key = vault.create_key("ES256", "auth")
        monkeypatch.setenv("VAULT_ADDR", vault.url)
        monkeypatch.setenv("VAULT_CACERT", own.ca_file)
        uri = "hashivault://auth?auth=cert&auth_role=emulator"
        with pytest.raises(ConfigurationError, match="VAULT_CLIENT_CERT"):
            farsign.open_signer(uri)
        monkeypatch.setenv("VAULT_CLIENT_CERT", str(client_certificate[0]))
        monkeypatch.setenv("VAULT_CLIENT_KEY", str(client_certificate[1]))
        with farsign.open_signer(uri) as signer:
            signer.check()
            assert signer.key().version == key.version
        with farsign.open_signer(uri.replace("emulator", "other")) as signer, pytest.raises(CredentialsExpired) as caught:
            signer.key()
        assert "certificate" in caught.value.next_step
    assert vault.auth.logins == {"cert": 1}


def test_a_certificate_where_none_is_asked_for(monkeypatch: pytest.MonkeyPatch, client_certificate: tuple[Path, Path]) -> None:
    with WithTls() as vault:
        assert vault.certificate
        vault.create_key("ES256", "auth")
        monkeypatch.setenv("VAULT_ADDR", vault.url)
        monkeypatch.setenv("VAULT_CLIENT_CERT", str(client_certificate[0]))
        monkeypatch.setenv("VAULT_CLIENT_KEY", str(client_certificate[1]))
        uri = f"hashivault://auth?auth=cert&ca_cert={vault.certificate.ca_file}"
        with farsign.open_signer(uri) as signer, pytest.raises(CredentialsExpired, match="cert login"):
            signer.key()


def test_a_private_ca_is_trusted_by_its_file_alone(tmp_path: Path) -> None:
    with WithTls() as vault:
        key = vault.create_key("ES256")
        with farsign.open_signer(key.uri) as signer:
            signer.check()
        plain = key.uri.partition("&ca_cert=")[0]
        with farsign.open_signer(plain, policy=ONCE) as signer, pytest.raises(ProviderError) as caught:
            signer.key()
        assert caught.value.reason == "tls"
        assert "ca_cert=" in caught.value.next_step
        with pytest.raises(ConfigurationError, match="there is no file"):
            farsign.open_signer(f"{plain}&ca_cert={tmp_path}/none.pem")


# -- OpenBao's variables --------------------------------------------------------------------------------------------------


def test_openbaos_variables_come_first_and_stay_together(
    vault: VaultEmulator, bao: OpenBaoEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = bao.create_key("ES256", "auth")
    vault.create_key("ES256", "auth")
    monkeypatch.setenv("VAULT_ADDR", vault.url)
    monkeypatch.setenv("VAULT_TOKEN", vault.auth.grant())
    with farsign.open_signer("openbao://auth") as signer:
        assert signer.check().version != key.version, "Vault's address and token, for want of OpenBao's"
    monkeypatch.setenv("BAO_ADDR", bao.url)
    with farsign.open_signer("openbao://auth") as signer, pytest.raises(CredentialsNotFound, match="BAO_TOKEN"):
        signer.key()  # Vault's token is not for BAO_ADDR
    assert bao.calls("*") == 0
    monkeypatch.setenv("BAO_TOKEN", bao.auth.grant())
    with farsign.open_signer("openbao://auth") as signer:
        assert signer.check().version == key.version
    with farsign.open_signer(f"openbao://auth?addr={vault.url}") as signer:
        assert signer.check().version != key.version
    with farsign.open_signer("hashivault://auth") as signer:
        assert signer.check().version != key.version


def test_the_namespace_of_the_environment(bao: OpenBaoEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    key = bao.create_key("ES256", "auth", namespace="admin/eu")
    for name, value in bao.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BAO_NAMESPACE", "admin/eu/")
    with farsign.open_signer("openbao://auth") as signer:
        assert signer.check().version == key.version
    with farsign.open_signer(with_auth(key.uri, "token").replace("admin/eu", "admin/us")) as signer:
        with pytest.raises(farsign.errors.KeyNotFound) as caught:
            signer.key()
        assert "namespace=" in caught.value.next_step


@pytest.mark.parametrize("tail", ["\n", " ", "\r\n", "\u00e9"])
def test_a_token_with_what_no_token_has(vault: VaultEmulator, tail: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line break at the end is the usual mistake; requests would say that, with the token in its message, and it is no outage."""
    vault.create_key("ES256", "auth")
    monkeypatch.setenv("VAULT_ADDR", vault.url)
    monkeypatch.setenv("VAULT_TOKEN", CANARY + tail)
    with farsign.open_signer("hashivault://auth") as signer, pytest.raises(CredentialsNotFound, match="no token has") as caught:
        signer.key()
    assert CANARY not in caught.value.diagnostics()
    assert "line break" in caught.value.next_step
