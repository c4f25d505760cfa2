"""What AWS's errors become, on the wire: the real boto3 against the emulator, and against a server that answers what it is told to."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NamedTuple

import pytest
from canned import ARN, Canned, canned

import farsign
from farsign import errors
from farsign.driver import Failure, SignRequest
from farsign.testing._http import Reply
from farsign_aws._driver import AwsKey
from farsign_aws._emulator import AwsEmulator
from farsign_aws._emulator_tables import TEXT

__all__ = ["canned"]
Emulators = Callable[..., AwsEmulator]
QUICK = farsign.Policy(timeout=0.5, attempts=1)


class Row(NamedTuple):
    """What the wire says, and what that is. PROVIDERS 1.3, RELIABILITY 4."""

    code: str
    kind: type[errors.ProviderError]
    text: str = ""
    status: int = 400


DENIED = f"User: arn:aws:iam::111122223333:user/x is not authorized to perform: kms:Sign on resource: {ARN} because no policy allows it"
ROWS = [
    Row("ThrottlingException", errors.Throttled),
    Row("Throttling", errors.Throttled),
    Row("TooManyRequestsException", errors.Throttled, status=429),
    Row("RequestLimitExceeded", errors.Throttled, status=503),
    Row("SlowDown", errors.Throttled, status=503),
    Row("KMSInternalException", errors.ProviderUnavailable, status=500),
    Row("DependencyTimeoutException", errors.ProviderUnavailable, status=503),
    Row("InternalFailure", errors.ProviderUnavailable, status=500),
    Row("ServiceUnavailable", errors.ProviderUnavailable, status=503),
    Row("RequestTimeout", errors.ProviderUnavailable),
    Row("KeyUnavailableException", errors.KeyUnavailable, status=500),
    Row("CloudHsmClusterNotActiveException", errors.KeyUnavailable),
    Row("XksProxyUriUnreachableException", errors.KeyUnavailable),
    Row("KMSInvalidStateException", errors.KeyUnavailable, f"{ARN} is creating."),
    Row("KMSInvalidStateException", errors.KeyUnavailable, f"{ARN} is unavailable."),
    Row("KMSInvalidStateException", errors.KeyUnavailable, f"{ARN} is updating."),
    Row("KMSInvalidStateException", errors.KeyDeleted, f"{ARN} is pending deletion."),
    Row("KMSInvalidStateException", errors.KeyDeleted, f"{ARN} is pending replica deletion."),
    Row("KMSInvalidStateException", errors.KeyDisabled, f"{ARN} is pending import."),
    Row("DisabledException", errors.KeyDisabled, f"{ARN} is disabled."),
    Row("NotFoundException", errors.KeyNotFound, f"Key '{ARN}' does not exist"),
    Row("ExpiredTokenException", errors.CredentialsExpired),
    Row("UnrecognizedClientException", errors.CredentialsExpired),
    Row("InvalidClientTokenId", errors.CredentialsExpired, status=403),
    Row("InvalidSignatureException", errors.CredentialsExpired, "The request signature we calculated does not match"),
    Row("SignatureDoesNotMatch", errors.CredentialsExpired, status=403),
    Row("IncompleteSignatureException", errors.CredentialsExpired),
    Row(
        "InvalidSignatureException", errors.ClockSkew, "Signature expired: 20250101T000000Z is now earlier than 20250101T001000Z"
    ),
    Row(
        "InvalidSignatureException",
        errors.ClockSkew,
        "Signature not yet current: 20250101T001000Z is still later than 20250101T000500Z",
    ),
    Row("RequestExpired", errors.ClockSkew),
    Row("MissingAuthenticationTokenException", errors.CredentialsNotFound),
    Row("AccessDeniedException", errors.PermissionDenied, DENIED),
    Row("OptInRequired", errors.PermissionDenied, status=403),
    Row("InvalidKeyUsageException", errors.KeyMisuse),
    Row("UnsupportedOperationException", errors.KeyMisuse),
    Row("InvalidArnException", errors.KeyMisuse),
    Row("InvalidGrantTokenException", errors.KeyMisuse),
    Row("ValidationException", errors.KeyMisuse),
    Row("SerializationException", errors.KeyMisuse),
    Row("LimitExceededException", errors.QuotaExceeded),
    Row("NobodyKnowsIt", errors.KeyMisuse),
    Row("NobodyKnowsIt", errors.CredentialsExpired, status=401),
    Row("NobodyKnowsIt", errors.PermissionDenied, status=403),
    Row("NobodyKnowsIt", errors.ProviderUnavailable, status=408),
    Row("NobodyKnowsIt", errors.Throttled, status=429),
    Row("NobodyKnowsIt", errors.ProviderUnavailable, status=500),
    Row("NobodyKnowsIt", errors.ProviderUnavailable, status=502),
    Row("NobodyKnowsIt", errors.ProviderUnavailable, status=504),
    Row("NobodyKnowsIt", errors.IntegrityFailure, status=302),
]


@pytest.fixture(scope="module")
def key(canned: Canned) -> Iterator[AwsKey]:
    driver = AwsKey(farsign.parse_uri(canned.uri))
    yield driver
    driver.close()


REQUEST = SignRequest(ARN, "ES256", "digest", b"\x01" * 32)


def failed(key: AwsKey) -> Failure:
    with pytest.raises(Exception) as caught:  # whatever boto3 raises is what is classified
        key.sign(REQUEST, timeout=2.0)
    if isinstance(caught.value, errors.ProviderError):
        return Failure(type(caught.value), reason=caught.value.reason)
    failure = key.classify(caught.value)
    assert failure is not None, repr(caught.value)
    return failure


@pytest.mark.parametrize("row", ROWS, ids=[f"{n}-{row.code}-{row.status}" for n, row in enumerate(ROWS)])
def test_the_table(row: Row, canned: Canned, key: AwsKey) -> None:
    canned.says(row.status, {"x-amzn-RequestId": "6f1c-17"}, __type=row.code, message=row.text)
    failure = failed(key)
    assert failure.error is row.kind
    assert (failure.reason, failure.request_id) == (row.code, "6f1c-17")
    assert row.code in failure.message or row.kind in (errors.Throttled, errors.PermissionDenied, errors.ClockSkew)
    if row.text and ARN in row.text:
        assert ARN in failure.message


def test_the_prefix_of_older_protocols_is_no_part_of_the_code(canned: Canned, key: AwsKey) -> None:
    canned.says(400, __type="com.amazonaws.trent#DisabledException")
    assert failed(key).error is errors.KeyDisabled


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-amz-retry-after": "1500"}, 1.5),
        ({"Retry-After": "2"}, 2.0),
        ({"x-amz-retry-after": "100", "Retry-After": "9"}, 0.1),
        ({}, None),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:47 GMT", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 10.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "9" * 400}, 86_400.0),
        ({"x-amz-retry-after": "soon", "Retry-After": "9"}, 9.0),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "1e999"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None, canned: Canned, key: AwsKey) -> None:
    canned.reply = Reply(400, b'{"__type": "ThrottlingException"}', headers)
    assert failed(key).retry_after == seconds


GARBLED = [
    b"", b"\xff\xfe", b"<html>proxy</html>", b"[]", b"null", b'"text"', b"{", b"{}", b'{"Signature": 1}', b'{"Signature": {"a": 1}}', b'{"Signature": "A"}',
    b'{"KeyId": "x"}', b'{"Signature": null}', b"1" * 100_000, b"[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize("body", GARBLED, ids=range(len(GARBLED)))
def test_a_reply_that_means_nothing(body: bytes, status: int, canned: Canned, key: AwsKey) -> None:
    """Never a bug report, never an endless retry: 5xx is the endpoint's trouble, the rest is an IntegrityFailure or a misuse."""
    canned.reply = Reply(status, body, {"Content-Type": "application/x-amz-json-1.1"})
    expected = {200: {errors.IntegrityFailure}, 400: {errors.KeyMisuse, errors.IntegrityFailure},
                503: {errors.ProviderUnavailable, errors.IntegrityFailure}}  # fmt: skip
    assert failed(key).error in expected[status]


@pytest.mark.parametrize("body", [b"{}", b'{"KeyId": "x"}', b'{"PublicKey": "AAAA"}', b'{"KeyId": 1, "PublicKey": "AAAA"}'])
def test_a_description_without_a_key(body: bytes, canned: Canned, key: AwsKey) -> None:
    canned.reply = Reply(200, body)
    with pytest.raises(errors.IntegrityFailure):
        key.describe(timeout=2.0)


def test_a_public_key_that_is_none(canned: Canned) -> None:
    canned.says(KeyId=ARN, PublicKey="AAAA", KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    with farsign.open_signer(canned.uri, policy=QUICK) as signer, pytest.raises(errors.FarsignError) as caught:
        signer.key()
    assert not isinstance(caught.value, errors.BackendBroken), caught.value


def test_a_key_for_something_else(emulator: Emulators) -> None:
    aws = emulator("awskms")
    for usage, alg in (("ENCRYPT_DECRYPT", "RS256"), ("KEY_AGREEMENT", "ES256")):
        uri = aws.create_key(alg, usage=usage).uri
        with farsign.open_signer(uri) as signer, pytest.raises(errors.KeyMisuse) as caught:
            signer.key()
        assert usage in str(caught.value)
        assert caught.value.next_step


# -- at the emulator: what a user sees ----------------------------------------------------------------------------------------


def raised(uri: str, **policy: Any) -> errors.ProviderError:
    with farsign.open_signer(uri, policy=farsign.Policy(**{"timeout": 1.0, **policy})) as signer:
        with pytest.raises(errors.ProviderError) as caught:
            signer.key().sign(b"canary")
        return caught.value


def test_denied_names_the_action_the_key_and_the_request(emulator: Emulators) -> None:
    """EXAMPLES 8."""
    aws = emulator("awskms")
    key = aws.create_key("ES256", alias="auth")
    for action in ("kms:GetPublicKey", "kms:Sign"):
        aws.deny(action)
        error = raised(key.uri, attempts=2)
        aws.allow(action)
        assert type(error) is errors.PermissionDenied
        assert error.request_id
        assert str(error) == f"AWS KMS refused {action[4:]} on {key.version} (request {error.request_id})"
        assert error.next_step == "allow kms:GetPublicKey and kms:Sign on that key ARN (an alias ARN as Resource grants nothing)"
    assert aws.calls("sign") == 1


def test_a_role_that_may_not_be_assumed(emulator: Emulators) -> None:
    aws = emulator("awskms")
    role = "arn:aws:iam::444455556666:role/signer"
    aws.sts.external_ids[role] = "right"
    error = raised(f"{aws.create_key('ES256').uri}&role={role}&external_id=wrong")
    assert type(error) is errors.PermissionDenied
    assert str(error) == f"AWS STS refused AssumeRole on {role} (request {error.request_id})"
    assert "trust policy" in error.next_step
    assert "kms:" not in error.next_step


def test_throttled_says_how_often_and_what_to_do(emulator: Emulators) -> None:
    aws = emulator("awskms")
    key = aws.create_key("ES256")
    aws.faults.throttle("sign")
    error = raised(key.uri, attempts=3, timeout=5.0)
    assert type(error) is errors.Throttled
    assert str(error).startswith("AWS KMS throttled Sign (request ")
    assert "; 3 attempts in " in str(error)
    assert "per account, region and key family" in error.next_step


def test_no_credentials_names_what_was_tried(no_settings: object) -> None:
    """EXAMPLES 8. And the wait for them is the caller's own."""
    error = raised("awskms:///alias/auth?region=eu-west-1")
    assert type(error) is errors.CredentialsNotFound
    assert str(error) == (
        "AWS found none for 'awskms:///alias/auth?region=eu-west-1' "
        "(tried environment, config files, container role, instance role)"
    )
    assert error.next_step == (
        "locally `aws sso login` or AWS_PROFILE; on Lambda or EKS attach a role; in tests use the emulator fixture"
    )


def test_half_a_credential(no_settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    assert type(raised("awskms:///alias/auth?region=eu-west-1")) is errors.CredentialsNotFound


def test_a_wrong_secret_and_an_unknown_key(emulator: Emulators, no_settings: object) -> None:
    import boto3

    import farsign_aws

    aws = emulator("awskms")
    uri = aws.create_key("ES256").uri.replace("&auth=emulator", "")
    for access, secret in (("emulator", "wrong"), ("unknown", "emulator")):
        session = boto3.Session(aws_access_key_id=access, aws_secret_access_key=secret)
        with farsign_aws.open_signer(uri, session=session) as signer, pytest.raises(errors.CredentialsExpired) as caught:
            signer.key()
        assert caught.value.request_id
        assert secret not in caught.value.diagnostics()


def test_a_wrong_clock_is_named(emulator: Emulators) -> None:
    """RULES 24: the provider refuses for skew."""
    aws = emulator("awskms")
    key = aws.create_key("ES256")
    aws.clock.max_skew = 300
    for minutes in (10, -20):
        aws.clock.advance(minutes * 60)
        error = raised(key.uri, attempts=2)
        assert type(error) is errors.ClockSkew
        assert error.next_step == "correct this machine's clock"


CODES_WITH_TEXT = sorted(TEXT)


@pytest.mark.parametrize("code", CODES_WITH_TEXT)
def test_no_error_holds_a_request_or_a_secret(code: str, emulator: Emulators, caplog: pytest.LogCaptureFixture) -> None:
    """RULES 16: not in the text, the log, the causes, nor in the frames that an error reporter would show."""
    aws = emulator("awskms")
    key = aws.create_key("ES256")
    aws.faults.error("sign", code)
    with caplog.at_level(logging.DEBUG):
        error = raised(key.uri, attempts=2)
    told = "".join(traceback.format_exception(error)) + error.diagnostics() + caplog.text
    assert "AWS4-HMAC-SHA256" not in told
    assert_discreet(error)


@pytest.mark.parametrize("fault", ["reset", "stall", "garbage", "truncate"])
def test_no_failure_of_the_wire_holds_a_request(fault: str, emulator: Emulators) -> None:
    aws = emulator("awskms")
    key = aws.create_key("ES256")
    aws.faults.order(f"{fault}:sign")
    assert_discreet(raised(key.uri, attempts=2))


def assert_discreet(error: BaseException) -> None:
    """No frame of the SDK hangs on an error or on what caused it: their locals hold headers and messages."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        for frame in frames(error.__traceback__):
            assert not frame.startswith(("botocore", "urllib3", "farsign_aws._transport")), f"{frame} in {error!r}"
        assert not hasattr(error, "response")
        error = error.__cause__ or error.__context__  # type: ignore[assignment]  # None ends it


def frames(trace: TracebackType | None) -> list[str]:
    return [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(trace)]
