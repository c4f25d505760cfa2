"""The AWS emulator, driven by the real boto3: who may call; STS; faults on the wire; speed."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from boto import client, refused
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from farsign_aws._emulator import AwsEmulator

ACCOUNT = "111122223333"
ROLE = "arn:aws:iam::444455556666:role/path/signer"


@pytest.fixture
def aws() -> Iterator[AwsEmulator]:
    with AwsEmulator() as emulator:
        yield emulator


@pytest.fixture
def kms(aws: AwsEmulator) -> Any:
    return client(aws.url)


def sign(kms: Any, key_id: str) -> Any:
    return kms.sign(KeyId=key_id, Message=bytes(32), MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")


def test_a_wrong_secret_is_found_out_by_signature_version_4(aws: AwsEmulator) -> None:
    text = "The request signature we calculated does not match the signature you provided."
    code, message, status = refused(client(aws.url, secret="wrong").list_keys)
    assert (code, status, message[: len(text)]) == ("InvalidSignatureException", 400, text)
    code, message, status = refused(client(aws.url, "sts", secret="wrong").get_caller_identity)
    assert (code, status, message[: len(text)]) == ("SignatureDoesNotMatch", 403, text)


def test_unknown_keys_and_missing_signatures(aws: AwsEmulator) -> None:
    text = "The security token included in the request is invalid."
    assert refused(client(aws.url, key="AKIAUNKNOWN").list_keys) == ("UnrecognizedClientException", text, 400)
    assert refused(client(aws.url, token="made-up").list_keys) == ("UnrecognizedClientException", text, 400)
    assert refused(client(aws.url, "sts", key="AKIAUNKNOWN").get_caller_identity) == ("InvalidClientTokenId", text, 403)
    request = urllib.request.Request(aws.url, b"{}", {"X-Amz-Target": "TrentService.ListKeys"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert b"MissingAuthenticationTokenException" in caught.value.read()
    caught.value.close()


def test_a_signature_for_another_service_or_without_a_date(aws: AwsEmulator) -> None:
    """With a skew that is checked, too."""
    aws.clock.max_skew = 300
    credentials = Credentials("emulator", "emulator")
    for service, date, told in (("sqs", "", b"scoped to correct service: 'kms'"), ("kms", "yesterday", b"basic format")):
        request = AWSRequest("POST", aws.url, {"X-Amz-Target": "TrentService.ListKeys"}, b"{}")
        SigV4Auth(credentials, service, "us-east-1").add_auth(request)
        headers = dict(request.headers.items()) | ({"X-Amz-Date": date} if date else {})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(aws.url, b"{}", headers))
        assert caught.value.code == 400
        assert told in caught.value.read()
        caught.value.close()


def test_any_skew_is_forgiven_unless_told_otherwise(aws: AwsEmulator, kms: Any) -> None:
    """RULES 34: tests freeze time."""
    for drift in (-86_400, 2 * 86_400):
        aws.clock.advance(drift)
        kms.list_keys()
        aws.clock.advance(-drift)
    aws.clock.max_skew = 300
    kms.list_keys()
    aws.clock.advance(600)
    code, text, status = refused(kms.list_keys)
    assert (code, status) == ("InvalidSignatureException", 400)
    assert text.startswith("Signature expired: ")
    assert text.endswith("- 5 min.)")
    aws.clock.advance(-1200)
    assert refused(kms.list_keys)[1].startswith("Signature not yet current: ")
    assert refused(client(aws.url, "sts").get_caller_identity)[0] == "SignatureDoesNotMatch"


def test_a_role_gives_credentials_that_work_and_expire(aws: AwsEmulator) -> None:
    sts = client(aws.url, "sts")
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/emulator"
    reply = sts.assume_role(RoleArn=ROLE, RoleSessionName="farsign", DurationSeconds=900)
    principal = "arn:aws:sts::444455556666:assumed-role/signer/farsign"
    assert reply["AssumedRoleUser"]["Arn"] == principal
    given = reply["Credentials"]
    assert abs(given["Expiration"].timestamp() - time.time() - 900) < 5
    assumed = {"key": given["AccessKeyId"], "secret": given["SecretAccessKey"], "token": given["SessionToken"]}
    identity = client(aws.url, "sts", **assumed).get_caller_identity()
    assert (identity["Arn"], identity["Account"]) == (principal, "444455556666")
    theirs = client(aws.url, **assumed)
    made = theirs.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    assert made["AWSAccountId"] == "444455556666"
    assert refused(client(aws.url, key=assumed["key"], secret=assumed["secret"]).list_keys)[0] == "UnrecognizedClientException"
    aws.clock.advance(901)
    expired = "The security token included in the request is expired"
    assert refused(theirs.list_keys) == ("ExpiredTokenException", expired, 400)
    assert refused(client(aws.url, "sts", **assumed).get_caller_identity) == ("ExpiredToken", expired, 403)


def test_roles_that_cannot_be_assumed(aws: AwsEmulator) -> None:
    sts = client(aws.url, "sts")
    aws.sts.external_ids[ROLE] = "expected"
    denied = f"User: arn:aws:iam::{ACCOUNT}:user/emulator is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
    for given in ({}, {"ExternalId": "other"}):
        assert refused(sts.assume_role, RoleArn=ROLE, RoleSessionName="farsign", **given) == ("AccessDenied", denied, 403)
    sts.assume_role(RoleArn=ROLE, RoleSessionName="farsign", ExternalId="expected")
    aws.deny("sts:AssumeRole")
    assert refused(sts.assume_role, RoleArn=ROLE, RoleSessionName="farsign", ExternalId="expected")[0] == "AccessDenied"
    aws.allow("sts:AssumeRole")
    for bad in ({"RoleArn": "arn:aws:iam::1:user/x-not-a-role"}, {"RoleSessionName": "no blanks"}, {"DurationSeconds": 900_000}):
        arguments = {"RoleArn": ROLE, "RoleSessionName": "farsign", "ExternalId": "expected", **bad}
        assert refused(sts.assume_role, **arguments)[::2] == ("ValidationError", 400)


def test_denied_names_the_principal_the_action_and_the_key(aws: AwsEmulator, kms: Any) -> None:
    key, other = aws.create_key("ES256", alias="auth"), aws.create_key("ES256")
    aws.deny("kms:Sign", key)
    text = (
        f"User: arn:aws:iam::{ACCOUNT}:user/emulator is not authorized to perform: kms:Sign on resource: {key.version} "
        "because no identity-based policy allows the kms:Sign action"
    )
    assert refused(sign, kms=kms, key_id="alias/auth") == ("AccessDeniedException", text, 400)
    kms.get_public_key(KeyId=key.version)
    sign(kms, other.version)
    aws.allow("kms:Sign", key)
    sign(kms, key.version)
    aws.deny("kms:Sign")
    assert refused(sign, kms=kms, key_id=other.version)[0] == "AccessDeniedException"


def test_another_accounts_key_signs_by_its_arn_and_is_not_managed(aws: AwsEmulator) -> None:
    key = aws.create_key("ES256", alias="auth", account="444455556666")
    kms = client(aws.url)
    assert sign(kms, key.version)["KeyId"] == key.version
    assert sign(kms, "arn:aws:kms:us-east-1:444455556666:alias/auth")["KeyId"] == key.version
    assert refused(sign, kms=kms, key_id="alias/auth")[0] == "NotFoundException"
    assert refused(kms.disable_key, KeyId=key.version)[0] == "AccessDeniedException"
    aws.credentials.add("theirs", "secret", account="444455556666")
    client(aws.url, key="theirs", secret="secret").disable_key(KeyId=key.version)


@pytest.mark.parametrize(
    ("situation", "code", "status"),
    [
        ("throttled", "ThrottlingException", 400),
        ("unavailable", "KMSInternalException", 500),
        ("key-unavailable", "KeyUnavailableException", 500),
        ("credentials-expired", "ExpiredTokenException", 400),
        ("denied", "AccessDeniedException", 400),
        ("not-found", "NotFoundException", 400),
        ("disabled", "DisabledException", 400),
        ("deleted", "KMSInvalidStateException", 400),
        ("misuse", "InvalidKeyUsageException", 400),
        ("quota", "LimitExceededException", 400),
        ("clock-skew", "InvalidSignatureException", 400),
        ("DependencyTimeoutException", "DependencyTimeoutException", 503),
        ("SomethingNewException", "SomethingNewException", 400),
    ],
)
def test_ordered_errors_are_said_in_awss_words(aws: AwsEmulator, kms: Any, situation: str, code: str, status: int) -> None:
    key = aws.create_key("ES256", alias="auth")
    aws.faults.error("sign", situation, times=1)
    answered = refused(sign, kms=kms, key_id=key.version)
    assert answered[::2] == (code, status)
    assert "{" not in answered[1]
    if code in ("AccessDeniedException", "DisabledException", "NotFoundException"):
        assert key.version in answered[1]
    sign(kms, key.version)


def test_throttles_can_say_when_to_come_back_and_sts_throttles_in_its_own_words(aws: AwsEmulator, kms: Any) -> None:
    aws.faults.throttle("ListKeys", times=1, retry_after=1.5)
    with pytest.raises(kms.exceptions.ClientError) as caught:
        kms.list_keys()
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-retry-after"] == "1500"
    aws.faults.throttle("AssumeRole", times=1)
    assert refused(client(aws.url, "sts").assume_role, RoleArn=ROLE, RoleSessionName="farsign")[::2] == ("Throttling", 400)


@pytest.mark.parametrize(("kind", "error"), [("reset", ConnectionClosedError), ("stall", ReadTimeoutError)])
def test_broken_connections_arrive_as_boto3_sees_them(aws: AwsEmulator, kind: str, error: type[Exception]) -> None:
    key, kms = aws.create_key("ES256").version, client(aws.url, read_timeout=0.3)
    aws.faults.order(f"{kind}:sign:1")
    with pytest.raises(error):
        sign(kms, key)
    sign(kms, key)


def test_a_truncated_body_is_a_success_without_a_signature_to_boto3(aws: AwsEmulator, kms: Any) -> None:
    """It neither checks Content-Length nor refuses a body that is no JSON: whoever uses it has to look."""
    key = aws.create_key("ES256").version
    aws.faults.truncate("sign", times=1)
    reply = sign(kms, key)
    assert "Signature" not in reply
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert "Signature" in sign(kms, key)


def test_garbage_comes_out_of_boto3_as_a_unicode_error(aws: AwsEmulator, kms: Any) -> None:
    key = aws.create_key("ES256").version
    aws.faults.garbage("sign", times=1)
    with pytest.raises(UnicodeDecodeError):
        sign(kms, key)
    sign(kms, key)


def test_a_slow_drip_outlasts_boto3s_read_timeout(aws: AwsEmulator) -> None:
    """boto3 counts its timeout for each recv: this is what a driver has to end by other means."""
    key, kms = aws.create_key("ES256").version, client(aws.url, read_timeout=0.3)
    aws.faults.slow_drip("sign", 0.8, times=1)
    started = time.monotonic()
    sign(kms, key)
    assert time.monotonic() - started > 0.7


def test_a_region_or_the_endpoint_can_be_down(aws: AwsEmulator) -> None:
    key = aws.create_key("ES256", multi_region=True)
    replica = aws.replicate(key, "eu-west-1")
    east, west = client(aws.url), client(aws.url, region="eu-west-1")
    aws.faults.down("us-east-1")
    with pytest.raises(ConnectionClosedError):
        sign(east, key.version)
    sign(west, replica.version)
    aws.close()
    with pytest.raises((EndpointConnectionError, ConnectionClosedError)):
        sign(west, replica.version)
    with pytest.raises(EndpointConnectionError):
        sign(west, replica.version)
    aws.start()
    sign(west, replica.version)


def test_calls_are_counted_by_portable_and_wire_name_and_logged_without_data(aws: AwsEmulator, kms: Any) -> None:
    key = aws.create_key("ES256", alias="auth")
    reply = sign(kms, "alias/auth")
    kms.get_public_key(KeyId=key.version)
    kms.describe_key(KeyId=key.version)
    kms.list_keys()
    assert [aws.calls(name) for name in ("sign", "Sign", "describe", "GetPublicKey", "ListKeys", "*")] == [1, 1, 2, 1, 1, 4]
    first = next(iter(aws.log))
    assert (first.operation, first.portable, first.key, first.scope) == ("Sign", "sign", "alias/auth", "us-east-1")
    assert first.request_id == reply["ResponseMetadata"]["RequestId"]
    assert set(first.__slots__) == {"operation", "portable", "key", "scope", "time", "request_id"}


def test_seeded_faults_repeat() -> None:
    def run() -> list[str]:
        with AwsEmulator(seed=5) as aws:
            kms, key = client(aws.url), aws.create_key("ES256").version
            aws.faults.mix("sign", 0.5, {"throttle": 1, "error:KMSInternalException": 1})
            answers = []
            for _ in range(20):
                try:
                    sign(kms, key)
                    answers.append("ok")
                except kms.exceptions.ClientError as error:
                    answers.append(error.response["Error"]["Code"])
            return answers

    first = run()
    assert first == run()
    assert set(first) == {"ok", "ThrottlingException", "KMSInternalException"}


def test_32_clients_at_once(aws: AwsEmulator) -> None:
    """No error, no mixed-up reply."""
    keys = [aws.create_key("ES256").version for _ in range(8)]
    kms = client(aws.url, max_pool_connections=32)
    wrong: list[str] = []

    def run(n: int) -> None:
        for _ in range(10):
            key = keys[n % 8]
            if sign(kms, key)["KeyId"] != key:
                wrong.append(key)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert aws.calls("sign") == 320
