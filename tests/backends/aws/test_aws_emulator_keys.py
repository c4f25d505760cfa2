"""The AWS emulator, driven by the real boto3: keys, aliases, states, Regions, what AWS answers when it refuses."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from boto import client, refused
from cryptography.hazmat.primitives.serialization import load_der_public_key

from farsign_aws._emulator import AwsEmulator

ACCOUNT = "111122223333"
DIGEST = bytes(32)


@pytest.fixture
def aws() -> Iterator[AwsEmulator]:
    with AwsEmulator() as emulator:
        yield emulator


@pytest.fixture
def kms(aws: AwsEmulator) -> Any:
    return client(aws.url)


def es256(kms: Any, **options: Any) -> dict[str, Any]:
    return kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", **options)["KeyMetadata"]


def sign(kms: Any, key_id: str) -> dict[str, Any]:
    return kms.sign(KeyId=key_id, Message=DIGEST, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")


def test_a_key_is_described_as_aws_does(kms: Any) -> None:
    made = es256(kms, Description="d")
    described = kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]
    assert described == made
    assert abs(made.pop("CreationDate").timestamp() - time.time()) < 5
    arn = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{made['KeyId']}"
    assert str(uuid.UUID(made["KeyId"])) == made["KeyId"]
    assert made == {
        "AWSAccountId": ACCOUNT,
        "KeyId": made["KeyId"],
        "Arn": arn,
        "Enabled": True,
        "Description": "d",
        "KeyUsage": "SIGN_VERIFY",
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "KeySpec": "ECC_NIST_P256",
        "CustomerMasterKeySpec": "ECC_NIST_P256",
        "SigningAlgorithms": ["ECDSA_SHA_256"],
        "MultiRegion": False,
    }


def test_every_form_of_a_key_id_finds_it_and_replies_name_the_arn(kms: Any) -> None:
    made = es256(kms)
    kms.create_alias(AliasName="alias/team/auth", TargetKeyId=made["Arn"])
    alias_arn = f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/team/auth"
    for form in (made["KeyId"], made["Arn"], "alias/team/auth", alias_arn):
        assert sign(kms, form)["KeyId"] == made["Arn"]
        public = kms.get_public_key(KeyId=form)
        assert public["KeyId"] == made["Arn"]
        assert load_der_public_key(public["PublicKey"]).curve.name == "secp256r1"


def test_an_alias_moves_from_key_to_key_also_from_rsa_to_ec(kms: Any) -> None:
    rsa = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    ec = es256(kms)
    kms.create_alias(AliasName="alias/a", TargetKeyId=rsa["KeyId"])
    assert kms.get_public_key(KeyId="alias/a")["KeySpec"] == "RSA_2048"
    kms.update_alias(AliasName="alias/a", TargetKeyId=ec["KeyId"])
    assert kms.get_public_key(KeyId="alias/a")["KeySpec"] == "ECC_NIST_P256"
    listed = kms.list_aliases()["Aliases"]
    assert [(a["AliasName"], a["TargetKeyId"], a["AliasArn"]) for a in listed] == [
        ("alias/a", ec["KeyId"], f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/a")
    ]
    assert listed[0]["LastUpdatedDate"] >= listed[0]["CreationDate"]
    assert kms.list_aliases(KeyId=rsa["KeyId"])["Aliases"] == []
    kms.delete_alias(AliasName="alias/a")
    assert kms.list_aliases()["Aliases"] == []
    assert refused(sign, kms=kms, key_id="alias/a")[0] == "NotFoundException"


def test_an_alias_does_not_move_to_a_key_of_another_usage(kms: Any) -> None:
    kms.create_alias(AliasName="alias/a", TargetKeyId=es256(kms)["KeyId"])
    other = kms.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]
    assert refused(kms.update_alias, AliasName="alias/a", TargetKeyId=other["KeyId"])[0] == "ValidationException"


def test_keys_and_aliases_come_in_pages(kms: Any) -> None:
    made = sorted(es256(kms)["KeyId"] for _ in range(5))
    for n, key_id in enumerate(made):
        kms.create_alias(AliasName=f"alias/{n}", TargetKeyId=key_id)
    pages = list(kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["Keys"]) for page in pages] == [2, 2, 1]
    assert [page["Truncated"] for page in pages] == [True, True, False]
    assert sorted(key["KeyId"] for page in pages for key in page["Keys"]) == made
    aliases = kms.get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 3}).build_full_result()["Aliases"]
    assert [alias["TargetKeyId"] for alias in aliases] == made


def test_states_disabled_and_pending_deletion_refuse(kms: Any) -> None:
    key_id, arn = es256(kms)["KeyId"], f"arn:aws:kms:us-east-1:{ACCOUNT}:key/"
    kms.disable_key(KeyId=key_id)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Disabled"
    assert refused(sign, kms=kms, key_id=key_id) == ("DisabledException", f"{arn}{key_id} is disabled.", 400)
    assert kms.get_public_key(KeyId=key_id)["KeySpec"] == "ECC_NIST_P256", "as AWS was observed to do"
    kms.enable_key(KeyId=key_id)
    sign(kms, key_id)
    scheduled = kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    assert (scheduled["KeyId"], scheduled["KeyState"], scheduled["PendingWindowInDays"]) == (arn + key_id, "PendingDeletion", 7)
    described = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert (described["KeyState"], described["Enabled"]) == ("PendingDeletion", False)
    assert abs((described["DeletionDate"] - described["CreationDate"]).total_seconds() - 7 * 86400) < 60
    pending = ("KMSInvalidStateException", f"{arn}{key_id} is pending deletion.", 400)
    assert refused(sign, kms=kms, key_id=key_id) == pending
    assert refused(kms.get_public_key, KeyId=key_id) == pending
    assert refused(kms.enable_key, KeyId=key_id) == pending
    assert refused(kms.schedule_key_deletion, KeyId=key_id) == pending
    assert kms.cancel_key_deletion(KeyId=key_id)["KeyId"] == arn + key_id
    assert refused(kms.cancel_key_deletion, KeyId=key_id)[0] == "KMSInvalidStateException"
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Disabled", "a restored key has to be enabled"


def test_what_is_not_there(kms: Any) -> None:
    nowhere = "12345678-1234-1234-1234-123456789012"
    arn = f"arn:aws:kms:us-east-1:{ACCOUNT}"
    expected = {
        nowhere: f"Key '{arn}:key/{nowhere}' does not exist",
        f"{arn}:key/{nowhere}": f"Key '{arn}:key/{nowhere}' does not exist",
        "mrk-d3b95762d3b95762d3b95762d3b95762": f"Key '{arn}:key/mrk-d3b95762d3b95762d3b95762d3b95762' does not exist",
        "alias/nope": f"Alias {arn}:alias/nope is not found.",
        f"{arn}:alias/nope": f"Alias {arn}:alias/nope is not found.",
        "fake-key-id": "Invalid keyId 'fake-key-id'",
        "mrk-fake": "Invalid keyId 'mrk-fake'",
        f"arn:aws:kms:ap-southeast-1:{ACCOUNT}:key/{nowhere}": "Invalid arn ap-southeast-1",
    }
    for key_id, text in expected.items():
        assert refused(kms.describe_key, KeyId=key_id) == ("NotFoundException", text, 400)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ({"KeySpec": "RSA_2048"}, "ValidationException", "You must specify a KeyUsage value"),
        (
            {"KeySpec": "RSA_9"},
            "ValidationException",
            "Value 'RSA_9' at 'keySpec' failed to satisfy constraint: Member must satisfy enum",
        ),
        ({"KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY"}, "UnsupportedOperationException", "the emulator has no keys of spec SM2"),
        ({"KeySpec": "RSA_2048", "KeyUsage": "X"}, "ValidationException", "Value 'X' at 'keyUsage' failed to satisfy constraint"),
        (
            {"KeySpec": "RSA_2048", "KeyUsage": "GENERATE_VERIFY_MAC"},
            "ValidationException",
            "not compatible with KeySpec RSA_2048",
        ),
        ({"Origin": "EXTERNAL"}, "UnsupportedOperationException", "EXTERNAL"),
    ],
)
def test_keys_that_cannot_be_made(kms: Any, arguments: dict[str, str], code: str, text: str) -> None:
    answered = refused(kms.create_key, **arguments)
    assert (answered[0], answered[2]) == (code, 400)
    assert text in answered[1]


def test_aliases_that_cannot_be_made(kms: Any) -> None:
    key_id = es256(kms)["KeyId"]
    kms.create_alias(AliasName="alias/a", TargetKeyId=key_id)
    taken = f"An alias with the name arn:aws:kms:us-east-1:{ACCOUNT}:alias/a already exists"
    assert refused(kms.create_alias, AliasName="alias/a", TargetKeyId=key_id) == ("AlreadyExistsException", taken, 400)
    assert 'must start with the prefix "alias/"' in refused(kms.create_alias, AliasName="a", TargetKeyId=key_id)[1]
    assert refused(kms.create_alias, AliasName="alias/ä", TargetKeyId=key_id)[0] == "ValidationException"
    for operation in (kms.update_alias, kms.delete_alias):
        arguments = {"AliasName": "alias/b"} | ({"TargetKeyId": key_id} if operation == kms.update_alias else {})
        assert refused(operation, **arguments) == (
            "NotFoundException",
            f"Alias arn:aws:kms:us-east-1:{ACCOUNT}:alias/b is not found.",
            400,
        )


def test_a_multi_region_key_has_one_id_and_material_and_a_state_in_each_region(aws: AwsEmulator, kms: Any) -> None:
    key_id, west = es256(kms, MultiRegion=True)["KeyId"], client(aws.url, region="eu-west-1")
    assert key_id.startswith("mrk-")
    replica = kms.replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1", Description="there")
    made = replica["ReplicaKeyMetadata"]
    assert (made["KeyState"], made["Enabled"], made["Arn"]) == (
        "Creating",
        False,
        f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{key_id}",
    )
    config = west.describe_key(KeyId=key_id)["KeyMetadata"]["MultiRegionConfiguration"]
    assert config == {
        "MultiRegionKeyType": "REPLICA",
        "PrimaryKey": {"Arn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key_id}", "Region": "us-east-1"},
        "ReplicaKeys": [{"Arn": f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{key_id}", "Region": "eu-west-1"}],
    }
    assert kms.get_public_key(KeyId=key_id)["PublicKey"] == west.get_public_key(KeyId=key_id)["PublicKey"]
    kms.disable_key(KeyId=key_id)
    assert sign(west, key_id)["KeyId"] == f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{key_id}"
    assert refused(kms.replicate_key, KeyId=key_id, ReplicaRegion="eu-west-1")[0] == "DisabledException"
    kms.enable_key(KeyId=key_id)
    assert refused(kms.replicate_key, KeyId=key_id, ReplicaRegion="eu-west-1")[0] == "AlreadyExistsException"
    assert refused(west.replicate_key, KeyId=key_id, ReplicaRegion="sa-east-1")[0] == "UnsupportedOperationException"
    assert refused(kms.replicate_key, KeyId=es256(kms)["KeyId"], ReplicaRegion="eu-west-1")[0] == "UnsupportedOperationException"


def test_other_partitions(aws: AwsEmulator) -> None:
    for region, partition in (("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")):
        kms = client(aws.url, region=region)
        made = es256(kms)
        assert made["Arn"] == f"arn:{partition}:kms:{region}:{ACCOUNT}:key/{made['KeyId']}"
        assert sign(kms, made["Arn"])["KeyId"] == made["Arn"]


def test_eventual_consistency_by_reads(aws: AwsEmulator, kms: Any) -> None:
    old = es256(kms)
    kms.create_alias(AliasName="alias/a", TargetKeyId=old["KeyId"])
    aws.lag.reads = 2
    new = es256(kms)
    assert [refused(kms.describe_key, KeyId=new["KeyId"])[0] for _ in range(2)] == ["NotFoundException"] * 2
    assert kms.describe_key(KeyId=new["KeyId"])["KeyMetadata"]["KeyId"] == new["KeyId"]
    kms.update_alias(AliasName="alias/a", TargetKeyId=new["KeyId"])
    assert [sign(kms, "alias/a")["KeyId"] for _ in range(3)] == [old["Arn"], old["Arn"], new["Arn"]]


def test_eventual_consistency_by_time(aws: AwsEmulator, kms: Any) -> None:
    aws.lag.seconds = 0.2
    key_id = es256(kms)["KeyId"]
    assert refused(kms.describe_key, KeyId=key_id)[0] == "NotFoundException"
    time.sleep(0.25)
    assert kms.describe_key(KeyId=key_id)


def test_a_replica_is_creating_while_there_is_lag(aws: AwsEmulator, kms: Any) -> None:
    key = aws.create_key("ES256", multi_region=True)
    aws.lag.reads = 2
    replica = aws.replicate(key, "eu-west-1")
    west = client(aws.url, region="eu-west-1")
    assert refused(sign, kms=west, key_id=replica.version)[0] == "KMSInvalidStateException"
    assert west.describe_key(KeyId=replica.version)["KeyMetadata"]["KeyState"] == "Creating"
    assert sign(west, replica.version)["KeyId"] == replica.version


def test_grants_and_their_tokens(aws: AwsEmulator, kms: Any) -> None:
    """A grant works for its operations, its key and its grantee: with its token at once, without when all of AWS knows it."""
    key, other = es256(kms), es256(kms)
    me = {"GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:user/emulator"}
    aws.deny("kms:Sign")
    kms.create_grant(KeyId=key["KeyId"], GranteePrincipal=me["GranteePrincipal"] + "s", Operations=["Sign"])
    kms.create_grant(KeyId=key["KeyId"], Operations=["Verify"], **me)
    kms.create_grant(KeyId=other["KeyId"], Operations=["Sign"], **me)
    assert refused(sign, kms=kms, key_id=key["KeyId"])[0] == "AccessDeniedException"
    assert sign(kms, other["KeyId"])["KeyId"] == other["Arn"]
    aws.lag.seconds = 0.3
    token = kms.create_grant(KeyId=key["KeyId"], Operations=["Sign"], **me)["GrantToken"]
    assert refused(sign, kms=kms, key_id=key["KeyId"])[0] == "AccessDeniedException"
    ask = {"KeyId": key["KeyId"], "Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}
    assert kms.sign(GrantTokens=[token], **ask)["KeyId"] == key["Arn"]
    time.sleep(0.3)
    assert sign(kms, key["KeyId"])["KeyId"] == key["Arn"]
    assert refused(kms.sign, GrantTokens=["forged"], **ask)[0] == "InvalidGrantTokenException"
    for wrong in ({"Operations": []}, {"Operations": ["Encrypt"]}):
        assert refused(kms.create_grant, KeyId=key["KeyId"], **me, **wrong)[0] == "ValidationException"


def test_unknown_operations_are_named(aws: AwsEmulator, kms: Any) -> None:
    code, text, status = refused(kms.encrypt, KeyId="alias/a", Plaintext=b"x")
    assert (code, status) == ("UnknownOperationException", 400)
    assert "no Encrypt; it has CancelKeyDeletion" in text
    assert "no GetSessionToken in STS" in refused(client(aws.url, "sts").get_session_token)[1]


def test_what_tests_use_create_rotate_disable_delete_and_move(aws: AwsEmulator, kms: Any) -> None:
    key = aws.create_key("RS256", alias="auth", created=1_700_000_000.0)
    assert key.uri == f"awskms:///alias/auth?region=us-east-1&endpoint={aws.url}&auth=emulator&alg=RS256"
    assert key.pinned.startswith(f"awskms:///{key.version.rpartition('/')[2]}?region=us-east-1&")
    assert kms.describe_key(KeyId="alias/auth")["KeyMetadata"]["CreationDate"].timestamp() == 1_700_000_000
    rotated = aws.rotate(key)
    assert (rotated.uri, rotated.algorithm) == (key.uri, "RS256")
    public = kms.get_public_key(KeyId="alias/auth")
    assert (public["KeyId"], public["PublicKey"]) == (rotated.version, rotated.public_key)
    assert rotated.public_key != key.public_key
    aws.move_alias("auth", key)
    assert kms.get_public_key(KeyId="alias/auth")["KeyId"] == key.version
    aws.disable(key)
    assert kms.describe_key(KeyId="alias/auth")["KeyMetadata"]["KeyState"] == "Disabled"
    aws.enable(key)
    aws.delete(key)
    assert refused(kms.get_public_key, KeyId="alias/auth")[0] == "KMSInvalidStateException"
    with pytest.raises(ValueError, match="by its alias"):
        aws.rotate(aws.create_key("ES256"))
    with pytest.raises(TypeError, match="colour"):
        aws.create_key("ES256", colour="red")


@pytest.mark.parametrize(
    ("algorithm", "tail"),
    [("ES256", ""), ("ES256K", ""), ("PS384", "&alg=PS384"), ("EdDSA", ""), ("Ed25519", "&alg=Ed25519"), ("ML-DSA-65", "")],
)
def test_uris_name_the_algorithm_where_the_key_does_not(aws: AwsEmulator, algorithm: str, tail: str) -> None:
    assert aws.create_key(algorithm).uri.endswith(f"&auth=emulator{tail}")


def test_the_environment_points_an_sdk_here(aws: AwsEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    session = boto3.session.Session()
    assert session.client("kms").list_keys()["Keys"] == []
    assert session.client("sts").get_caller_identity()["Account"] == ACCOUNT
