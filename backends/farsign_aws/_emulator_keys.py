"""The state of the emulated KMS: keys and aliases per account and region, how they are named, and how late changes are seen."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from farsign.testing.emulator import DISABLED, ENABLED, PENDING, PENDING_DELETION, Call, Key, KeyStore, Version

from ._emulator_auth import AwsError, Credential
from ._emulator_tables import BOOLEANS, INTEGERS, LISTS, OBJECTS, SIGN_VERIFY, SPECS, KeySpec

STATE_NAMES: Final = {ENABLED: "Enabled", DISABLED: "Disabled", PENDING_DELETION: "PendingDeletion", PENDING: "Creating"}
_KEY_ID: Final = re.compile(r"mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ARN: Final = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):kms:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):(?P<resource>(key|alias)/.+)"
)


@dataclass(slots=True)
class Ask:
    """One request, its caller known."""

    operation: str
    body: dict[str, Any]
    region: str
    caller: Credential
    call: Call

    @property
    def account(self) -> str:
        return self.caller.account

    def need(self, member: str) -> Any:
        if (value := self.body.get(member)) is None:
            raise invalid(f"Value null at '{lower(member)}' failed to satisfy constraint: Member must not be null")
        return value


def members(body: Any) -> dict[str, Any]:
    """What a request has, without nulls, which AWS takes for absent. Raises AwsError if a member has the wrong JSON type."""
    if not isinstance(body, dict):
        raise AwsError("SerializationException", None)
    given = {name: value for name, value in body.items() if value is not None}
    if not all(_fits(name, value) for name, value in given.items()):
        raise AwsError("SerializationException", None)
    return given


def _fits(name: str, value: Any) -> bool:
    if name in LISTS:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    expected = int if name in INTEGERS else bool if name in BOOLEANS else (list, dict) if name in OBJECTS else str
    return isinstance(value, expected) and (expected is bool or not isinstance(value, bool))


def lower(member: str) -> str:
    """As AWS spells members in its validation errors."""
    return member[0].lower() + member[1:]


def invalid(text: str) -> AwsError:
    return AwsError("ValidationException", f"1 validation error detected: {text}")


@dataclass(slots=True)
class Lag:
    """Eventual consistency: so many reads, or seconds, still see the old state after a key or alias has changed."""

    reads: int = 0
    seconds: float = 0.0

    def ticket(self) -> Ticket | None:
        return Ticket(self.reads, time.monotonic() + self.seconds) if self.reads or self.seconds else None


@dataclass(slots=True)
class Ticket:
    reads: int
    until: float

    def settled(self) -> bool:
        """To be asked once for each read."""
        self.reads -= 1
        return self.reads < 0 and time.monotonic() >= self.until


@dataclass(slots=True)
class Alias:
    name: str  # alias/...
    target: str | None  # key id; None: deleted, but still seen by some
    created: float
    updated: float
    before: str | None = None
    ticket: Ticket | None = field(default=None, repr=False)

    def read(self) -> str | None:
        if self.ticket and not self.ticket.settled():
            return self.before
        self.ticket = None
        return self.target


@dataclass(frozen=True, slots=True)
class Grant:
    key: str  # ARN
    grantee: str  # ARN
    operations: frozenset[str]
    ticket: Ticket | None  # until it has settled, the grant is known to who shows its token only


class KmsKeys:
    """Keys are stored as ``account/region/id``, each with the one version "1"."""

    def __init__(self, store: KeyStore) -> None:
        self.store = store
        self.lag = Lag()
        self.aliases: dict[str, Alias] = {}  # account/region/alias/...
        self.grants: dict[str, Grant] = {}  # by token

    # naming

    @staticmethod
    def arn(account: str, region: str, resource: str) -> str:
        partition = "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
        return f"arn:{partition}:kms:{region}:{account}:{resource}"

    def arn_of(self, key: Key) -> str:
        account, region, key_id = key.name.split("/")
        return self.arn(account, region, f"key/{key_id}")

    def spec_of(self, key: Key) -> KeySpec:
        return SPECS[key.attributes["spec"]]

    # keys

    def create(
        self,
        account: str,
        region: str,
        spec: KeySpec,
        *,
        usage: str = SIGN_VERIFY,
        multi_region: bool = False,
        description: str = "",
        created: float | None = None,
    ) -> Key:
        key_id = f"mrk-{uuid.uuid4().hex}" if multi_region else str(uuid.uuid4())
        return self.store.create(
            f"{account}/{region}/{key_id}",
            spec.kind,
            created=created,
            spec=spec.name,
            usage=usage,
            description=description,
            primary=region if multi_region else None,
            ticket=self.lag.ticket(),
        )

    def replicate(self, key: Key, region: str, description: str) -> Key:
        """The same material and id in another region. Visible at once, as "Creating" while there is lag."""
        account, _, key_id = key.name.split("/")
        attributes = {**key.attributes, "description": description, "ticket": None, "creating": self.lag.ticket()}
        replica = Key(f"{account}/{region}/{key_id}", attributes=attributes)
        replica.versions["1"] = self.store.new_version("1", key.newest.kind, private=key.newest.private)
        self.store.keys[replica.name] = replica
        return replica

    def state(self, key: Key) -> str:
        """The state as a read sees it; one of the key store's words."""
        creating = key.attributes.get("creating")
        if creating and not creating.settled():
            return PENDING
        key.attributes["creating"] = None
        return key.newest.state

    def replicas(self, key: Key) -> Iterator[tuple[str, Key]]:
        """Region and key, of the primary and all replicas, of the multi-Region key that this one belongs to."""
        account, _, key_id = key.name.split("/")
        for other in list(self.store.keys.values()):
            its_account, region, its_id = other.name.split("/")
            if (its_account, its_id) == (account, key_id):
                yield region, other

    def find(self, ask: Ask, text: str) -> Key:
        """The key that a KeyId means: id, ARN, alias or alias ARN. Raises NotFoundException with AWS's texts."""
        account, region, resource = ask.account, ask.region, text
        if text.startswith("arn:"):
            match = _ARN.fullmatch(text)
            if match is None or match["region"] != region:
                raise AwsError("NotFoundException", f"Invalid arn {match['region'] if match else text}")
            account, resource = match["account"], match["resource"].removeprefix("key/")
        if resource.startswith("alias/"):
            key_id = self._target(account, region, resource)
        elif _KEY_ID.fullmatch(resource):
            key_id = resource
        else:
            raise AwsError("NotFoundException", f"Invalid keyId '{resource}'")
        key = self.store.get(f"{account}/{region}/{key_id}")
        ticket = key.attributes["ticket"] if key else None
        if key is None or (ticket and not ticket.settled()):
            raise AwsError("NotFoundException", f"Key '{self.arn(account, region, f'key/{key_id}')}' does not exist")
        return key

    def _target(self, account: str, region: str, name: str) -> str:
        alias = self.aliases.get(f"{account}/{region}/{name}")
        target = alias.read() if alias else None
        if target is None:
            raise AwsError("NotFoundException", f"Alias {self.arn(account, region, name)} is not found.")
        return target

    def point_alias(self, account: str, region: str, name: str, key_id: str | None) -> None:
        """Create, move or (None) delete an alias."""
        now, full = self.store.clock.time(), f"{account}/{region}/{name}"
        alias = self.aliases.setdefault(full, Alias(name, None, now, now))
        alias.before, alias.target, alias.updated, alias.ticket = alias.target, key_id, now, self.lag.ticket()

    def usable(self, key: Key, *, disabled: bool = False) -> Version:
        """The key's version. Raises DisabledException or KMSInvalidStateException ("Key states of AWS KMS keys")."""
        state, arn = self.state(key), self.arn_of(key)
        if state == DISABLED and not disabled:
            raise AwsError("DisabledException", f"{arn} is disabled.")
        if state not in (ENABLED, DISABLED):
            raise AwsError(
                "KMSInvalidStateException", f"{arn} is {'pending deletion' if state == PENDING_DELETION else 'creating'}."
            )
        return key.newest

    def metadata(self, key: Key) -> dict[str, Any]:
        account, region, key_id = key.name.split("/")
        spec, usage, state, version = self.spec_of(key), key.attributes["usage"], self.state(key), key.newest
        described: dict[str, Any] = {
            "AWSAccountId": account,
            "KeyId": key_id,
            "Arn": self.arn_of(key),
            "CreationDate": round(version.created, 3),
            "Enabled": state == ENABLED,
            "Description": key.attributes["description"],
            "KeyUsage": usage,
            "KeyState": STATE_NAMES[state],
            "Origin": "AWS_KMS",
            "KeyManager": "CUSTOMER",
            "KeySpec": spec.name,
            **({"CustomerMasterKeySpec": spec.name} if spec.legacy else {}),
            **spec.algorithms(usage),
            "MultiRegion": key.attributes["primary"] is not None,
        }
        if state == PENDING_DELETION:
            described["DeletionDate"] = key.attributes["deletion"]
        if primary := key.attributes["primary"]:
            described["MultiRegionConfiguration"] = {
                "MultiRegionKeyType": "PRIMARY" if primary == region else "REPLICA",
                "PrimaryKey": {"Arn": self.arn(account, primary, f"key/{key_id}"), "Region": primary},
                "ReplicaKeys": [
                    {"Arn": self.arn_of(other), "Region": where} for where, other in self.replicas(key) if where != primary
                ],
            }
        return described
