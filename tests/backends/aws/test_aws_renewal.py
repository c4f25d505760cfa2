"""Credentials are read again when they are refused, renewed before they end, and nobody waits for them too long."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
from aws_cloud import PATIENT, Cloud, cloud, together

import farsign
from farsign import errors
from farsign_aws._credentials import Credentials

__all__ = ["cloud"]
SLACK = 0.25  # seconds: 50 ms, five-fold (RULES 38)


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


# -- nobody waits too long ----------------------------------------------------------------------------------------------------


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
