"""Whose credentials sign: where they come from, and who shares them."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest
from aws_cloud import ROLE, Cloud, Emulators, cloud, in_environment, signs

import farsign
from farsign import errors
from farsign_aws._client import client_for
from farsign_aws._driver import AwsKey

__all__ = ["cloud", "in_environment"]


@pytest.mark.usefixtures("in_environment")
def test_from_the_environment(cloud: Cloud) -> None:
    signs(cloud.uri(cloud.new()))


def test_from_a_profile_with_its_region(cloud: Cloud, no_settings: Path) -> None:
    (no_settings / "config").write_text("[profile ci]\nregion = us-east-1\n")
    (no_settings / "credentials").write_text(f"[ci]\n{cloud.temporary()}\n[default]\n{cloud.temporary(-1)}\n")
    uri = cloud.uri(cloud.new("us-east-1"), "us-east-1", profile="ci").replace("region=us-east-1&", "")
    assert ":us-east-1:" in signs(uri).version


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
@pytest.mark.usefixtures("in_environment")
def test_the_region_from_the_environment(variable: str, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "eu-west-1")
    key = cloud.new()
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"https://kms.eu-west-1.amazonaws.com:{cloud.port}")
    assert ":eu-west-1:" in signs(f"awskms:///{key}").version


@pytest.mark.usefixtures("in_environment")
def test_an_aws_host_says_its_region(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    signs(f"awskms://kms.eu-west-1.amazonaws.com:{cloud.port}/{cloud.new()}")


def test_no_region(no_settings: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match="does not say its region") as caught:
        farsign.open_signer("awskms:///alias/x")
    assert "AWS_REGION" in caught.value.next_step


def test_a_profile_that_is_not_there(no_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.ConfigurationError, match="no such AWS profile"):
        farsign.open_signer("awskms:///alias/x?region=eu-west-1&profile=missing")
    monkeypatch.setenv("AWS_PROFILE", "missing")
    with pytest.raises(errors.ConfigurationError, match="no such AWS profile"):
        farsign.open_signer("awskms:///alias/x?region=eu-west-1")


def test_a_config_file_that_is_broken(no_settings: Path) -> None:
    (no_settings / "config").write_text("[default\nregion")
    with pytest.raises(errors.ConfigurationError, match="boto3 cannot use its settings"):
        farsign.open_signer("awskms:///alias/x?region=eu-west-1")


def test_a_profile_without_its_source(cloud: Cloud, no_settings: Path) -> None:
    (no_settings / "config").write_text(f"[profile ci]\nrole_arn = {ROLE}\nsource_profile = gone\n")
    signer = farsign.open_signer(cloud.uri(cloud.new(), profile="ci"))
    with signer, pytest.raises(errors.CredentialsNotFound, match="gone"):
        signer.key()


def test_opening_does_no_io(no_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even for credentials: an instance role is asked for when something is signed."""
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    farsign.open_signer(f"awskms:///alias/x?region=eu-west-1&role={ROLE}").close()


# -- an emulator --------------------------------------------------------------------------------------------------------------


def test_an_emulator_meets_nothing_of_this_machine(
    emulator: Emulators, no_settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RULES 10: fixed test credentials, whatever the environment and the files say."""
    aws = emulator("awskms")
    (no_settings / "config").write_text("[default\nbroken")
    settings = {
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_SESSION_TOKEN": "real",
        "AWS_PROFILE": "missing",
        "AWS_DEFAULT_REGION": "ap-south-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_KMS": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "AWS_RETRY_MODE": "nonsense",
        "AWS_MAX_ATTEMPTS": "7",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    signs(aws.create_key("ES256").uri)
    signs(f"{aws.create_key('ES256').uri}&role={ROLE}")


# -- clients ------------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("in_environment")
def test_one_client_for_a_configuration_and_another_for_another(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = farsign.parse_uri(cloud.uri("alias/a"))
    one, same = (client_for(farsign.parse_uri(cloud.uri(f"alias/{name}")), None, ()) for name in "ab")
    assert one is same
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "theirs")
    other = client_for(uri, None, ())
    assert other is not one
    for shared in (one, same, other):
        shared.release()
    again = client_for(uri, None, ())
    assert again.client is not other.client
    again.release()


def test_a_driver_that_is_closed_closes_its_connections(emulator: Emulators) -> None:
    aws = emulator("awskms")
    made = [AwsKey(farsign.parse_uri(aws.create_key("ES256").uri)) for _ in range(2)]
    for driver in made:
        driver.describe(timeout=5.0)
    made[0].close()
    made[1].describe(timeout=5.0)
    made[1].close()
    end = time.monotonic() + 5
    while aws._server._connections:
        assert time.monotonic() < end
        time.sleep(0.01)
