"""Sessions that were given, and accounts and regions behind one name."""

from __future__ import annotations

import pickle
from pathlib import Path

import boto3
import pytest
from aws_cloud import Emulators, signs

import farsign
import farsign_aws
from farsign import errors
from farsign.testing.conformance._verify import is_valid


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
