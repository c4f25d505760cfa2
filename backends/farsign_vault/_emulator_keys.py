"""The transit engine of the emulated server: keys, versions, signing with the server's own defaults."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from farsign.testing.emulator import Call, EmulatorClock, Key, KeyStore, Version, verify

from . import _emulator_errors as errors
from ._emulator_errors import internal, invalid
from ._emulator_how import CURVES, How, decoded, number

TYPES: Final = MappingProxyType(  # that sign: transit's name -> kind
    {
        "ecdsa-p256": "P-256",
        "ecdsa-p384": "P-384",
        "ecdsa-p521": "P-521",
        "ed25519": "Ed25519",
        "rsa-2048": "RSA-2048",
        "rsa-3072": "RSA-3072",
        "rsa-4096": "RSA-4096",
    }
)
SECRET: Final = (
    "aes128-gcm96",
    "aes256-gcm96",
    "chacha20-poly1305",
    "xchacha20-poly1305",
    "hmac",
)  # types that do not; all but the last encrypt
KINDS: Final = MappingProxyType({kind: name for name, kind in TYPES.items()})
KNOWN: Final = frozenset(
    {"input", "context", "hash_algorithm", "algorithm", "key_version", "prehashed", "signature_algorithm"}
    | {"marshaling_algorithm", "salt_length", "batch_input"}
)
LEAST: Final = ("min_decryption_version", "min_encryption_version")
_NONE: Final = "hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15"


@dataclass(slots=True)
class Ask:
    """An authorized request to an engine: ``path`` is the key's name in the store, ``hash`` what the URL says of it."""

    path: str
    body: Mapping[str, Any] = field(default_factory=dict)
    hash: str = ""
    call: Call | None = None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class Transit:
    """Keys are called ``[NAMESPACE/]MOUNT/KEY`` in the store."""

    def __init__(self, store: KeyStore) -> None:
        self.store = store
        self.warnings: list[str] = []  # of the answer under way; the store's lock is held meanwhile

    @property
    def clock(self) -> EmulatorClock:
        return self.store.clock

    # -- making -----------------------------------------------------------------------------------------------------------

    def add(self, path: str, kind: str, *, created: float | None = None, **attributes: Any) -> Version:
        made = self.store.create(path, kind, created=created, **attributes)
        made.attributes |= {
            "min_decryption_version": 1,
            "min_encryption_version": 0,
            "min_available_version": 0,
            "soft_deleted": False,
        }
        return made.newest

    def create(self, ask: Ask) -> dict[str, Any]:
        """POST keys/NAME. Over an existing key it is a success that changes nothing, whatever the type."""
        kind = str(ask.body.get("type") or "aes256-gcm96")
        if kind not in TYPES and kind not in SECRET:
            raise invalid(f"unknown key type {kind}")
        self._check_rotation(ask.body)
        if self.store.get(ask.path):
            self.warnings.append(f"key {ask.name} already existed")
        else:
            flags: dict[str, Any] = {
                name: ask.body.get(name) or False for name in ("derived", "exportable", "allow_plaintext_backup")
            }
            period = ask.body.get("auto_rotate_period") or 0
            self.add(ask.path, TYPES.get(kind, "secret"), type=kind, auto_rotate_period=period, **flags)
        return self.read(ask)

    def rotate(self, ask: Ask) -> dict[str, Any]:
        """POST keys/NAME/rotate."""
        self.next_version(self._key(ask))
        return self.read(ask)

    def next_version(self, key: Key, created: float | None = None) -> Version:
        return self.store.add_version(key.name, str(int(key.newest.id) + 1), created=created)

    # -- looking ----------------------------------------------------------------------------------------------------------

    def read(self, ask: Ask) -> dict[str, Any]:
        """GET keys/NAME. Versions below min_decryption_version are not shown; softly deleted keys are."""
        key = self._key(ask)
        kind, has = key.attributes["type"], key.attributes
        signs, encrypts = kind in TYPES, kind.startswith("rsa") or kind in SECRET[:-1]
        shown: dict[str, Any] = {
            "allow_plaintext_backup": has.get("allow_plaintext_backup", False),
            "auto_rotate_period": has.get("auto_rotate_period", 0),
            "deletion_allowed": has.get("deletion_allowed", False),
            "derived": has.get("derived", False),
            "exportable": has.get("exportable", False),
            "imported_key": False,
            "keys": {
                version.id: self._shown(kind, has, version) for version in key.versions.values() if self._visible(key, version)
            },
            "latest_version": int(key.newest.id),
            "min_available_version": has["min_available_version"],
            "min_decryption_version": has["min_decryption_version"],
            "min_encryption_version": has["min_encryption_version"],
            "name": ask.name,
            "soft_deleted": has["soft_deleted"],
            "supports_decryption": encrypts,
            "supports_derivation": kind == "ed25519" or kind in SECRET[:-1],
            "supports_encryption": encrypts,
            "supports_signing": signs,
            "type": kind,
        }
        if kind == "hmac":
            del shown["keys"]
            shown["key_size"] = 32
        return shown

    @staticmethod
    def _visible(key: Key, version: Version) -> bool:
        least: int = key.attributes["min_decryption_version"]
        return int(version.id) >= least

    @staticmethod
    def _shown(kind: str, attributes: Mapping[str, Any], version: Version) -> Any:
        if kind in SECRET:
            return int(version.created)
        public = version.public_key
        if kind == "ed25519":
            raw = b"" if attributes.get("derived") else public.public_bytes(Encoding.Raw, PublicFormat.Raw)
            text = base64.b64encode(raw).decode()
        else:
            text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        created = datetime.datetime.fromtimestamp(version.created, datetime.UTC).isoformat(timespec="microseconds")
        return {
            "certificate_chain": "",
            "creation_time": created.replace("+00:00", "000Z"),  # Go writes nanoseconds
            "name": version.kind if version.kind in CURVES else kind,
            "public_key": text,
        }

    def names(self, prefix: str) -> list[str]:
        return sorted(
            path[len(prefix) :] for path in self.store.keys if path.startswith(prefix) and "/" not in path[len(prefix) :]
        )

    def _key(self, ask: Ask, missing: errors.ServerError = errors.MISSING) -> Key:
        key = self.store.get(ask.path)
        if key is None:
            raise missing
        return key

    # -- using ------------------------------------------------------------------------------------------------------------

    def sign(self, ask: Ask) -> dict[str, Any]:
        """POST sign/NAME[/HASH]. Missing input is empty input; a member that nobody knows is a warning."""
        how = How.read(ask.body, ask.hash)
        key = self._signing_key(ask, how)
        if ask.body.get("batch_input") is None:
            return self._signed(ask, key, how, str(ask.body.get("input") or ""))
        batch = ask.body["batch_input"]
        if not isinstance(batch, list) or not all(isinstance(item, dict) for item in batch):
            raise invalid("failed to parse batch input")
        if not batch:
            raise invalid("missing batch input to process")
        return {"batch_results": [self._item(ask, key, how, item) for item in batch]}

    def _item(self, ask: Ask, key: Key, how: How, item: Mapping[str, Any]) -> dict[str, Any]:
        """Its own key_version is ignored; its failure is not the batch's."""
        reference = {"reference": item.get("reference", "")}
        try:
            if "input" not in item:
                raise invalid("missing input")
            return {**self._signed(ask, key, how, str(item["input"])), **reference}
        except errors.ServerError as error:
            text = error.told[0].removeprefix("1 error occurred:\n\t* ").strip()
            return {"error": text, "key_version": 0, **reference}

    def _signed(self, ask: Ask, key: Key, how: How, text: str) -> dict[str, Any]:
        assert ask.call is not None
        data = decoded(text)
        if key.attributes["soft_deleted"]:
            raise errors.SOFT_DELETED
        version = self._version(key, how.version)
        if key.attributes.get("derived"):
            raise internal("missing 'context' for key derivation; the key was created using a derived key")
        if version.kind.startswith("RSA"):
            how.check_rsa(version, data)
        data, options = how.input(version, data)
        signature = ask.call.sign(self.store, version, data, **options)
        named = ask.call.named(self.store, version)
        number = int(version.id) + (named is not version)
        return {"key_version": number, "signature": f"vault:v{number}:{how.encoded(version, signature)}"}

    def verify(self, ask: Ask) -> dict[str, Any]:
        """POST verify/NAME[/HASH]."""
        how = How.read(ask.body, ask.hash)
        key = self._signing_key(ask, how, errors.invalid("signature verification key not found"))
        prefix, _, text = str(ask.body.get("signature") or "").rpartition(":")
        if not prefix.startswith("vault:v") or not prefix[7:].isdecimal():
            raise invalid("invalid signature: no prefix")
        version = key.versions.get(prefix[7:])
        if version is None:
            raise invalid("invalid signature: version is too new")
        try:
            signature = how.decoded(version, text)
            options = {**how.parameters(version), "salt": "auto"} if how.pss(version) else how.parameters(version)
            verify(version.public_key, signature, decoded(str(ask.body.get("input") or "")), **options)
        except (InvalidSignature, ValueError):
            return {"valid": False}
        return {"valid": True}

    def _signing_key(self, ask: Ask, how: How, missing: errors.ServerError = errors.NO_KEY) -> Key:
        key = self._key(ask, missing)
        if key.attributes["type"] not in TYPES:
            raise invalid(f"key type {key.attributes['type']} does not support signing")
        if how.hash == "none" and not (how.prehashed and how.scheme == "pkcs1v15"):
            raise invalid(_NONE)
        self.warnings += [
            f"Endpoint ignored these unrecognized parameters: [{name}]"
            for name in sorted(ask.body.keys() - KNOWN - {"signature"})
        ]
        return key

    @staticmethod
    def _version(key: Key, number: int) -> Version:
        if number < 0:
            raise errors.NEGATIVE
        if number > int(key.newest.id):
            raise errors.TOO_NEW
        if number and number < key.attributes["min_encryption_version"]:
            raise errors.TOO_OLD
        version = key.versions.get(str(number)) if number else key.newest
        if version is None or not Transit._visible(key, version):
            raise internal("no such key version")
        return version

    # -- changing ---------------------------------------------------------------------------------------------------------

    def configure(self, ask: Ask) -> dict[str, Any]:
        """POST keys/NAME/config."""
        key, body = self._key(ask, invalid(f"no existing key named {ask.name} could be found")), ask.body
        self._check_rotation(body)
        latest = int(key.newest.id)
        asked = {name: number(body, name) for name in LEAST if body.get(name) is not None}
        for name, value in asked.items():
            if value > latest:
                raise invalid(f"cannot set {name} of {value}, latest key version is {latest}")
        wanted = {**key.attributes, **asked}
        if 0 < wanted["min_encryption_version"] < wanted["min_decryption_version"]:
            raise invalid(
                "cannot set min encryption/decryption values; min_encryption_version must be greater than or equal to min_decryption_version"
            )
        flags = ("deletion_allowed", "exportable", "allow_plaintext_backup", "auto_rotate_period")
        key.attributes.update(wanted, **{name: body[name] for name in flags if name in body})
        return self.read(ask)

    def trim(self, ask: Ask) -> dict[str, Any]:
        """POST keys/NAME/trim."""
        key, least = self._key(ask), number(ask.body, "min_available_version")
        if least > min(key.attributes["min_encryption_version"], key.attributes["min_decryption_version"]):
            raise invalid("cannot set minimum available version higher than minimum encryption or decryption version")
        key.attributes["min_available_version"] = least
        for gone in [each for each in key.versions if int(each) < least]:
            del key.versions[gone]
        return self.read(ask)

    def delete(self, ask: Ask) -> None:
        """DELETE keys/NAME: for ever, if deletion_allowed."""
        key = self._key(ask, invalid(f"error deleting policy {ask.name}: could not delete key; not found"))
        if not key.attributes.get("deletion_allowed"):
            raise invalid(f"error deleting policy {ask.name}: deletion is not allowed for this key")
        del self.store.keys[ask.path]

    def soft_delete(self, ask: Ask) -> None:
        """DELETE keys/NAME/soft-delete (OpenBao)."""
        self._key(ask).attributes["soft_deleted"] = True

    def restore(self, ask: Ask) -> None:
        """POST keys/NAME/soft-delete-restore (OpenBao)."""
        self._key(ask).attributes["soft_deleted"] = False

    @staticmethod
    def _check_rotation(body: Mapping[str, Any]) -> None:
        period = body.get("auto_rotate_period") or 0
        if isinstance(period, int) and 0 < period < 3600:
            raise invalid("auto rotate period must be 0 to disable or at least an hour")
