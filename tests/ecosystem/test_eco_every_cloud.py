"""X.509, PyJWT and AsyncSSH with a key in each cloud's emulator: no provider's encoding leaks through. And docs/pki.md with each."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives import serialization

import farsign
from farsign import errors
from farsign._plugin.discovery import backend, installed

PAGE = Path(__file__).parent.parent.parent / "docs" / "pki.md"
CLOUDS = sorted({row.scheme for row in installed() if row.present and row.distribution == "farsign"} - {"file", "memory"})
EVERYWHERE = ("RS256", "PS256", "ES256", "ES384")
SOMEWHERE = ("ES512", "EdDSA")

CloudURI = Callable[[str, str], str]


@pytest.fixture(scope="module")
def cloud_uri() -> Iterator[CloudURI]:
    """``cloud_uri("azurekms", "ES256")``: of one key per cloud and algorithm; skipped where the cloud has none, if that may be."""
    emulators: dict[str, Any] = {}
    uris: dict[tuple[str, str], str] = {}

    def uri(scheme: str, algorithm: str) -> str:
        if scheme not in emulators:
            made = backend(scheme).emulator()
            assert made, f"{scheme} has no emulator"
            emulators[scheme] = made.start()
        if (scheme, algorithm) not in uris:
            uris[scheme, algorithm] = made_by(emulators[scheme], algorithm).uri
        return uris[scheme, algorithm]

    yield uri
    for emulator in emulators.values():
        emulator.close()


def made_by(emulator: Any, algorithm: str) -> Any:
    try:
        return emulator.create_key(algorithm)
    except errors.AlgorithmNotSupported:
        if algorithm in EVERYWHERE:
            raise
        pytest.skip(f"{emulator.scheme} has no keys for {algorithm}")


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("algorithm", [*EVERYWHERE, *SOMEWHERE])
def test_pyjwt(cloud_uri: CloudURI, cloud: str, algorithm: str) -> None:
    with farsign.open_signer(cloud_uri(cloud, algorithm)) as signer:
        key = signer.key().as_private_key()
        token = pyjwt.encode({"sub": "42"}, key, algorithm=algorithm)
    assert pyjwt.decode(token, key.public_key(), algorithms=[algorithm]) == {"sub": "42"}


def openssl(place: Path, *command: str) -> str:
    done = subprocess.run(["openssl", *command], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384", *SOMEWHERE])
def test_x509_as_the_page_shows_it(cloud_uri: CloudURI, cloud: str, algorithm: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("SIGNING_KEYS", cloud_uri(cloud, algorithm))
    page: dict[str, Any] = {"__name__": "page"}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.S | re.M):
        exec(block, page)
    with page["signer"]:
        for name in ("ca", "server_request", "certificate", "crl"):
            (tmp_path / name).write_bytes(page[name].public_bytes(serialization.Encoding.PEM))
        (tmp_path / "answer").write_bytes(page["answer"].public_bytes(serialization.Encoding.DER))
    openssl(tmp_path, "verify", "-check_ss_sig", "-CAfile", "ca", "ca")
    openssl(tmp_path, "verify", "-CAfile", "ca", "certificate")
    openssl(tmp_path, "req", "-verify", "-noout", "-in", "server_request")
    assert "verify OK" in openssl(tmp_path, "crl", "-noout", "-CAfile", "ca", "-in", "crl")
    checked = openssl(tmp_path, "ocsp", "-respin", "answer", "-CAfile", "ca", "-verify_other", "ca")
    assert "Response verify OK" in checked


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384", *SOMEWHERE])
def test_asyncssh(cloud_uri: CloudURI, cloud: str, algorithm: str) -> None:
    asyncssh = pytest.importorskip("asyncssh", reason="needs the package asyncssh")
    from farsign_contrib.asyncssh import SSHKeyPair

    with farsign.open_signer(cloud_uri(cloud, algorithm)) as signer:
        key = signer.key()
        line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        public, pair = asyncssh.import_public_key(line), SSHKeyPair(key)
        for name in pair.sig_algorithms:
            pair.set_sig_algorithm(name)
            signature = pair.sign(b"data")
            assert public.verify(b"data", signature)
            assert not public.verify(b"other", signature)
