"""New key files: mode 0600, whole or not at all, never in the place of another."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import farsign_local
from farsign.driver import RemoteSigner
from farsign.errors import AlgorithmNotSupported, KeyFileError
from farsign_local import _new

ALGORITHMS = ["RS256", "PS512", "ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_every_algorithm(
    alg: str, tmp_path: Path, open_file: Callable[..., RemoteSigner], sign_everything: Callable[[RemoteSigner], set[str]]
) -> None:
    path = tmp_path / "key.pem"
    farsign_local.new_key_file(str(path), alg)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert ("Ed25519" if alg == "EdDSA" else alg) in sign_everything(open_file(path))
    assert os.listdir(tmp_path) == ["key.pem"]


def test_rsa_bits(tmp_path: Path) -> None:
    farsign_local.new_key_file(str(tmp_path / "key.pem"), "RS256", bits=3072)
    private: Any = load_pem_private_key((tmp_path / "key.pem").read_bytes(), None)
    assert private.key_size == 3072


def test_with_a_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, arguments in (("given.pem", {"passphrase": lambda: "secret"}), ("environment.pem", {})):
        monkeypatch.setenv("FARSIGN_FILE_PASSPHRASE", "secret")
        farsign_local.new_key_file(str(tmp_path / name), "ES256", **arguments)
        pem = (tmp_path / name).read_bytes()
        assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
        assert load_pem_private_key(pem, b"secret")


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling link"])
def test_an_existing_name_is_left_alone(kind: str, tmp_path: Path) -> None:
    path, other = tmp_path / "key.pem", tmp_path / "other"
    if kind in ("file", "link"):
        other.write_text("mine")
    {"file": lambda: other.rename(path), "folder": path.mkdir}.get(kind, lambda: path.symlink_to(other))()
    before = sorted((entry.name, entry.lstat().st_ino) for entry in tmp_path.iterdir())
    with pytest.raises(KeyFileError, match="exists already"):
        farsign_local.new_key_file(str(path), "ES256")
    assert sorted((entry.name, entry.lstat().st_ino) for entry in tmp_path.iterdir()) == before
    assert other.exists() == (kind == "link")


def test_in_a_race_one_wins_and_its_key_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_new.os.path, "lexists", lambda path: False)  # as if all had looked before any wrote
    path, start, outcomes = tmp_path / "key.pem", threading.Barrier(8), []

    def run() -> None:
        start.wait()
        try:
            farsign_local.new_key_file(str(path), "ES256")
        except KeyFileError as error:
            outcomes.append(str(error))
        else:
            outcomes.append(path.read_text())

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("exists already" in outcome for outcome in outcomes) == 7
    assert path.read_text() in outcomes
    assert os.listdir(tmp_path) == ["key.pem"]


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_new.os, "fsync", full)
    with pytest.raises(KeyFileError, match="No space left on device"):
        farsign_local.new_key_file(str(tmp_path / "key.pem"), "ES256")
    assert os.listdir(tmp_path) == []


def test_the_file_and_its_folder_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(stat.S_IFMT(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(_new.os, "fsync", record)
    farsign_local.new_key_file(str(tmp_path / "key.pem"), "ES256")
    assert synced == [stat.S_IFREG, stat.S_IFDIR]


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError) as caught:
        farsign_local.new_key_file(str(tmp_path / "a b" / "key.pem"), "ES256")
    assert caught.value.next_step == f"mkdir -p -m 700 '{tmp_path}/a b'"


def test_nothing_is_written_for_an_algorithm_without_keys(tmp_path: Path) -> None:
    for alg in ("HS256", "none"):
        with pytest.raises(AlgorithmNotSupported):
            farsign_local.new_key_file(str(tmp_path / "key.pem"), alg)
    assert os.listdir(tmp_path) == []
