"""The operations of the emulated KMS that manage keys and aliases."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from farsign.testing.emulator import DISABLED, ENABLED, PENDING_DELETION, Key

from ._emulator_auth import AwsError
from ._emulator_crypto import one_of
from ._emulator_keys import Ask, KmsKeys, invalid
from ._emulator_tables import ENCRYPT_DECRYPT, SPECS
from ._hosts import REGION

DAY: Final = 86_400.0
MOST: Final = 1000  # rows of a page
ELSEWHERE: Final = ("SM2", "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024")  # specs that AWS has besides
USAGES: Final = ("SIGN_VERIFY", "ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE")
_ALIAS: Final = re.compile(r"alias/[a-zA-Z0-9/_-]{1,250}")


# on one key


def describe_key(keys: KmsKeys, ask: Ask, key: Key) -> dict[str, Any]:
    return {"KeyMetadata": keys.metadata(key)}


def enable_key(keys: KmsKeys, ask: Ask, key: Key) -> None:
    _not_pending(keys, key)
    key.newest.state = ENABLED


def disable_key(keys: KmsKeys, ask: Ask, key: Key) -> None:
    _not_pending(keys, key)
    key.newest.state = DISABLED


def schedule_key_deletion(keys: KmsKeys, ask: Ask, key: Key) -> dict[str, Any]:
    _not_pending(keys, key)
    days = ask.body.get("PendingWindowInDays", 30)
    if not 7 <= days <= 30:
        bound = "greater than or equal to 7" if days < 7 else "less than or equal to 30"
        raise invalid(f"Value '{days}' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value {bound}")
    schedule_deletion(keys, key, days)
    reply = {"KeyId": keys.arn_of(key), "KeyState": "PendingDeletion", "PendingWindowInDays": days}
    return {**reply, "DeletionDate": key.attributes["deletion"]}


def schedule_deletion(keys: KmsKeys, key: Key, days: int) -> None:
    key.newest.state = PENDING_DELETION
    key.attributes["deletion"] = round(keys.store.clock.time() + days * DAY, 3)


def cancel_key_deletion(keys: KmsKeys, ask: Ask, key: Key) -> dict[str, Any]:
    if keys.state(key) != PENDING_DELETION:
        raise AwsError("KMSInvalidStateException", f"{keys.arn_of(key)} is not pending deletion.")
    key.newest.state = DISABLED  # not as it was before: developer guide, "Canceling key deletion"
    return {"KeyId": keys.arn_of(key)}


def replicate_key(keys: KmsKeys, ask: Ask, key: Key) -> dict[str, Any]:
    region, primary = ask.need("ReplicaRegion"), key.attributes["primary"]
    if not re.fullmatch(REGION, region):
        raise invalid(
            f"Value '{region}' at 'replicaRegion' failed to satisfy constraint: Member must satisfy regular expression pattern: "
            r"^([a-z]+-){2,3}\d+$"
        )
    if primary is None:
        raise AwsError("UnsupportedOperationException", f"{keys.arn_of(key)} is not a multi-Region key.")
    if primary != ask.region:
        raise AwsError("UnsupportedOperationException", f"{keys.arn_of(key)} is not a primary key.")
    keys.usable(key)
    if any(where == region for where, _ in keys.replicas(key)):
        raise AwsError("AlreadyExistsException", f"The key already exists in {region}.")
    replica = keys.replicate(key, region, ask.body.get("Description", ""))
    # while a replica is made, AWS says so; without lag it is ready when next asked for
    described = {**keys.metadata(replica), "KeyState": "Creating", "Enabled": False}
    return {"ReplicaKeyMetadata": described, "ReplicaPolicy": _default_policy(ask), "ReplicaTags": ask.body.get("Tags", [])}


def _not_pending(keys: KmsKeys, key: Key) -> None:
    if keys.state(key) == PENDING_DELETION:
        raise AwsError("KMSInvalidStateException", f"{keys.arn_of(key)} is pending deletion.")


def _default_policy(ask: Ask) -> str:
    root = KmsKeys.arn(ask.account, ask.region, "root").replace(f":kms:{ask.region}:", ":iam::")
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": root},
        "Action": "kms:*",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]})


# on none, or on aliases


def create_key(keys: KmsKeys, ask: Ask) -> dict[str, Any]:
    body = ask.body
    name = body.get("KeySpec") or body.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"
    if name in ELSEWHERE:
        raise AwsError("UnsupportedOperationException", f"the emulator has no keys of spec {name}")
    one_of(name, "KeySpec", (*SPECS, *ELSEWHERE))
    if "KeyUsage" not in body and name != "SYMMETRIC_DEFAULT":
        text = "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
        raise AwsError("ValidationException", text)
    usage, spec = body.get("KeyUsage", ENCRYPT_DECRYPT), SPECS[name]
    one_of(usage, "KeyUsage", USAGES)
    if usage not in spec.usages:
        raise AwsError("ValidationException", f"KeyUsage {usage} is not compatible with KeySpec {name}")
    if body.get("Origin", "AWS_KMS") != "AWS_KMS":
        raise AwsError("UnsupportedOperationException", f"the emulator has no keys of origin {body['Origin']}")
    key = keys.create(
        ask.account,
        ask.region,
        spec,
        usage=usage,
        multi_region=body.get("MultiRegion", False),
        description=body.get("Description", ""),
    )
    return {"KeyMetadata": keys.metadata(key)}


def create_alias(keys: KmsKeys, ask: Ask) -> None:
    name = _alias_name(ask)
    key = keys.find(ask, ask.need("TargetKeyId"))
    alias = keys.aliases.get(f"{ask.account}/{ask.region}/{name}")
    if alias and alias.target:
        raise AwsError("AlreadyExistsException", f"An alias with the name {_alias_arn(keys, ask, name)} already exists")
    _not_pending(keys, key)
    keys.point_alias(ask.account, ask.region, name, key.name.split("/")[2])


def update_alias(keys: KmsKeys, ask: Ask) -> None:
    name = _alias_name(ask)
    new = keys.find(ask, ask.need("TargetKeyId"))
    _not_pending(keys, new)
    old = keys.store.get(f"{ask.account}/{ask.region}/{_existing(keys, ask, name)}")
    # "the current and new KMS key must be the same type and have the same key usage": the spec may differ, RSA to EC
    if old and (old.attributes["usage"] != new.attributes["usage"]):
        text = (
            f"Alias {name} cannot move to a key with KeyUsage {new.attributes['usage']}: it must stay {old.attributes['usage']}"
        )
        raise AwsError("ValidationException", text)
    keys.point_alias(ask.account, ask.region, name, new.name.split("/")[2])


def delete_alias(keys: KmsKeys, ask: Ask) -> None:
    name = _alias_name(ask)
    _existing(keys, ask, name)
    keys.point_alias(ask.account, ask.region, name, None)


def list_aliases(keys: KmsKeys, ask: Ask) -> dict[str, Any]:
    prefix = f"{ask.account}/{ask.region}/"
    only = keys.find(ask, ask.body["KeyId"]).name if "KeyId" in ask.body else None
    rows = []
    for full, alias in sorted(keys.aliases.items()):
        if full.startswith(prefix) and alias.target and only in (None, prefix + alias.target):
            row = {"AliasName": alias.name, "AliasArn": _alias_arn(keys, ask, alias.name), "TargetKeyId": alias.target}
            rows.append({**row, "CreationDate": round(alias.created, 3), "LastUpdatedDate": round(alias.updated, 3)})
    return _page(ask, "Aliases", rows, 50)


def list_keys(keys: KmsKeys, ask: Ask) -> dict[str, Any]:
    prefix = f"{ask.account}/{ask.region}/"
    names = sorted(name for name in keys.store.keys if name.startswith(prefix))
    rows = [{"KeyId": name.removeprefix(prefix), "KeyArn": keys.arn_of(keys.store.keys[name])} for name in names]
    return _page(ask, "Keys", rows, 100)


def _page(ask: Ask, member: str, rows: Sequence[Mapping[str, Any]], default: int) -> dict[str, Any]:
    marker = ask.body.get("Marker", "0")
    if not re.fullmatch("[0-9]{1,9}", marker):
        raise AwsError("InvalidMarkerException", "Could not deserialize marker.")
    start, limit = int(marker), ask.body.get("Limit", default)
    if not 1 <= limit <= MOST:
        bound = "greater than or equal to 1" if limit < 1 else f"less than or equal to {MOST}"
        raise invalid(f"Value '{limit}' at 'limit' failed to satisfy constraint: Member must have value {bound}")
    end = start + limit
    page = {member: rows[start:end], "Truncated": end < len(rows)}
    return {**page, "NextMarker": str(end)} if page["Truncated"] else page


def _alias_name(ask: Ask) -> str:
    name = str(ask.need("AliasName"))
    if not name.startswith("alias/"):
        link = "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
        raise AwsError("ValidationException", f'Alias must start with the prefix "alias/". Please see {link}')
    if not _ALIAS.fullmatch(name):
        raise invalid(
            f"Value '{name}' at 'aliasName' failed to satisfy constraint: Member must satisfy regular expression pattern: "
            "^[a-zA-Z0-9/_-]+$"
        )
    return name


def _existing(keys: KmsKeys, ask: Ask, name: str) -> str:
    alias = keys.aliases.get(f"{ask.account}/{ask.region}/{name}")
    if alias is None or alias.target is None:
        raise AwsError("NotFoundException", f"Alias {_alias_arn(keys, ask, name)} is not found.")
    return alias.target


def _alias_arn(keys: KmsKeys, ask: Ask, name: str) -> str:
    return keys.arn(ask.account, ask.region, name)


ON_ONE_KEY: Final[Mapping[str, Callable[[KmsKeys, Ask, Key], dict[str, Any] | None]]] = {
    "DescribeKey": describe_key,
    "EnableKey": enable_key,
    "DisableKey": disable_key,
    "ScheduleKeyDeletion": schedule_key_deletion,
    "CancelKeyDeletion": cancel_key_deletion,
    "ReplicateKey": replicate_key,
}
OTHERS: Final[Mapping[str, Callable[[KmsKeys, Ask], dict[str, Any] | None]]] = {
    "CreateKey": create_key,
    "CreateAlias": create_alias,
    "UpdateAlias": update_alias,
    "DeleteAlias": delete_alias,
    "ListAliases": list_aliases,
    "ListKeys": list_keys,
}
