"""What Cloud KMS's methods do: key rings, keys, versions in their states, signing. As Google's service and its own fake answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from farsign.testing.emulator import (
    DELETED,
    DISABLED,
    ENABLED,
    PENDING,
    PENDING_DELETION,
    Call,
    Key,
    KeyStore,
    Version,
    kind_of,
)

from . import _emulator_errors as errors
from ._algorithms import ALGORITHMS
from ._emulator_crypto import SIGN, named, public_key, sign
from ._sdk import resources, service
from ._uri import KEY, VERSION

# The store's words for states, and Cloud KMS's; its others (IMPORT_FAILED, ...) stand in the store as they are.
STATES: Final = {
    PENDING: "PENDING_GENERATION",
    ENABLED: "ENABLED",
    DISABLED: "DISABLED",
    PENDING_DELETION: "DESTROY_SCHEDULED",
    DELETED: "DESTROYED",
}
_WORDS: Final = {state: word for word, state in STATES.items()}
_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,63}")
_LOCATION: Final = re.compile(r"projects/[^/]+/locations/[^/]+")
_HELD: Final = 24 * 3600 * 30  # seconds from scheduling a destruction to it
PAGE: Final = 100


class Ask(NamedTuple):
    """A request under way."""

    message: Any
    call: Call


def state_of(version: Version) -> str:
    return STATES.get(version.state, version.state)


class Rpcs:
    """Holds the key store, whose names are Cloud KMS's resource names, and the key rings. Called with the store's lock held."""

    def __init__(self, store: KeyStore) -> None:
        self.store = store
        self.rings: dict[str, float] = {}

    # key rings and keys

    def create_key_ring(self, ask: Ask) -> resources.KeyRing:
        if not _LOCATION.fullmatch(ask.message.parent):
            raise errors.invalid("invalid location name")
        name = f"{ask.message.parent}/keyRings/{_id(ask.message.key_ring_id)}"
        if name in self.rings:
            raise errors.exists("KeyRing", name)
        self.rings[name] = self.store.clock.time()
        return self._ring(name)

    def get_key_ring(self, ask: Ask) -> resources.KeyRing:
        return self._ring(ask.message.name)

    def _ring(self, name: str) -> resources.KeyRing:
        if name not in self.rings:
            raise errors.not_found("KeyRing", name)
        return resources.KeyRing(name=name, create_time=_time(self.rings[name]))

    def create_crypto_key(self, ask: Ask) -> resources.CryptoKey:
        wanted, ring = ask.message.crypto_key, ask.message.parent
        self._ring(ring)
        name = f"{ring}/cryptoKeys/{_id(ask.message.crypto_key_id)}"
        if name in self.store.keys:
            raise errors.exists("CryptoKey", name)
        template = wanted.version_template
        key = self.add_key(
            name,
            named(template.algorithm, "GOOGLE_SYMMETRIC_ENCRYPTION"),
            purpose=named(wanted.purpose, "ENCRYPT_DECRYPT"),
            protection=named(template.protection_level, "SOFTWARE"),
        )
        if ask.message.skip_initial_version_creation:
            key.versions.clear()
        return self._key(key)

    def add_key(
        self, name: str, algorithm: str, *, purpose: str = SIGN, protection: str = "SOFTWARE", created: float | None = None
    ) -> Key:
        if (purpose == SIGN) != (algorithm in ALGORITHMS or "_SIGN_" in algorithm):
            raise errors.invalid(f"algorithm {algorithm} is not valid for purpose {purpose}")
        if algorithm == "EC_SIGN_SECP256K1_SHA256" and protection == "SOFTWARE":
            raise errors.invalid(f"algorithm {algorithm} is not available with protection level SOFTWARE")
        self.rings.setdefault(name.partition("/cryptoKeys/")[0], self.store.clock.time())
        key = self.store.create(
            name, _kind(algorithm), created=created, purpose=purpose, algorithm=algorithm, protection=protection
        )
        key.newest.attributes["algorithm"] = algorithm
        return key

    def get_crypto_key(self, ask: Ask) -> resources.CryptoKey:
        return self._key(self._find_key(ask.message.name))

    def list_crypto_keys(self, ask: Ask) -> service.ListCryptoKeysResponse:
        self._ring(ask.message.parent)
        prefix = f"{ask.message.parent}/cryptoKeys/"
        found = [key for name, key in self.store.keys.items() if name.startswith(prefix)]
        shown, token = _page(found, ask.message)
        return service.ListCryptoKeysResponse(
            crypto_keys=[self._key(key) for key in shown], next_page_token=token, total_size=len(found)
        )

    def _find_key(self, name: str) -> Key:
        if not KEY.fullmatch(name):
            raise errors.invalid("invalid crypto key name")
        key = self.store.get(name)
        if key is None:
            raise errors.not_found("CryptoKey", name)
        return key

    def _key(self, key: Key) -> resources.CryptoKey:
        template = resources.CryptoKeyVersionTemplate(
            algorithm=key.attributes["algorithm"], protection_level=key.attributes["protection"]
        )
        return resources.CryptoKey(name=key.name, purpose=key.attributes["purpose"], version_template=template)

    # versions

    def create_crypto_key_version(self, ask: Ask) -> resources.CryptoKeyVersion:
        """Its reply says PENDING_GENERATION; the next look finds it enabled."""
        key = self._find_key(ask.message.parent)
        version = self.add_version(key)
        version.state = PENDING
        wire = self._version(key, version)
        version.state = ENABLED
        return wire

    def add_version(self, key: Key, *, algorithm: str = "", created: float | None = None) -> Version:
        """algorithm: of this version, where it is not the key's."""
        algorithm = algorithm or key.attributes["algorithm"]
        number = max(map(int, key.versions), default=0) + 1
        version = self.store.add_version(key.name, str(number), _kind(algorithm), created=created)
        version.attributes["algorithm"] = algorithm
        return version

    def get_crypto_key_version(self, ask: Ask) -> resources.CryptoKeyVersion:
        return self._version(*self._find(ask.message.name))

    def list_crypto_key_versions(self, ask: Ask) -> service.ListCryptoKeyVersionsResponse:
        key = self._find_key(ask.message.parent)
        found = list(key.versions.values())
        if ask.message.filter:
            wanted = re.fullmatch(r"state\s*=\s*([A-Z_]+)", ask.message.filter)
            if wanted is None:
                raise errors.unimplemented("filter but state=STATE")
            found = [version for version in found if state_of(version) == wanted[1]]
        shown, token = _page(found, ask.message)
        return service.ListCryptoKeyVersionsResponse(
            crypto_key_versions=[self._version(key, version) for version in shown], next_page_token=token, total_size=len(found)
        )

    def update_crypto_key_version(self, ask: Ask) -> resources.CryptoKeyVersion:
        """Between ENABLED and DISABLED."""
        wanted = ask.message.crypto_key_version
        key, version = self._find(wanted.name)
        if list(ask.message.update_mask.paths) != ["state"] or wanted.state.name not in ("ENABLED", "DISABLED"):
            raise errors.invalid("update_mask has to be state, and state ENABLED or DISABLED")
        if state_of(version) not in ("ENABLED", "DISABLED"):
            raise errors.not_enabled(wanted.name, state_of(version))
        version.state = _WORDS[wanted.state.name]
        return self._version(key, version)

    def destroy_crypto_key_version(self, ask: Ask) -> resources.CryptoKeyVersion:
        key, version = self._find(ask.message.name)
        if state_of(version) in ("DESTROYED", "DESTROY_SCHEDULED"):
            raise errors.precondition(f"{ask.message.name} is already {state_of(version)}")
        version.state = PENDING_DELETION
        version.attributes.pop("destroyed", None)
        return self._version(key, version)

    def restore_crypto_key_version(self, ask: Ask) -> resources.CryptoKeyVersion:
        key, version = self._find(ask.message.name)
        if version.state != PENDING_DELETION:
            raise errors.precondition(f"{ask.message.name} is not scheduled for destruction")
        version.state = DISABLED
        return self._version(key, version)

    def _find(self, name: str) -> tuple[Key, Version]:
        parts = VERSION.fullmatch(name)
        if parts is None:
            raise errors.invalid("invalid crypto key version name")
        key = self.store.get(parts["key"])
        version = key.versions.get(parts["number"]) if key else None
        if key is None or version is None:
            raise errors.not_found("CryptoKeyVersion", name)
        return key, version

    def _version(self, key: Key, version: Version) -> resources.CryptoKeyVersion:
        generated = version.state != PENDING
        return resources.CryptoKeyVersion(
            name=f"{key.name}/cryptoKeyVersions/{version.id}",
            state=state_of(version),
            algorithm=version.attributes["algorithm"],
            protection_level=key.attributes["protection"],
            create_time=_time(version.created),
            generate_time=_time(version.created) if generated else None,
            destroy_time=self._destroyed(version) if version.state == PENDING_DELETION else None,
        )

    def _destroyed(self, version: Version) -> datetime:
        """When it will be: counted from the first look at it, for tests set states directly."""
        return _time(version.attributes.setdefault("destroyed", self.store.clock.time() + _HELD))

    # what a key does

    def get_public_key(self, ask: Ask) -> resources.PublicKey:
        return public_key(self.store, ask.message, *self._usable(ask.message.name), ask.call)

    def asymmetric_sign(self, ask: Ask) -> service.AsymmetricSignResponse:
        return sign(self.store, ask.message, *self._usable(ask.message.name), ask.call)

    def _usable(self, name: str) -> tuple[Key, Version]:
        key, version = self._find(name)
        if version.state != ENABLED:
            raise errors.not_enabled(name, state_of(version))
        return key, version


def _kind(algorithm: str) -> str:
    """Of the store. What does not sign has a secret instead of a key."""
    row = ALGORITHMS.get(algorithm)
    if row is None:
        return f"RSA-{algorithm.rpartition('_')[2]}" if algorithm.startswith("RSA_SIGN_RAW_PKCS1_") else "secret"
    return kind_of(row.algorithm, row.bits)


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise errors.invalid("invalid id: expected 1 to 63 letters, digits, _ and -")
    return text


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _page(found: Iterable[Any], request: Any) -> tuple[list[Any], str]:
    everything = list(found)
    if not re.fullmatch("[0-9]{0,9}", request.page_token) or request.page_size < 0:
        raise errors.invalid("invalid page_token or page_size")
    start = int(request.page_token or 0)
    end = start + (request.page_size or PAGE)
    return everything[start:end], str(end) if end < len(everything) else ""


class Method(NamedTuple):
    request: Any  # proto-plus class
    permission: str
    action: str  # of Rpcs

    @property
    def resource(self) -> str:
        """The field that names what is asked for."""
        return "parent" if "parent" in self.request.meta.fields else "name"


_NAMES: Final = {
    "CreateKeyRing": "keyRings.create",
    "GetKeyRing": "keyRings.get",
    "CreateCryptoKey": "cryptoKeys.create",
    "GetCryptoKey": "cryptoKeys.get",
    "ListCryptoKeys": "cryptoKeys.list",
    "CreateCryptoKeyVersion": "cryptoKeyVersions.create",
    "GetCryptoKeyVersion": "cryptoKeyVersions.get",
    "ListCryptoKeyVersions": "cryptoKeyVersions.list",
    "UpdateCryptoKeyVersion": "cryptoKeyVersions.update",
    "DestroyCryptoKeyVersion": "cryptoKeyVersions.destroy",
    "RestoreCryptoKeyVersion": "cryptoKeyVersions.restore",
    "GetPublicKey": "cryptoKeyVersions.viewPublicKey",
    "AsymmetricSign": "cryptoKeyVersions.useToSign",
}
METHODS: Final[Mapping[str, Method]] = {
    name: Method(
        getattr(service, f"{name}Request"),
        f"cloudkms.{permission}",
        re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(),
    )
    for name, permission in _NAMES.items()
}
