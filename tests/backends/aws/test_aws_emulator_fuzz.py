"""Requests that no SDK would send, rightly signed: the emulator answers each as AWS does, with an error of its own words, and goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from farsign.testing.conformance._harness import many
from farsign_aws import _emulator_admin, _emulator_crypto
from farsign_aws._emulator import GRANTING, AwsEmulator

OPERATIONS = [*_emulator_admin.OTHERS, *_emulator_admin.ON_ONE_KEY, *GRANTING, *_emulator_crypto.OPERATIONS]
ODD: list[Any] = [
    None,
    5,
    -1,
    True,
    "",
    [],
    {},
    "x" * 3000,
    "alias/",
    "arn:aws:kms:us-east-1:1:key/x",
    [1],
    {"a": 1},
    "\N{SNOWMAN}",
    "\u00b2",
    1e308,
]
BODIES = [b"", b"[]", b"null", b"5", b'"x"', b"{", b"{" * 5000, b"\xff", b'{"KeyId":' * 100]
GOOD = {"Message": "AAAA", "SigningAlgorithm": "ECDSA_SHA_256", "MessageType": "RAW", "Signature": "AAAA", "AliasName": "alias/q",
        "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "Limit": 5, "Marker": "0", "PendingWindowInDays": 7,
        "ReplicaRegion": "eu-west-1", "Operations": ["Sign"], "GranteePrincipal": "x", "GrantTokens": [], "Description": "d",
        "MultiRegion": False, "DryRun": False, "Origin": "AWS_KMS", "Tags": []}  # fmt: skip


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsEmulator]:
    with AwsEmulator() as emulator:
        yield emulator


def asked(aws: AwsEmulator, pool: urllib3.HTTPConnectionPool, operation: str, body: bytes) -> None:
    """Asks, and looks at what comes: a reply with its headers, or one of AWS's errors."""
    headers = {"X-Amz-Target": f"TrentService.{operation}", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("POST", f"{aws.url}/", data=body, headers=headers)
    SigV4Auth(Credentials("emulator", "emulator"), "kms", "us-east-1").add_auth(request)
    reply = pool.urlopen("POST", "/", body=body, headers=dict(request.prepare().headers.items()), retries=False)
    what = f"{operation} {body[:200]!r}: {reply.data[:200]!r}"
    assert reply.status in (200, 400, 412), what
    assert reply.headers["x-amzn-RequestId"]
    answer = json.loads(reply.data or b"{}")
    assert (reply.status == 200) == ("__type" not in answer), what


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_request_is_too_odd(operation: str, aws: AwsEmulator) -> None:
    key = aws.create_key("ES256", multi_region=True)
    right = {**GOOD, "KeyId": key.version, "TargetKeyId": key.version}
    pool = urllib3.HTTPConnectionPool("127.0.0.1", aws.port)
    for number, member in enumerate(right):
        for odd in ODD[number % 3 :: many(3, 1)]:
            asked(aws, pool, operation, json.dumps({**right, member: odd}).encode())
        asked(aws, pool, operation, json.dumps({name: value for name, value in right.items() if name != member}).encode())
    for body in BODIES:
        asked(aws, pool, operation, body)
    pool.close()
