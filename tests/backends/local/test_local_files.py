"""file: keys: formats, passphrases, who may read them (RULES 15), and files that change."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

import farsign_local
from farsign.driver import KeyURI, RemoteSigner, SignRequest, VersionLister
from farsign.errors import InvalidKeyURI, KeyFileError, KeyNotFound, KeyUnavailable, PermissionDenied
from farsign_local import _reading
from farsign_local._keys import generate

T = 5.0
OpenFile = Callable[..., RemoteSigner]
SignEverything = Callable[[RemoteSigner], set[str]]


def pem(private: Any, form: PrivateFormat = PrivateFormat.PKCS8, encryption: KeySerializationEncryption | None = None) -> bytes:
    text: bytes = private.private_bytes(Encoding.PEM, form, encryption or NoEncryption())
    return text


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "key.pem", pem(generate("ES256")))


@pytest.fixture
def not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root reads everything, so refusals by the system are raised where they would be."""
    real = os.open

    def refusing(path: Any, flags: int, *rest: Any) -> int:
        if str(path).startswith("/") and os.path.isfile(path) and not os.stat(path).st_mode & stat.S_IRUSR:
            raise PermissionError(13, "Permission denied", path)
        return real(path, flags, *rest)

    monkeypatch.setattr(_reading.os, "open", refusing)


# -- formats --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ["RS256", "ES256", "ES384", "ES512", "ES256K", "EdDSA", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
@pytest.mark.parametrize("encrypted", [False, True])
def test_pkcs8(alg: str, encrypted: bool, tmp_path: Path, open_file: OpenFile, sign_everything: SignEverything) -> None:
    content = pem(generate(alg), encryption=BestAvailableEncryption(b"secret") if encrypted else None)
    sign_everything(open_file(write(tmp_path / "key", content), lambda: "secret"))


@pytest.mark.parametrize(("alg", "label"), [("RS256", b"RSA"), ("ES384", b"EC")])
@pytest.mark.parametrize("encrypted", [False, True])
def test_pkcs1_and_sec1(
    alg: str, label: bytes, encrypted: bool, tmp_path: Path, open_file: OpenFile, sign_everything: SignEverything
) -> None:
    encryption = BestAvailableEncryption(b"secret") if encrypted else None
    content = pem(generate(alg), PrivateFormat.TraditionalOpenSSL, encryption)
    assert content.startswith(b"-----BEGIN %b PRIVATE KEY-----" % label)
    sign_everything(open_file(write(tmp_path / "key", content), lambda: b"secret"))


@pytest.mark.parametrize(
    "command",
    [
        "openssl ecparam -genkey -name prime256v1",  # an EC PARAMETERS block comes first
        "openssl genpkey -algorithm ed25519",
        "openssl genrsa 2048",
    ],
)
def test_what_openssl_writes(command: str, tmp_path: Path, open_file: OpenFile, sign_everything: SignEverything) -> None:
    made = subprocess.run(command.split(), capture_output=True, check=True).stdout
    sign_everything(open_file(write(tmp_path / "key", made)))
    sign_everything(open_file(write(tmp_path / "windows", b"comment\r\n" + made.replace(b"\n", b"\r\n"))))


def test_a_key_with_its_certificate_chain(tmp_path: Path, open_file: OpenFile, sign_everything: SignEverything) -> None:
    private = generate("ES256")
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    sign_everything(open_file(write(tmp_path / "key", public + pem(private) + public)))


CANARY = "Y2FuYXJ5IGluIGEga2V5"


@pytest.mark.parametrize(
    ("content", "says", "next_step"),
    [
        (b"", "neither PEM nor JWK", "PEM or JWK"),
        (b"\xff\xfe" + CANARY.encode(), "neither PEM nor JWK", "PEM or JWK"),
        (b"-----BEGIN PUBLIC KEY-----\n" + CANARY.encode(), "no private key, but PUBLIC KEY", "PEM or JWK"),
        (b"-----BEGIN PRIVATE KEY-----\n%b\n-----END PRIVATE KEY-----" % CANARY.encode(), "damaged", "openssl pkey"),
        (pem(generate("ES256"))[:-40], "damaged, incomplete", "openssl pkey"),
        (pem(generate("ES256")) * 2, "2 private keys", "one private key"),
        (pem(generate("ES256"), PrivateFormat.OpenSSH), "OpenSSH", "ssh-keygen -p -m PKCS8"),
        (b"{" + CANARY.encode(), "JSON", "tool that made it"),
    ],
)
def test_content_that_is_refused(content: bytes, says: str, next_step: str, tmp_path: Path, open_file: OpenFile) -> None:
    path = write(tmp_path / "key", content)
    with pytest.raises(KeyFileError) as caught:
        open_file(path).describe(timeout=T)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert next_step in caught.value.next_step
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.diagnostics()}"
    assert CANARY not in shown  # RULES 16


@pytest.mark.parametrize("bits", [512, 1024])
def test_short_rsa_keys_are_refused(bits: int, tmp_path: Path, open_file: OpenFile) -> None:
    content = subprocess.run(["openssl", "genrsa", str(bits)], capture_output=True, check=True).stdout
    with pytest.raises(KeyFileError, match=f"{bits} bits|damaged"):
        open_file(write(tmp_path / "key", content)).describe(timeout=T)


# -- passphrases ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def encrypted(tmp_path: Path) -> Path:
    return write(tmp_path / "key", pem(generate("ES256"), encryption=BestAvailableEncryption(b"secret")))


def test_passphrase_from_the_environment(
    encrypted: Path, open_file: OpenFile, sign_everything: SignEverything, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = open_file(encrypted)
    monkeypatch.setenv("FARSIGN_FILE_PASSPHRASE", "secret")
    sign_everything(driver)


def test_a_passphrase_for_others_does_not_disturb(path: Path, open_file: OpenFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARSIGN_FILE_PASSPHRASE", "secret")
    assert open_file(path).describe(timeout=T).inputs


def test_missing_and_wrong_passphrases(encrypted: Path, open_file: OpenFile) -> None:
    with pytest.raises(KeyFileError, match="no passphrase was given") as caught:
        open_file(encrypted).describe(timeout=T)
    assert "FARSIGN_FILE_PASSPHRASE" in caught.value.next_step
    with pytest.raises(KeyFileError, match="does not open it") as caught:
        open_file(encrypted, lambda: "wrong-canary").describe(timeout=T)
    assert "canary" not in caught.value.diagnostics()


def test_a_passphrase_function_that_fails(encrypted: Path, open_file: OpenFile) -> None:
    def broken() -> str:
        raise LookupError("canary: the vault said hunter2")

    with pytest.raises(KeyFileError, match="LookupError") as caught:
        open_file(encrypted, broken).describe(timeout=T)
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"


def test_decrypting_happens_once_per_content(encrypted: Path, open_file: OpenFile) -> None:
    asked = []
    driver = open_file(encrypted, lambda: asked.append(1) or "secret")
    for _ in range(3):
        driver.describe(timeout=T)
    assert asked == [1]


# -- RULES 15 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o666, 0o777])
def test_rules_15_open_to_the_world(mode: int, path: Path, open_file: OpenFile) -> None:
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"mode {mode:04o}") as caught:
        open_file(path).describe(timeout=T)
    assert f"chmod 600 {path}" in caught.value.next_step
    assert "defaultMode to 0400, or 0440 with fsGroup" in caught.value.next_step


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o440, 0o640, 0o700])
def test_rules_15_open_to_us_and_our_group(mode: int, path: Path, open_file: OpenFile) -> None:
    path.chmod(mode)
    assert path.stat().st_gid in [*os.getgroups(), os.getegid()]
    assert open_file(path).describe(timeout=T)


@pytest.mark.parametrize(("mode", "refused"), [(0o440, True), (0o620, True), (0o600, False)])
def test_rules_15_open_to_another_group(
    mode: int, refused: bool, path: Path, open_file: OpenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.chmod(mode)
    ours = path.stat().st_gid
    monkeypatch.setattr(_reading.os, "getgroups", lambda: [ours + 1])
    monkeypatch.setattr(_reading.os, "getegid", lambda: ours + 1)
    if not refused:
        assert open_file(path).describe(timeout=T)
        return
    with pytest.raises(KeyFileError, match=f"group {ours}") as caught:
        open_file(path).describe(timeout=T)
    assert f"chmod 600 {path}" in caught.value.next_step


@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
def test_rules_15_only_regular_files(kind: str, tmp_path: Path, open_file: OpenFile) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)  # nobody writes: opening it in the ordinary way would never return
    (tmp_path / "folder").mkdir(mode=0o700)
    (tmp_path / "device").symlink_to("/dev/zero")  # nor would reading this
    with pytest.raises(KeyFileError, match="not a regular file"):
        open_file(tmp_path / kind).describe(timeout=T)


def test_rules_15_a_socket_is_no_key(tmp_path: Path, open_file: OpenFile) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        driver = open_file(tmp_path / "s")
        with pytest.raises(OSError) as caught:
            driver.describe(timeout=T)
    failure = driver.classify(caught.value)
    assert failure
    assert failure.error is KeyNotFound


def test_rules_15_at_most_64_kib(path: Path, open_file: OpenFile) -> None:
    key = path.read_bytes()
    path.write_bytes(b"#" * (65_536 - len(key) - 1) + b"\n" + key)
    assert open_file(path).describe(timeout=T)
    large = write(path.with_name("large.pem"), b"#" * (65_536 - len(key)) + b"\n" + key)
    with pytest.raises(KeyFileError, match="65536 bytes"):
        open_file(large).describe(timeout=T)


def test_rules_15_links_are_followed(path: Path, tmp_path: Path, open_file: OpenFile) -> None:
    (tmp_path / "link").symlink_to(path)
    assert open_file(tmp_path / "link").describe(timeout=T).public_key == open_file(path).describe(timeout=T).public_key


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file://host/etc/key.pem", "host"),
        ("file://localhost/etc/key.pem", "host"),
        ("file:key.pem", "no absolute path"),
        ("file:///etc/../key.pem", r"'\.\.'"),
        ("file:///etc/%2e%2e/key.pem", r"'\.\.'"),
        ("file:///etc/key.pem?kid=a", "kid="),  # RULES 3: a file can be rewritten
        ("file:///etc/key.pem?passphrase=secret", "passphrase="),
        ("file:///", "names no key"),
    ],
)
def test_uris_that_are_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidKeyURI, match=says) as caught:
        farsign_local.farsign_uri(KeyURI.split(text))
    assert "secret" not in caught.value.diagnostics()


@pytest.mark.parametrize("text", ["file:///etc/key.pem?alg=RS256", "file:///var/run/secrets/..data/key.pem", "file:///a%20b"])
def test_uris(text: str) -> None:
    assert str(farsign_local.farsign_uri(KeyURI.split(text))) == text
    assert str(farsign_local.farsign_uri(KeyURI.split(text.replace("file://", "file:")))) == text  # RFC 8089


# -- files that cannot be read --------------------------------------------------------------------------------------------


def failure(driver: RemoteSigner) -> Any:
    with pytest.raises(OSError) as caught:
        driver.describe(timeout=T)
    return driver.classify(caught.value)


def test_a_missing_file(tmp_path: Path, open_file: OpenFile) -> None:
    found = failure(open_file(tmp_path / "a b.pem", alg="RS256"))
    assert (found.error, found.reason) == (KeyNotFound, "ENOENT")
    assert str(tmp_path / "a b.pem") in found.message
    assert found.next_step == f"put a key there: farsign new 'file://{tmp_path}/a%20b.pem' --alg RS256"  # RULES 35


@pytest.mark.usefixtures("not_root")
def test_a_file_that_we_may_not_read(path: Path, open_file: OpenFile) -> None:
    path.chmod(0)
    found = failure(open_file(path))
    assert (found.error, found.reason, found.permission) == (PermissionDenied, "EACCES", "read")
    assert f"chmod 600 {path}" in found.next_step


@pytest.mark.parametrize(
    ("number", "error"),
    [(2, KeyNotFound), (20, KeyNotFound), (40, KeyNotFound), (1, PermissionDenied), (5, KeyUnavailable), (24, KeyUnavailable)],
)
def test_what_the_system_says(number: int, error: type[Exception], path: Path, open_file: OpenFile) -> None:
    found = open_file(path).classify(OSError(number, "canary", "canary"))
    assert found
    assert found.error is error
    assert "canary" not in found.message


def test_a_bug_is_not_classified(path: Path, open_file: OpenFile) -> None:
    assert open_file(path).classify(ZeroDivisionError()) is None


# -- files that change ----------------------------------------------------------------------------------------------------


def listed(driver: RemoteSigner) -> list[str]:
    assert isinstance(driver, VersionLister)
    return [name for name, _ in driver.versions(timeout=T)]


def replace(path: Path, content: bytes) -> None:
    write(path.with_suffix(".new"), content).replace(path)


def test_a_rewritten_file_is_another_version(path: Path, open_file: OpenFile, sign_everything: SignEverything) -> None:
    driver = open_file(path)
    old = driver.describe(timeout=T)
    assert not old.pinned
    assert old.version.startswith(f"{path} sha256:")
    write(path, pem(generate("EdDSA")))
    new = driver.describe(timeout=T)
    assert new.version != old.version
    assert listed(driver) == [new.version, old.version]
    assert sign_everything(driver) == {"Ed25519"}
    assert driver.describe(old.version, timeout=T) == old  # a pending change can wait
    assert driver.sign(SignRequest(old.version, "ES256", "message", b"x"), timeout=T).version == old.version


def test_the_same_key_written_again_is_the_same_version(path: Path, open_file: OpenFile) -> None:
    driver = open_file(path)
    before = driver.describe(timeout=T)
    path.write_bytes(b"a comment\n" + path.read_bytes())
    path.chmod(0o400)
    assert driver.describe(timeout=T) == before
    assert listed(driver) == [before.version]


def test_a_change_within_one_tick_of_the_clock_is_seen(path: Path, open_file: OpenFile) -> None:
    driver, seen = open_file(path), set()
    for _ in range(50):  # same size, same inode, and often the same time stamp
        with path.open("r+b") as file:
            file.write(pem(generate("EdDSA")))
            file.truncate()
        seen.add(driver.describe(timeout=T).version)
    assert len(seen) == 50


def test_history_is_kept_per_path_and_process(path: Path, open_file: OpenFile) -> None:
    first = open_file(path)
    old = first.describe(timeout=T)
    replace(path, pem(generate("ES256")))
    second = open_file(path)
    assert listed(second) == [second.describe(timeout=T).version, old.version]
    assert second.sign(SignRequest(old.version, "ES256", "message", b"x"), timeout=T).version == old.version


def test_only_the_latest_keys_are_kept(path: Path, open_file: OpenFile) -> None:
    driver = open_file(path)
    assert isinstance(driver, VersionLister)
    first = driver.describe(timeout=T).version
    for _ in range(20):
        write(path, pem(generate("ES256")))
        driver.describe(timeout=T)
    names = [name for name, _ in driver.versions(timeout=T)]
    assert len(names) == 16
    assert first not in names
    with pytest.raises(KeyNotFound):
        driver.sign(SignRequest(first, "ES256", "digest", bytes(32)), timeout=T)


def test_moving_back_makes_the_old_key_the_newest(path: Path, open_file: OpenFile) -> None:
    driver, content = open_file(path), path.read_bytes()
    old = driver.describe(timeout=T).version
    replace(path, pem(generate("ES256")))
    new = driver.describe(timeout=T).version
    replace(path, content)
    assert listed(driver) == [old, new]


def test_a_kubernetes_secret_swaps_its_data_link(tmp_path: Path, open_file: OpenFile) -> None:
    for number in ("1", "2"):
        (tmp_path / number).mkdir()
        write(tmp_path / number / "key.pem", pem(generate("ES256")), 0o440)
    (tmp_path / "..data").symlink_to("1")
    (tmp_path / "key.pem").symlink_to("..data/key.pem")
    driver = open_file(tmp_path / "key.pem")
    old = driver.describe(timeout=T).version
    (tmp_path / "..data_tmp").symlink_to("2")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    assert listed(driver) == [driver.describe(timeout=T).version, old]


def test_listing_leaves_out_keys_of_another_algorithm(path: Path, open_file: OpenFile) -> None:
    driver = open_file(path, alg="ES256")
    es256 = driver.describe(timeout=T).version
    replace(path, pem(generate("EdDSA")))
    eddsa = driver.describe(timeout=T).version
    assert listed(driver) == [eddsa, es256]  # what the file means now comes first, so that the Signer can refuse it
    assert listed(open_file(path, alg="EdDSA")) == [eddsa]


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nMIG", b'{"kty": "EC", '])
def test_a_half_written_file_keeps_the_old_key(content: bytes, path: Path, open_file: OpenFile) -> None:
    driver = open_file(path)
    old = driver.describe(timeout=T).version
    path.write_bytes(content)
    for call in (lambda: driver.describe(timeout=T), lambda: listed(driver)):
        with pytest.raises(KeyUnavailable, match="the key read before stays"):
            call()
    with pytest.raises(KeyFileError):  # whoever never read a good one is told at once, not after retries
        open_file(path).describe(timeout=T)
    assert driver.describe(old, timeout=T).version == old
    assert driver.sign(SignRequest(old, "ES256", "message", b"x"), timeout=T).version == old


def test_a_file_opened_to_the_world_later_does_not_stop_the_key(path: Path, open_file: OpenFile) -> None:
    driver = open_file(path)
    driver.describe(timeout=T)
    path.chmod(0o644)
    with pytest.raises(KeyUnavailable, match="0644") as caught:
        driver.describe(timeout=T)
    assert "chmod 600" in caught.value.next_step


def test_a_version_that_this_process_never_saw(path: Path, open_file: OpenFile) -> None:
    driver = open_file(path)
    with pytest.raises(KeyNotFound):
        driver.describe(f"{path} sha256:00", timeout=T)
    with pytest.raises(KeyNotFound):
        driver.sign(SignRequest(f"{path} sha256:00", "ES256", "message", b""), timeout=T)
