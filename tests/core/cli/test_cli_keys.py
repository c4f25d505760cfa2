"""``farsign new``, ``farsign check`` and ``farsign public-key``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

import farsign

Run = Callable[..., Any]
KeyFile = Callable[..., str]
ReadFields = Callable[[str], dict[str, str]]
Unquoted = Callable[[str], str]


@pytest.mark.parametrize(
    ("alg", "suffix"), [("ES256", ""), ("EdDSA", ""), ("Ed25519", "?alg=Ed25519"), ("RS256", "?alg=RS256"), ("ML-DSA-44", "")]
)
def test_new_prints_a_uri_that_signs(
    alg: str, suffix: str, tmp_path: Path, run: Run, read_fields: ReadFields, unquoted: Unquoted
) -> None:
    outcome = run("new", f"file://{tmp_path}/key.pem", "--alg", alg)
    assert (outcome.code, outcome.err) == (0, "")
    printed = read_fields(outcome.out)
    assert printed["uri"] == f"'file://{tmp_path}/key.pem{suffix}'"
    with farsign.open_signer(unquoted(printed["uri"])) as signer:
        assert (
            (signer.key().algorithm, signer.key().kid) == (printed["algorithm"], printed["kid"]) == (alg, signer.key().thumbprint)
        )


def test_new_as_json_and_bits(tmp_path: Path, run: Run) -> None:
    made = run("new", f"file://{tmp_path}/key.pem", "--alg", "PS256", "--bits", "3072", "--json").json()
    with farsign.open_signer(made["uri"]) as signer:
        assert signer.key().public_key().key_size == 3072


def test_new_never_overwrites(key_file: KeyFile, run: Run, tmp_path: Path) -> None:
    uri = key_file()
    before = (tmp_path / "key.pem").read_bytes()
    outcome = run("new", uri, "--alg", "ES256")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("KeyFileError [key-file]: ")
    assert (tmp_path / "key.pem").read_bytes() == before


@pytest.mark.parametrize(
    ("uri", "alg"), [("memory:x", "ES256"), ("file:///x?alg=ES256", "ES256"), ("file:///nowhere/x", "HS256")]
)
def test_new_refuses(uri: str, alg: str, run: Run) -> None:
    outcome = run("new", uri, "--alg", alg)
    assert (outcome.code, outcome.out) == (2, "")
    assert "\n  next: " in outcome.err


def test_check_says_what_the_key_is(key_file: KeyFile, run: Run, read_fields: ReadFields, tmp_path: Path) -> None:
    outcome = run("check", key_file("RS256"))
    assert (outcome.code, outcome.err) == (0, "")
    said = read_fields(outcome.out)
    assert said["uri"] == f"'file://{tmp_path}/key.pem?alg=RS256'"
    assert (said["algorithm"], said["protection"]) == ("RS256", "process")
    assert said["kid"] == said["thumbprint"]
    assert said["version"].startswith(f"{tmp_path}/key.pem sha256:")
    assert all(0 <= float(said[step]) < 10_000 for step in ("resolve, ms", "sign, ms", "verify, ms"))


def test_check_as_json(key_file: KeyFile, run: Run) -> None:
    said = run("check", key_file(), "--json").json()
    assert said["algorithm"] == "ES256"
    assert {"resolve_ms", "sign_ms", "verify_ms"} < set(said)


def test_check_of_a_missing_key_is_3(tmp_path: Path, run: Run) -> None:
    outcome = run("check", f"file://{tmp_path}/none.pem")
    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err.startswith("KeyNotFound [not-found]: ")
    assert "attempts" not in outcome.err, "another would say the same"
    assert f"next: put a key there: farsign new 'file://{tmp_path}/none.pem' --alg ES256" in outcome.err


def test_check_of_an_unsafe_file_is_2(key_file: KeyFile, tmp_path: Path, run: Run) -> None:
    uri = key_file()
    (tmp_path / "key.pem").chmod(0o644)
    outcome = run("check", uri)
    assert (outcome.code, outcome.out) == (2, "")
    assert "chmod 600" in outcome.err


def test_check_asks_for_an_algorithm(key_file: KeyFile, run: Run) -> None:
    outcome = run("check", key_file("RS256").partition("?")[0])
    assert (outcome.code, outcome.out) == (2, "")
    assert "alg=RS256" in outcome.err


@pytest.mark.parametrize("form", ["pem", "der", "jwk", "openssh"])
@pytest.mark.parametrize("alg", ["RS256", "ES384", "EdDSA"])
def test_public_key(form: str, alg: str, key_file: KeyFile, tmp_path: Path) -> None:
    """In a process of its own: DER is bytes."""
    uri = key_file(alg)
    private: Any = serialization.load_pem_private_key((tmp_path / "key.pem").read_bytes(), None)
    printed = subprocess.run(
        [sys.executable, "-m", "farsign", "public-key", uri, "--format", form], capture_output=True, check=True
    ).stdout
    load: dict[str, Callable[[bytes], Any]] = {
        "pem": serialization.load_pem_public_key,
        "der": serialization.load_der_public_key,
        "jwk": lambda text: farsign.jwk.Key.parse(text).public_key(),
        "openssh": serialization.load_ssh_public_key,
    }
    assert load[form](printed) == private.public_key()


def test_public_key_in_a_form_that_does_not_exist(key_file: KeyFile, run: Run) -> None:
    outcome = run("public-key", key_file("ES256K"), "--format", "openssh")
    assert (outcome.code, outcome.out) == (2, "")
    assert "--format pem" in outcome.err


def test_new_says_how_a_path_is_written(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run("new", "dev.pem", "--alg", "ES256")
    assert ran.code == 2
    assert f"write file://{tmp_path}/dev.pem" in ran.err
