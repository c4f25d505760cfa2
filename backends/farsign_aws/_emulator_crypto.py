"""The operations of the emulated KMS that use keys: Sign, Verify, GetPublicKey."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature

from farsign.testing.emulator import Key, verify

from ._emulator_auth import AwsError
from ._emulator_keys import Ask, KmsKeys, invalid, lower
from ._emulator_tables import MAX_MESSAGE, MESSAGE_TYPES, SIGN_VERIFY, SIGNING

MAX_SIGNATURE: Final = 6144


def get_public_key(keys: KmsKeys, ask: Ask, key: Key) -> dict[str, Any]:
    spec, usage = keys.spec_of(key), key.attributes["usage"]
    version = keys.usable(key, disabled=True)  # documented to fail for a disabled key, but AWS was observed to answer
    if spec.kind == "secret":
        raise AwsError("UnsupportedOperationException", f"{keys.arn_of(key)} is not an asymmetric key.")
    return {
        "KeyId": keys.arn_of(key),
        "PublicKey": _encode(version.spki),
        "KeySpec": spec.name,
        **({"CustomerMasterKeySpec": spec.name} if spec.legacy else {}),
        "KeyUsage": usage,
        **spec.algorithms(usage),
    }


def sign(keys: KmsKeys, ask: Ask, key: Key) -> dict[str, Any]:
    algorithm, message, parameters = _signing_input(keys, ask, key)
    version = keys.usable(key)
    _check_dry_run(ask)
    named = keys.arn_of(key)
    if ask.call.has("wrong_key_id"):
        account, region, _ = key.name.split("/")
        named = keys.arn(account, region, "key/00000000-dead-4bad-8bad-000000000000")
    signature = ask.call.sign(keys.store, version, message, **parameters)
    return {"KeyId": named, "Signature": _encode(signature), "SigningAlgorithm": algorithm}


def verify_signature(keys: KmsKeys, ask: Ask, key: Key) -> dict[str, Any]:
    algorithm, message, parameters = _signing_input(keys, ask, key)
    signature = _blob(ask, "Signature", MAX_SIGNATURE)
    version = keys.usable(key)
    _check_dry_run(ask)
    try:
        verify(version.public_key, signature, message, **parameters)
    except InvalidSignature:
        raise AwsError("KMSInvalidSignatureException", None) from None
    return {"KeyId": keys.arn_of(key), "SignatureValid": True, "SigningAlgorithm": algorithm}


def validate(ask: Ask) -> None:
    """What AWS finds out before it looks for the key: members missing, out of range, not in their set."""
    algorithm, kind = ask.need("SigningAlgorithm"), ask.body.get("MessageType", "RAW")
    _blob(ask, "Message", MAX_MESSAGE)
    one_of(algorithm, "SigningAlgorithm", SIGNING)
    one_of(kind, "MessageType", MESSAGE_TYPES)


def one_of(value: Any, member: str, allowed: Any) -> None:
    if value not in allowed:
        raise invalid(
            f"Value '{value}' at '{lower(member)}' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(allowed)}]"
        )


def _signing_input(keys: KmsKeys, ask: Ask, key: Key) -> tuple[str, bytes, Mapping[str, Any]]:
    """Algorithm, message and how to sign it."""
    algorithm, kind = ask.need("SigningAlgorithm"), ask.body.get("MessageType", "RAW")
    message, spec = _blob(ask, "Message", MAX_MESSAGE), keys.spec_of(key)
    if (usage := key.attributes["usage"]) != SIGN_VERIFY:
        raise AwsError(
            "InvalidKeyUsageException", f"{keys.arn_of(key)} key usage is {usage} which is not valid for {ask.operation}."
        )
    if algorithm not in spec.signing:
        raise AwsError("InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec {spec.name}.")
    signing = SIGNING[algorithm]
    if kind not in signing.takes:
        what = f"key spec {spec.name}" if "EXTERNAL_MU" in (kind, *signing.takes) else f"algorithm {algorithm}"
        raise AwsError("ValidationException", f"Message type {kind} is incompatible with {what}.")
    if (length := signing.takes[kind]) is not None and len(message) != length:
        what = "External Mu" if kind == "EXTERNAL_MU" else "Digest"
        raise AwsError("ValidationException", f"{what} is invalid length for algorithm {algorithm}.")
    if algorithm == "ED25519_PH_SHA_512":
        raise AwsError("UnsupportedOperationException", "the emulator cannot sign ED25519_PH_SHA_512, which no JWS algorithm is")
    prehashed = {"prehashed": kind == "DIGEST"} if "hash" in signing.parameters else {}
    return algorithm, message, {**signing.parameters, **prehashed, "mu": kind == "EXTERNAL_MU"}


def _blob(ask: Ask, member: str, most: int) -> bytes:
    try:
        data = base64.b64decode(ask.need(member), validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise AwsError("SerializationException", None) from None
    if not 1 <= len(data) <= most:
        bound = f"less than or equal to {most}" if data else "greater than or equal to 1"
        raise invalid(f"Value at '{lower(member)}' failed to satisfy constraint: Member must have length {bound}")
    return data


def _check_dry_run(ask: Ask) -> None:
    if ask.body.get("DryRun"):
        raise AwsError("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


Operation = Callable[[KmsKeys, Ask, Key], dict[str, Any]]
OPERATIONS: Final[Mapping[str, Operation]] = {"Sign": sign, "Verify": verify_signature, "GetPublicKey": get_public_key}
