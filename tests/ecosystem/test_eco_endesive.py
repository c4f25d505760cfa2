"""endesive: CMS, verified by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("endesive", reason="needs the package endesive")
from ecox509 import certificate, pem
from endesive import signer  # not endesive.plain: its verifier does not load with every OpenSSL

from farsign import errors
from farsign_contrib.endesive import HSM

LIBRARY, HOW = "endesive", "unmodified: key=; PSS: farsign_contrib.endesive"


def verify(place: Path, own: Any, signed: bytes) -> None:
    (place / "c.pem").write_bytes(pem(own))
    (place / "s.der").write_bytes(signed)
    (place / "data").write_bytes(b"data")
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-in", "s.der", "-content", "data", "-CAfile", "c.pem", "-binary"]
    done = subprocess.run([*command, "-purpose", "any"], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_the_private_key_object(any_key: Any, algorithm: str, tmp_path: Path) -> None:
    key = any_key(algorithm)
    own = certificate(key)
    verify(tmp_path, own, signer.sign(b"data", key.as_private_key(), own, [], "sha256"))


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_hsm(any_key: Any, algorithm: str, tmp_path: Path) -> None:
    key, pss = any_key(algorithm), algorithm == "PS256"
    own = certificate(key)
    hsm = HSM(key, own, pss=pss)
    verify(tmp_path, own, signer.sign(b"data", None, None, [], "sha256", hsm=hsm, pss=pss))


def test_an_ec_key_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.AlgorithmNotSupported, match="endesive's hsm has no keys"):
        HSM(any_key("ES256"), certificate(any_key("ES256")))


def test_the_provider_refuses(trouble: Any, any_key: Any) -> None:
    with trouble("ES256") as key:
        signer.sign(b"data", key.as_private_key(), certificate(any_key("ES256")), [], "sha256")


def test_a_certificate_of_another_key_is_refused(any_key: Any) -> None:
    with pytest.raises(errors.KeyMismatch):
        HSM(any_key("RS256"), certificate(any_key("ES256")))
