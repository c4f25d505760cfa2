"""Whose credentials sign: where they come from, that they are fetched once, renewed and read again, and that nobody waits for them too long."""

from __future__ import annotations

import json
import logging
import os
import pickle
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_cloud import Cloud, cloud

import farsign
import farsign_aws
from farsign import errors
from farsign.testing.conformance._verify import is_valid
from farsign_aws._client import client_for
from farsign_aws._credentials import Credentials
from farsign_aws._driver import AwsKey
from farsign_aws._emulator import AwsEmulator

__all__ = ["cloud"]
Emulators = Callable[..., AwsEmulator]
ROLE = "arn:aws:iam::111122223333:role/signer"
SLACK = 0.25  # seconds: 50 ms, five-fold (RULES 38)
PATIENT = farsign.Policy(timeout=10.0)


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


@pytest.fixture
def in_environment(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "emulator")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "emulator")


# -- where they come from -----------------------------------------------------------------------------------------------------


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


# -- a role -------------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("in_environment")
def test_a_role_is_assumed_once_by_fifty_threads_and_again_when_it_has_expired(cloud: Cloud) -> None:
    cloud.sts.external_ids[ROLE] = "tenant-7"
    uri = cloud.uri(cloud.new(), role=ROLE, external_id="tenant-7")
    with farsign.open_signer(uri, policy=PATIENT) as signer:
        together(50, lambda: signer.key().sign(b"x"))
        assert cloud.calls("AssumeRole") == 1
        cloud.clock.advance(7200)
        together(50, lambda: signer.key().sign(b"x"))
        assert cloud.calls("AssumeRole") == 2
    assert {record.key for record in cloud.log if record.operation == "AssumeRole"} == {ROLE}


@pytest.mark.usefixtures("in_environment")
def test_signers_of_one_role_share_it(cloud: Cloud) -> None:
    uris = [cloud.uri(cloud.new(), role=ROLE) for _ in range(3)]
    signers = [farsign.open_signer(uri) for uri in uris]
    for signer in signers:
        signer.check()
    assert cloud.calls("AssumeRole") == 1
    for signer in signers:
        signer.close()


def test_a_role_through_the_emulators_sts(emulator: Emulators) -> None:
    aws = emulator("awskms")
    aws.sts.external_ids[ROLE] = "x7"
    signs(f"{aws.create_key('ES256').uri}&role={ROLE}&external_id=x7")
    assert aws.calls("AssumeRole") == 1


def test_a_role_for_a_session_leaves_the_session_alone(emulator: Emulators, no_settings: Path) -> None:
    aws = emulator("awskms")
    session = boto3.Session("emulator", "emulator", region_name="us-east-1")
    os.environ["AWS_ENDPOINT_URL_STS"] = aws.url
    try:
        uri = aws.create_key("ES256").uri.replace("&auth=emulator", f"&role={ROLE}")
        with farsign_aws.open_signer(uri, session=session) as signer:
            signer.check()
    finally:
        del os.environ["AWS_ENDPOINT_URL_STS"]
    assert aws.calls("AssumeRole") == 1
    assert session.get_credentials().access_key == "emulator"


def test_a_profiles_own_role(cloud: Cloud, no_settings: Path) -> None:
    """botocore assumes it; the region of its STS is the key's."""
    (no_settings / "config").write_text(f"[profile ci]\nrole_arn = {ROLE}\nsource_profile = base\n")
    (no_settings / "credentials").write_text("[base]\naws_access_key_id = emulator\naws_secret_access_key = emulator\n")
    signs(cloud.uri(cloud.new(), profile="ci"))
    assert cloud.calls("AssumeRole") == 1


@pytest.mark.usefixtures("in_environment")
def test_a_log_at_debug_shows_no_credential(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    """RULES 16: what STS answered, either."""
    with caplog.at_level(logging.DEBUG):
        signs(cloud.uri(cloud.new(), role=ROLE))
        for known in cloud.credentials._known.values():
            for secret in (known.token, known.secret if known.token else ""):
                assert not secret or secret not in caplog.text
    assert len(cloud.credentials._known) == 2


# -- refused ------------------------------------------------------------------------------------------------------------------


def test_a_session_that_expired_is_read_again_once(cloud: Cloud, no_settings: Path) -> None:
    file = no_settings / "credentials"
    file.write_text(f"[default]\n{cloud.temporary(3600)}")
    with farsign.open_signer(cloud.uri(cloud.new()), policy=PATIENT) as signer:
        key = signer.key()
        key.sign(b"x")
        cloud.clock.advance(4000)
        file.write_text(f"[default]\n{cloud.temporary(3600)}")
        together(20, lambda: key.sign(b"x"))
        before = cloud.calls("sign")
        cloud.clock.advance(4000)
        with pytest.raises(errors.CredentialsExpired) as caught:
            key.sign(b"x")
        assert cloud.calls("sign") - before <= 2
    assert "aws sso login" in caught.value.next_step


def test_what_was_read_is_not_read_again_without_need(cloud: Cloud, no_settings: Path) -> None:
    file = no_settings / "credentials"
    file.write_text(f"[default]\n{cloud.temporary(3600)}")
    with farsign.open_signer(cloud.uri(cloud.new())) as signer:
        signer.check()
        file.unlink()
        signer.check()


def test_the_end_that_botocore_knows_is_kept(cloud: Cloud) -> None:
    from datetime import UTC, datetime, timedelta

    from botocore.credentials import RefreshableCredentials

    def renewed(life: int) -> dict[str, str]:
        end = datetime.now(UTC) + timedelta(seconds=life)
        return {"access_key": "a", "secret_key": "b", "token": "c", "expiry_time": end.isoformat()}

    found = RefreshableCredentials.create_from_metadata(renewed(3600), lambda: renewed(7200), "test")
    ends = Credentials(lambda: found)._fetch(1.0).expires
    assert ends is not None
    assert 3590 < ends - time.monotonic() <= 3600
    late = RefreshableCredentials.create_from_metadata(renewed(60), lambda: renewed(-1), "test")
    with pytest.raises(errors.CredentialsExpired, match="have expired already"):
        Credentials(lambda: late)._fetch(1.0)


# -- nobody waits too long ------------------------------------------------------------------------------------------------------


@pytest.fixture
def slow_process(cloud: Cloud, no_settings: Path) -> Path:
    """A program that takes a second to say the credentials of the profile "slow"; a line in the file for each run."""
    runs, program = no_settings / "runs", no_settings / "program.py"
    answer = json.dumps({"Version": 1, "AccessKeyId": "emulator", "SecretAccessKey": "emulator"})
    program.write_text(f"import time\nopen({str(runs)!r}, 'a').write('run\\n')\ntime.sleep(1)\nprint({answer!r})\n")
    (no_settings / "config").write_text(f"[profile slow]\ncredential_process = {sys.executable} {program}\n")
    return runs


def test_credentials_that_take_long_end_no_ones_deadline_and_are_fetched_once(cloud: Cloud, slow_process: Path) -> None:
    """RULES 17, 21: not cancelled by an attempt; what one began serves the next."""
    with farsign.open_signer(cloud.uri(cloud.new(), profile="slow")) as signer:
        started = time.monotonic()
        with pytest.raises(errors.DeadlineExceeded):
            signer.key(timeout=0.3)
        assert time.monotonic() - started < 0.3 + SLACK
        together(20, lambda: signer.key(timeout=5.0).sign(b"x", timeout=5.0))
    assert slow_process.read_text() == "run\n"


def test_an_attempt_that_waited_in_vain_is_followed_by_another(cloud: Cloud, slow_process: Path) -> None:
    policy = farsign.Policy(timeout=5.0, attempt_timeout=0.3)
    with farsign.open_signer(cloud.uri(cloud.new(), profile="slow"), policy=policy) as signer:
        signer.check()
    assert slow_process.read_text() == "run\n"


# -- sessions -----------------------------------------------------------------------------------------------------------------


def test_two_accounts_behind_one_alias(emulator: Emulators, no_settings: Path) -> None:
    """RULES 5: a URI is no cache key."""
    aws = emulator("awskms")
    aws.credentials.add("theirs", "theirs", account="444455556666")
    keys = {
        access: aws.create_key("ES256", alias="auth", account=account)
        for access, account in (("emulator", "111122223333"), ("theirs", "444455556666"))
    }
    uri = keys["emulator"].uri.replace("&auth=emulator", "")
    signers = {
        access: farsign_aws.open_signer(uri, session=boto3.Session(access, access, region_name="us-east-1")) for access in keys
    }
    for _ in range(2):
        for access, signer in signers.items():
            key = signer.key()
            assert key.version == keys[access].version
            assert is_valid(key.public_key(), "ES256", key.sign(b"x"), b"x")
    for signer in signers.values():
        signer.close()


def test_two_regions_behind_one_alias(emulator: Emulators) -> None:
    aws = emulator("awskms")
    made = [aws.create_key("ES256", alias="auth", region=region) for region in ("us-east-1", "eu-west-1")]
    assert [signs(one.uri).version for one in made] == [one.version for one in made]


def test_a_session_and_another_choice(no_settings: Path) -> None:
    session = boto3.Session("a", "b", region_name="us-east-1")
    for parameter in ("profile=x", "auth=emulator&endpoint=http://127.0.0.1:9"):
        with pytest.raises(errors.InvalidKeyURI, match="a session was given besides"):
            farsign_aws.open_signer(f"awskms:///alias/x?{parameter}", session=session)


def test_a_session_names_the_region_and_is_not_pickled(emulator: Emulators, no_settings: Path) -> None:
    aws = emulator("awskms")
    uri = aws.create_key("ES256").uri.replace("&auth=emulator", "").replace("region=us-east-1&", "")
    session = boto3.Session("emulator", "emulator", region_name="us-east-1")
    with farsign_aws.open_signer(uri, session=session) as signer:
        signer.check()
        with pytest.raises(errors.NotPicklable):
            pickle.dumps(signer)
    with farsign.open_signer(f"{uri}&region=us-east-1&auth=emulator") as signer, pickle.loads(pickle.dumps(signer)) as copy:
        assert copy.key().kid == signer.key().kid


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
