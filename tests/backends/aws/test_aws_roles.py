"""A role: assumed once for all who sign with it, by the process's credentials, a session's or a profile's."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import boto3
import pytest
from aws_cloud import PATIENT, ROLE, Cloud, Emulators, cloud, in_environment, signs, together

import farsign
import farsign_aws

__all__ = ["cloud", "in_environment"]


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
