"""The emulator under AWS's own names, over TLS: what runs against it believes to be in the cloud, with its ambient credentials."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import farsign
from farsign.testing.conformance._verify import is_valid
from farsign_aws._emulator import AwsEmulator

Emulators = Callable[..., AwsEmulator]
ROLE = "arn:aws:iam::111122223333:role/signer"
PATIENT = farsign.Policy(timeout=10.0)
REGIONS = ("eu-west-1", "us-east-1")
HOSTS = tuple(f"{service}.{region}.amazonaws.com" for service in ("kms", "sts") for region in REGIONS)
KEYS = "aws_access_key_id = {0.access_key}\naws_secret_access_key = {0.secret}\naws_session_token = {0.token}\n"


class Cloud(AwsEmulator):
    tls_names = HOSTS

    def uri(self, name: str, region: str = "eu-west-1", **parameters: str) -> str:
        """Of a key by id or alias, at the region's own host."""
        rest = "".join(f"&{parameter}={value}" for parameter, value in parameters.items())
        return f"awskms:///{name}?region={region}&endpoint=https://kms.{region}.amazonaws.com:{self.port}{rest}"

    def new(self, region: str = "eu-west-1", **options: Any) -> str:
        """The id of a new key."""
        return self.create_key("ES256", region=region, **options).version.rpartition("/")[2]

    def temporary(self, seconds: float = 3600.0) -> str:
        """Lines of a credentials file."""
        return KEYS.format(self.credentials.issue("111122223333", "arn:aws:sts::111122223333:assumed-role/x/y", seconds))


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, no_settings: Path) -> Iterator[Cloud]:
    """Its credentials are not set: a test says where they come from."""
    look_up: Callable[..., Any] = socket.getaddrinfo

    def here(host: str, port: Any, *arguments: Any, **options: Any) -> Any:
        assert host in (*HOSTS, "127.0.0.1", "localhost"), f"{host} was looked up"
        return look_up("127.0.0.1", port, *arguments, **options)

    with Cloud() as emulator:
        assert emulator.certificate
        monkeypatch.setattr(socket, "getaddrinfo", here)
        monkeypatch.setenv("AWS_CA_BUNDLE", emulator.certificate.ca_file)
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"https://sts.eu-west-1.amazonaws.com:{emulator.port}")
        yield emulator


@pytest.fixture
def in_environment(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "emulator")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "emulator")


def signs(uri: str, **options: Any) -> farsign.SigningKey:
    with farsign.open_signer(uri, policy=PATIENT, **options) as signer:
        key = signer.key()
        assert is_valid(key.public_key(), "ES256", key.sign(b"x"), b"x")
        return key


def together(count: int, work: Callable[[], object]) -> None:
    failed: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failed, failed
