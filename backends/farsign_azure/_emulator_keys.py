"""The keys of the emulated vault: what Key Vault's REST API shows of them and does with them (API version 2025-07-01)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidSignature

from farsign._base.encodings import b64url_decode, b64url_encode, der_to_raw, raw_to_der
from farsign._base.public_jwk import public_jwk
from farsign.testing.emulator import DISABLED, ENABLED, Call, EmulatorClock, Key, KeyStore, Version, kind_of, parameters, verify

from . import _emulator_errors as errors
from ._uri import ALGORITHMS, KEY

OPERATIONS: Final = (
    "sign",
    "verify",
    "encrypt",
    "decrypt",
    "wrapKey",
    "unwrapKey",
)  # of an RSA key that was made without key_ops
EC_OPERATIONS: Final = ("sign", "verify")
RETENTION: Final = 90  # days
PAGE: Final = 25  # versions, at most
_CURVES: Final = {"P-256": "P-256", "P-384": "P-384", "P-521": "P-521", "secp256k1": "P-256K"}
_KINDS: Final = {wire: kind for kind, wire in _CURVES.items()}


class VaultKeyStore(KeyStore):
    """ECDSA signatures are r||s on this wire."""

    def sign(self, version: Version, data: bytes, **options: Any) -> bytes:
        signature = super().sign(version, data, **options)
        return der_to_raw(signature, version.kind) if version.kind in _CURVES else signature


@dataclass(slots=True)
class Ask:
    """An authorized request: which key, by which version ("" is the newest), under which host it is known."""

    base: str  # https://HOST
    name: str
    version: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    call: Call | None = None


class VaultKeys:
    def __init__(self, store: VaultKeyStore) -> None:
        self.store = store

    @property
    def clock(self) -> EmulatorClock:
        return self.store.clock

    # -- making -----------------------------------------------------------------------------------------------------------

    def add(self, name: str, kind: str, *, hsm: bool = False, created: float | None = None, **attributes: Any) -> Version:
        """A key, or another version of it. attributes: enabled, nbf, exp (seconds since the epoch), ops, tags, private (the key itself)."""
        with self.store.lock:
            known = self.store.get(name)
            if known and "deleted" in known.attributes:
                raise errors.deleted()
            made = self.store.new_version(uuid.uuid4().hex, kind, created=created, private=attributes.pop("private", None))
            made.state = ENABLED if attributes.pop("enabled", True) else DISABLED
            ops = attributes.pop("ops", None) or (OPERATIONS if kind.startswith("RSA") else EC_OPERATIONS)
            made.attributes = {"hsm": hsm, "ops": list(ops), "updated": made.created, **attributes}
            key = self.store.keys.setdefault(name, Key(name))
            key.versions[made.id] = made
            return made

    def create(self, ask: Ask) -> dict[str, Any]:
        """POST /keys/NAME/create."""
        if not KEY.fullmatch(ask.name):
            raise errors.bad_parameter(f"The request URI contains an invalid name: {ask.name}")
        kty = str(ask.body.get("kty", ""))
        kind = self._kind(kty.removesuffix("-HSM"), ask.body)
        wire = ask.body.get("attributes") or {}
        attributes = {name: wire[name] for name in ("enabled", "nbf", "exp") if name in wire}
        made = self.add(
            ask.name, kind, hsm=kty.endswith("-HSM"), ops=ask.body.get("key_ops"), tags=ask.body.get("tags") or {}, **attributes
        )
        return self.bundle(ask, made)

    def _kind(self, kty: str, body: Mapping[str, Any]) -> str:
        if kty == "RSA" and body.get("key_size") in (None, 2048, 3072, 4096):
            return f"RSA-{body.get('key_size') or 2048}"
        if kty == "EC" and (curve := body.get("crv") or "P-256") in _KINDS:
            return _KINDS[curve]
        raise errors.bad_parameter(f"Key type {body.get('kty')} with the given size or curve is not supported.")

    def rotate(self, ask: Ask) -> dict[str, Any]:
        """POST /keys/NAME/rotate."""
        return self.bundle(ask, self.next_version(self._key(ask.name)))

    def next_version(self, key: Key, created: float | None = None) -> Version:
        old = key.newest
        return self.add(key.name, old.kind, hsm=old.attributes["hsm"], ops=old.attributes["ops"], created=created)

    # -- looking ----------------------------------------------------------------------------------------------------------

    def get(self, ask: Ask) -> dict[str, Any]:
        """GET /keys/NAME[/VERSION]. An expired key is shown; a disabled one is not."""
        version = self._version(ask)
        if version.state != ENABLED:
            raise errors.disabled()
        return self.bundle(ask, version)

    def list_versions(self, ask: Ask) -> dict[str, Any]:
        """GET /keys/NAME/versions: in the order of ids, which is no order in time, 25 at most."""
        size, skip = ask.query.get("maxresults", str(PAGE)), ask.query.get("$skiptoken", "")
        if not size.isdigit() or not 1 <= int(size) <= PAGE:
            raise errors.bad_parameter(f"Invalid value for maxresults: {size}. It must be between 1 and {PAGE}.")
        versions = sorted(self._key(ask.name).versions.values(), key=lambda version: version.id)
        rest = [version for version in versions if version.id > skip]
        page, more = rest[: int(size)], rest[int(size) :]
        shown = [
            {"kid": self._kid(ask, version), "attributes": self._attributes(version), "tags": version.attributes.get("tags", {})}
            for version in page
        ]
        link = None
        if more:
            base = ask.base if ask.base.rpartition(":")[2].isdigit() else f"{ask.base}:443"  # the service spells it out
            query = f"api-version={ask.query['api-version']}&$skiptoken={page[-1].id}&maxresults={size}"
            link = f"{base}/keys/{ask.name}/versions?{query}"
        return {"value": shown, "nextLink": link}

    def bundle(self, ask: Ask, version: Version) -> dict[str, Any]:
        jwk: dict[str, Any] = public_jwk(version.public_key)
        hsm = "-HSM" if version.attributes["hsm"] else ""
        jwk = {"kid": self._kid(ask, version), **jwk, "kty": jwk["kty"] + hsm, "key_ops": version.attributes["ops"]}
        if "crv" in jwk:
            jwk["crv"] = _CURVES[jwk["crv"]]
        return {"key": jwk, "attributes": self._attributes(version), "tags": version.attributes.get("tags", {})}

    def _attributes(self, version: Version) -> dict[str, Any]:
        times: dict[str, Any] = {name: int(version.attributes[name]) for name in ("nbf", "exp") if name in version.attributes}
        return {
            "enabled": version.state == ENABLED,
            **times,
            "created": int(version.created),
            "updated": int(version.attributes["updated"]),
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": RETENTION,
        }

    def _kid(self, ask: Ask, version: Version) -> str:
        return f"{ask.base}/keys/{ask.name}/{version.id}"

    def _key(self, name: str, *, deleted: bool = False) -> Key:
        key = self.store.get(name)
        if key is None or ("deleted" in key.attributes) != deleted:
            raise errors.not_found(name)
        return key

    def _version(self, ask: Ask) -> Version:
        key = self._key(ask.name)
        if not ask.version:
            return key.newest
        if ask.version not in key.versions:
            raise errors.not_found(f"{ask.name}/{ask.version}")
        return key.versions[ask.version]

    # -- using ------------------------------------------------------------------------------------------------------------

    def sign(self, ask: Ask) -> dict[str, Any]:
        """POST /keys/NAME/VERSION/sign."""
        assert ask.call is not None
        version, algorithm, digest = self._input(ask, "sign", "value")
        signature = ask.call.sign(self.store, version, digest, **parameters(algorithm, "digest"))
        return {"kid": self._kid(ask, ask.call.named(self.store, version)), "value": b64url_encode(signature)}

    def verify(self, ask: Ask) -> dict[str, Any]:
        """POST /keys/NAME/VERSION/verify."""
        version, algorithm, digest = self._input(ask, "verify", "digest")
        signature = _bytes(ask.body, "value")
        try:
            der = raw_to_der(signature, version.kind) if version.kind in _CURVES else signature
            verify(version.public_key, der, digest, **parameters(algorithm, "digest"))
        except (InvalidSignature, ValueError):
            return {"value": False}
        return {"value": True}

    def _input(self, ask: Ask, operation: str, member: str) -> tuple[Version, str, bytes]:
        version, algorithm = self._version(ask), str(ask.body.get("alg", ""))
        self._check_usable(version, operation)
        if algorithm not in _signs(version):
            raise errors.bad_parameter(f"Algorithm {algorithm} is not supported by this key.")
        digest, length = _bytes(ask.body, member), int(algorithm[2:5]) // 8
        if len(digest) != length:
            raise errors.bad_parameter(f"Invalid length of '{member}': {len(digest)} bytes. {algorithm} needs {length} bytes.")
        return version, algorithm, digest

    def _check_usable(self, version: Version, operation: str) -> None:
        now = self.clock.time()
        if version.state != ENABLED:
            raise errors.disabled()
        if version.attributes.get("exp", now + 1) <= now:
            raise errors.expired()
        if version.attributes.get("nbf", now) > now:
            raise errors.not_yet_valid()
        if operation not in version.attributes["ops"]:
            raise errors.not_permitted(operation)

    # -- changing ---------------------------------------------------------------------------------------------------------

    def update(self, ask: Ask) -> dict[str, Any]:
        """PATCH /keys/NAME/VERSION: attributes, key_ops, tags."""
        version, wire = self._version(ask), ask.body.get("attributes") or {}
        if "enabled" in wire:
            version.state = ENABLED if wire["enabled"] else DISABLED
        version.attributes |= {name: wire[name] for name in ("nbf", "exp") if name in wire}
        version.attributes |= {"ops": ask.body["key_ops"]} if "key_ops" in ask.body else {}
        version.attributes |= {"tags": ask.body["tags"]} if "tags" in ask.body else {}
        version.attributes["updated"] = self.clock.time()
        return self.bundle(ask, version)

    def delete(self, ask: Ask) -> dict[str, Any]:
        """DELETE /keys/NAME: all versions, recoverable for 90 days."""
        key = self._key(ask.name)
        key.attributes["deleted"] = self.clock.time()
        return self.get_deleted(ask)

    def get_deleted(self, ask: Ask) -> dict[str, Any]:
        """GET /deletedkeys/NAME."""
        key = self._key(ask.name, deleted=True)
        when = int(key.attributes["deleted"])
        gone = {
            "recoveryId": f"{ask.base}/deletedkeys/{ask.name}",
            "deletedDate": when,
            "scheduledPurgeDate": when + RETENTION * 86_400,
        }
        return {**gone, **self.bundle(ask, key.newest)}

    def recover(self, ask: Ask) -> dict[str, Any]:
        """POST /deletedkeys/NAME/recover."""
        key = self._key(ask.name, deleted=True)
        del key.attributes["deleted"]
        return self.bundle(ask, key.newest)

    def purge(self, ask: Ask) -> None:
        """DELETE /deletedkeys/NAME."""
        self._key(ask.name, deleted=True)
        del self.store.keys[ask.name]


def kind_for(algorithm: str, bits: int) -> str | None:
    """The kind of key that signs a JOSE algorithm here; None if Key Vault has none."""
    kind = kind_of(algorithm, bits)
    return kind if kind in _CURVES or (kind.startswith("RSA-") and bits in (2048, 3072, 4096)) else None


def _signs(version: Version) -> tuple[str, ...]:
    return ALGORITHMS["EC", version.kind] if version.kind in _CURVES else ALGORITHMS["RSA", ""]


def _bytes(body: Mapping[str, Any], member: str) -> bytes:
    try:
        return b64url_decode(body[member])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise errors.bad_parameter(f"Property '{member}' is missing, or is no base64url without padding.") from None
