"""Differential: boto3's calls against our emulator and against a server that we did not write, compared field by field.

Every difference is in EXPLAINED, with what AWS documents or was recorded to answer. One that is not is a failure, and so is an
explanation that no longer explains anything.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import independent_aws
import pytest
from boto import client
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from farsign_aws import _emulator_admin, _emulator_crypto
from farsign_aws._emulator import GRANTING, AwsEmulator

MESSAGE: Final = b"the same message"
NOWHERE: Final = "12345678-1234-1234-1234-123456789012"
ROLE: Final = "arn:aws:iam::111122223333:role/signer"
Fields = dict[str, Any]


class Recorder:
    """Makes calls at one endpoint; keeps what came back, with identifiers, dates and signatures replaced by what they are."""

    def __init__(self, endpoint: str) -> None:
        self.clients = {
            region: client(endpoint, region=region, key="emulator", secret="emulator") for region in ("us-east-1", "eu-west-1")
        }
        self.clients["sts"] = client(endpoint, "sts")
        self.called: set[str] = set()
        self.names: dict[str, str] = {}
        self.steps: dict[str, Fields] = {}

    def call(self, step: str, operation: str, *, region: str = "us-east-1", **arguments: Any) -> Any:
        self.called.add(operation)
        try:
            reply = getattr(self.clients[region], operation)(**arguments)
        except ClientError as error:
            reply = {key: value for key, value in error.response.items() if key in ("Error", "ResponseMetadata")}
        self.steps[step] = dict(self._flatten("", reply))
        return reply

    def create(self, step: str, spec: str, usage: str = "SIGN_VERIFY", **arguments: Any) -> str:
        key_id: str = self.clients["us-east-1"].create_key(KeySpec=spec, KeyUsage=usage, **arguments)["KeyMetadata"]["KeyId"]
        self.names[key_id] = f"<{step}>"
        self.call(f"describe {step}", "describe_key", KeyId=key_id)
        return key_id

    def sign(self, step: str, key_id: str, algorithm: str, digest: bool) -> None:
        data = hashlib.new(f"sha{algorithm[-3:]}", MESSAGE).digest() if digest else MESSAGE
        arguments = {
            "KeyId": key_id,
            "Message": data,
            "MessageType": "DIGEST" if digest else "RAW",
            "SigningAlgorithm": algorithm,
        }
        reply = self.call(step, "sign", **arguments)
        public = self.clients["us-east-1"].get_public_key(KeyId=key_id)["PublicKey"]
        verified = _verified(public, reply["Signature"], algorithm)
        self.steps[step]["Signature"] = f"verifies over the message: {verified}"
        self.call(f"{step} verify", "verify", Signature=reply["Signature"], **arguments)

    def _flatten(self, path: str, value: Any) -> Iterator[tuple[str, Any]]:
        if path == "ResponseMetadata":
            yield "status", value["HTTPStatusCode"]
        elif isinstance(value, dict):
            for key, inner in value.items():
                yield from self._flatten(f"{path}.{key}".lstrip("."), inner)
        else:
            yield path, self._plain(value)

    def _plain(self, value: Any) -> Any:
        if isinstance(value, datetime):
            return "a date"
        if isinstance(value, bytes):
            return "bytes"
        if isinstance(value, list):
            return sorted((dict(self._flatten("", row)) if isinstance(row, dict) else row for row in value), key=str)
        if isinstance(value, str):
            for key_id, name in self.names.items():
                value = value.replace(key_id, name)
            return re.sub(r"\b\d{12}\b(?!')", "ACCOUNT", value)
        return value


def _verified(public: bytes, signature: bytes, algorithm: str) -> bool:
    key = load_der_public_key(public)
    if algorithm.startswith("ED25519"):
        key.verify(signature, MESSAGE)
        return True
    hash_ = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[algorithm[-3:]]
    if algorithm.startswith("ECDSA"):
        key.verify(signature, MESSAGE, ec.ECDSA(hash_))
    else:
        pad = padding.PSS(padding.MGF1(hash_), hash_.digest_size) if "PSS" in algorithm else padding.PKCS1v15()
        key.verify(signature, MESSAGE, pad, hash_)
    return True


def script(at: Recorder) -> None:
    """The calls; every operation that both servers have."""
    rsa, ec_key = at.create("rsa", "RSA_2048", Description="d"), at.create("ec", "ECC_NIST_P256")
    others = {
        spec: at.create(spec, spec) for spec in ("ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519")
    }
    encrypt = at.create("encrypt", "RSA_2048", "ENCRYPT_DECRYPT")
    at.create("hmac", "HMAC_256", "GENERATE_VERIFY_MAC")
    for key_id in (rsa, ec_key, others["ECC_NIST_EDWARDS25519"], encrypt):
        at.call(f"public {at.names[key_id]}", "get_public_key", KeyId=key_id)
    for algorithm in ("RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_512"):
        at.sign(f"sign {algorithm} digest", rsa, algorithm, digest=True)
        at.sign(f"sign {algorithm} raw", rsa, algorithm, digest=False)
    for key_id, algorithm in (
        (ec_key, "ECDSA_SHA_256"),
        (others["ECC_NIST_P384"], "ECDSA_SHA_384"),
        (others["ECC_NIST_P521"], "ECDSA_SHA_512"),
    ):
        at.sign(f"sign {algorithm}", key_id, algorithm, digest=True)
    at.sign("sign secp256k1", others["ECC_SECG_P256K1"], "ECDSA_SHA_256", digest=True)
    at.sign("sign ed25519", others["ECC_NIST_EDWARDS25519"], "ED25519_SHA_512", digest=False)
    refusals(at, ec_key, encrypt, others["ECC_NIST_EDWARDS25519"])
    aliases(at, rsa, ec_key)
    grants(at, ec_key)
    lists(at, rsa)
    states(at, ec_key)
    regions(at)
    sts(at)


def refusals(at: Recorder, ec_key: str, encrypt: str, ed25519: str) -> None:
    use = {"Message": MESSAGE, "SigningAlgorithm": "ECDSA_SHA_256"}
    at.call("digest too short", "sign", KeyId=ec_key, **{**use, "Message": bytes(31), "MessageType": "DIGEST"})
    at.call("message empty", "sign", KeyId=ec_key, **{**use, "Message": b""})
    at.call("message 4096", "sign", KeyId=ec_key, **{**use, "Message": bytes(4096)})
    at.call("message 4097", "sign", KeyId=ec_key, **{**use, "Message": bytes(4097)})
    at.call("algorithm of another spec", "sign", KeyId=ec_key, **{**use, "SigningAlgorithm": "RSASSA_PSS_SHA_256"})
    at.call("no such algorithm", "sign", KeyId=ec_key, **{**use, "SigningAlgorithm": "NONE"})
    at.call("key of another usage", "sign", KeyId=encrypt, **{**use, "SigningAlgorithm": "RSASSA_PSS_SHA_256"})
    at.call("ed25519 digest", "sign", KeyId=ed25519, Message=bytes(64), MessageType="DIGEST", SigningAlgorithm="ED25519_SHA_512")
    at.call("bad signature", "verify", KeyId=ec_key, Signature=b"nonsense", **use)
    at.call("missing key", "sign", KeyId=NOWHERE, **use)
    at.call("missing alias", "sign", KeyId="alias/nope", **use)
    at.call("odd key id", "describe_key", KeyId="fake-key-id")
    at.call("create without usage", "create_key", KeySpec="RSA_2048")
    at.call("create of no such spec", "create_key", KeySpec="RSA_9", KeyUsage="SIGN_VERIFY")


def aliases(at: Recorder, rsa: str, ec_key: str) -> None:
    at.call("create alias", "create_alias", AliasName="alias/diff", TargetKeyId=rsa)
    at.call("create alias again", "create_alias", AliasName="alias/diff", TargetKeyId=rsa)
    at.call("create alias without prefix", "create_alias", AliasName="diff", TargetKeyId=rsa)
    at.call("list aliases of a key", "list_aliases", KeyId=rsa)
    at.call("describe by alias", "describe_key", KeyId="alias/diff")
    at.call("move alias RSA to EC", "update_alias", AliasName="alias/diff", TargetKeyId=ec_key)
    at.call("public key by alias", "get_public_key", KeyId="alias/diff")
    at.call("move alias to a missing key", "update_alias", AliasName="alias/diff", TargetKeyId=NOWHERE)
    at.call("move missing alias", "update_alias", AliasName="alias/nope", TargetKeyId=rsa)
    at.call("delete alias", "delete_alias", AliasName="alias/diff")
    at.call("delete alias again", "delete_alias", AliasName="alias/diff")


def grants(at: Recorder, ec_key: str) -> None:
    grant = {"KeyId": ec_key, "GranteePrincipal": ROLE, "Operations": ["Sign", "GetPublicKey"]}
    made = at.call("grant", "create_grant", **grant)
    at.steps["grant"].update(GrantId=f"{len(made['GrantId'])} characters", GrantToken="a token")
    at.call("grant of what the key cannot do", "create_grant", **{**grant, "Operations": ["Encrypt"]})
    at.call("grant on a missing key", "create_grant", **{**grant, "KeyId": NOWHERE})
    use = {"KeyId": ec_key, "Message": MESSAGE, "SigningAlgorithm": "ECDSA_SHA_256"}
    at.call("sign with a grant token", "sign", GrantTokens=[made["GrantToken"]], **use)
    at.call("sign with a forged grant token", "sign", GrantTokens=["forged"], **use)
    at.call("dry run", "sign", DryRun=True, **use)
    at.call("dry run of what would fail", "sign", DryRun=True, **{**use, "SigningAlgorithm": "RSASSA_PSS_SHA_256"})


def lists(at: Recorder, rsa: str) -> None:
    """The server may have keys of others."""
    arn = at.clients["us-east-1"].describe_key(KeyId=rsa)["KeyMetadata"]["Arn"]
    at.call("sign by ARN", "sign", KeyId=arn, Message=MESSAGE, SigningAlgorithm="RSASSA_PSS_SHA_256")
    whole = at.call("list keys", "list_keys", Limit=1000)
    at.steps["list keys"] = {"ours": {"KeyId": rsa, "KeyArn": arn} in whole["Keys"], "Truncated": whole["Truncated"]}
    page = at.call("a page of keys", "list_keys", Limit=1)
    at.steps["a page of keys"] = {"Keys": len(page["Keys"]), "Truncated": page["Truncated"], "more": "NextMarker" in page}


def sts(at: Recorder) -> None:
    at.call("who am I", "get_caller_identity", region="sts")
    at.call("assume role", "assume_role", region="sts", RoleArn=ROLE, RoleSessionName="differential")
    at.call(
        "assume what is no role", "assume_role", region="sts", RoleArn="arn:aws:iam::111122223333:user/x", RoleSessionName="x1"
    )
    for step, secret in (
        ("who am I", ("UserId",)),
        ("assume role", ("AccessKeyId", "SecretAccessKey", "SessionToken", "RoleId")),
    ):
        for field in at.steps[step]:
            if field.endswith(secret):
                at.steps[step][field] = "somebody"


def states(at: Recorder, ec_key: str) -> None:
    use = {"KeyId": ec_key, "Message": MESSAGE, "SigningAlgorithm": "ECDSA_SHA_256"}
    at.call("disable", "disable_key", KeyId=ec_key)
    at.call("describe disabled", "describe_key", KeyId=ec_key)
    at.call("sign disabled", "sign", **use)
    at.call("public key of a disabled key", "get_public_key", KeyId=ec_key)
    at.call("enable", "enable_key", KeyId=ec_key)
    at.call("schedule deletion", "schedule_key_deletion", KeyId=ec_key, PendingWindowInDays=7)
    at.call("describe pending", "describe_key", KeyId=ec_key)
    at.call("sign pending", "sign", **use)
    at.call("enable pending", "enable_key", KeyId=ec_key)
    at.call("schedule deletion again", "schedule_key_deletion", KeyId=ec_key)
    at.call("cancel deletion", "cancel_key_deletion", KeyId=ec_key)
    at.call("cancel deletion again", "cancel_key_deletion", KeyId=ec_key)
    at.call("describe cancelled", "describe_key", KeyId=ec_key)


def regions(at: Recorder) -> None:
    mrk = at.create("mrk", "ECC_NIST_P256", MultiRegion=True)
    at.call("replicate", "replicate_key", KeyId=mrk, ReplicaRegion="eu-west-1")
    at.call("describe replica", "describe_key", region="eu-west-1", KeyId=mrk)
    at.call("replicate again", "replicate_key", KeyId=mrk, ReplicaRegion="eu-west-1")
    at.call("describe primary", "describe_key", KeyId=mrk)
    same = [at.clients[region].get_public_key(KeyId=mrk)["PublicKey"] for region in ("us-east-1", "eu-west-1")]
    at.steps["material"] = {"the same in both Regions": same[0] == same[1]}
    at.call("disable primary", "disable_key", KeyId=mrk)
    at.call("sign at the replica", "sign", region="eu-west-1", KeyId=mrk, Message=MESSAGE, SigningAlgorithm="ECDSA_SHA_256")


# (step, field) -> why ours is as it is; "*" stands for any step or any field.
VALIDATION: Final = "AWS validates before it works: Common Errors, ValidationException; API_Sign: Message has 1 to 4096 bytes"
KEY_STATES: Final = (
    "Key states of AWS KMS keys: KMSInvalidStateException, <key ARN> is pending deletion / is not pending deletion"
)
RECORDED: Final = "the text as real KMS was recorded to answer, which names ARNs"
ONE_LIST: Final = (
    "API_KeyMetadata: EncryptionAlgorithms only when KeyUsage is ENCRYPT_DECRYPT, SigningAlgorithms only when SIGN_VERIFY"
)
EXPLAINED: Final = {
    ("*", "KeyMetadata.AWSAccountId"): "API_KeyMetadata: the twelve-digit account ID; theirs leaves it out for EC and HMAC keys",
    ("*", "KeyMetadata.EncryptionAlgorithms"): ONE_LIST,
    ("*", "KeyMetadata.SigningAlgorithms"): ONE_LIST,
    ("*", "EncryptionAlgorithms"): ONE_LIST,
    ("*", "SigningAlgorithms"): ONE_LIST,
    ("*", "CustomerMasterKeySpec"): "API_GetPublicKey: still returned beside KeySpec for specs that existed when it was frozen",
    ("*", "KeyMetadata.CustomerMasterKeySpec"): "the enumeration CustomerMasterKeySpec has no ECC_NIST_EDWARDS25519",
    ("create without usage", "*"): "API_CreateKey: KeyUsage is required for asymmetric KMS keys; " + RECORDED,
    ("create of no such spec", "*"): VALIDATION,
    ("message empty", "*"): VALIDATION,
    ("message 4097", "*"): VALIDATION,
    ("no such algorithm", "Error.Message"): "the set is the same, in another order, which AWS does not promise",
    (
        "ed25519 digest",
        "*",
    ): "API_Sign: ED25519_SHA_512 requires RAW; AWS's other mismatches of message type are ValidationException",
    ("key of another usage", "Error.Message"): RECORDED,
    ("bad signature", "Error.Message"): "KMSInvalidSignatureException was recorded to come without a message",
    ("missing key", "Error.Message"): RECORDED,
    ("missing alias", "Error.Message"): RECORDED,
    ("odd key id", "Error.Message"): RECORDED,
    ("create alias again", "Error.Message"): RECORDED,
    ("create alias without prefix", "Error.Message"): RECORDED,
    ("move alias to a missing key", "Error.Message"): RECORDED,
    ("move missing alias", "Error.Message"): RECORDED,
    ("delete alias again", "Error.Message"): RECORDED,
    ("schedule deletion", "PendingWindowInDays"): "API_ScheduleKeyDeletion, response elements",
    ("schedule deletion again", "*"): KEY_STATES,
    ("enable pending", "*"): KEY_STATES,
    ("cancel deletion again", "*"): KEY_STATES,
    ("replicate", "ReplicaKeyMetadata.AWSAccountId"): "API_KeyMetadata: the twelve-digit account ID",
    ("replicate", "ReplicaKeyMetadata.EncryptionAlgorithms"): ONE_LIST,
    ("replicate", "ReplicaKeyMetadata.Enabled"): "the replica is Creating when ReplicateKey returns, as recorded",
    ("replicate", "ReplicaKeyMetadata.KeyState"): "the replica is Creating when ReplicateKey returns, as recorded",
    (
        "grant of what the key cannot do",
        "*",
    ): "Grants in AWS KMS, grant operations: the key has to support them, else a validation error",
    ("grant on a missing key", "Error.Message"): RECORDED,
    (
        "sign with a forged grant token",
        "*",
    ): "API_Sign, errors: InvalidGrantTokenException, the specified grant token is not valid",
    ("dry run", "*"): "API_Sign, DryRun: never signs; DryRunOperationException, HTTP 412, if it would have succeeded",
    ("a page of keys", "more"): "API_ListKeys: NextMarker is there when Truncated is true",
    ("who am I", "Arn"): "the emulator's callers are IAM users, so that refusals name a principal; theirs is the account's root",
    ("assume role", "PackedPolicySize"): "API_AssumeRole: the size of the session policies and tags that were passed; none were",
    ("assume what is no role", "Error.Message"): "AWS's text is not known; both say ValidationError",
    ("replicate again", "Error.Message"): "AWS's text is not known; both say AlreadyExistsException",
}


def differences(ours: dict[str, Fields], theirs: dict[str, Fields]) -> dict[tuple[str, str], tuple[Any, Any]]:
    assert list(ours) == list(theirs)
    absent = "absent"
    found = {}
    for step in ours:
        for field in {**ours[step], **theirs[step]}:
            pair = ours[step].get(field, absent), theirs[step].get(field, absent)
            if pair[0] != pair[1]:
                found[step, field] = pair
    return found


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, str], tuple[Any, Any]]:
    endpoint, run = independent_aws.endpoint(), {}
    operations = {*_emulator_admin.OTHERS, *_emulator_admin.ON_ONE_KEY, *GRANTING, *_emulator_crypto.OPERATIONS}
    with AwsEmulator() as aws:
        for name, address in (("ours", aws.url), ("theirs", endpoint)):
            recorder = Recorder(address)
            script(recorder)
            run[name] = recorder.steps
            left_out = {*operations, *aws.sts.operations} - {"".join(map(str.title, name.split("_"))) for name in recorder.called}
            assert not left_out, "the script calls whatever the emulator has"
    return differences(run["ours"], run["theirs"])


def explanation(step: str, field: str) -> tuple[str, str] | None:
    """The row of EXPLAINED that covers a difference."""
    return next((row for row in ((step, field), (step, "*"), ("*", field)) if row in EXPLAINED), None)


def test_every_difference_is_explained(found: dict[tuple[str, str], tuple[Any, Any]]) -> None:
    unexplained = {at: pair for at, pair in found.items() if not explanation(*at)}
    lines = [f"{step} / {field}: ours {ours!r}, theirs {theirs!r}" for (step, field), (ours, theirs) in unexplained.items()]
    assert not unexplained, "\n".join(lines)


def test_no_explanation_is_left_over(found: dict[tuple[str, str], tuple[Any, Any]]) -> None:
    used = {explanation(*at) for at in found}
    assert set(EXPLAINED) - used == set()
