"""The key store that all emulators share: real keys, their versions, states and creation times, and its clock."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from farsign._base.primitives import spki

from . import _signatures
from ._signatures import RSA_POOL, LeadingZero, PrivateKey, generate, kind_of

# States, in words of no provider; an emulator translates.
PENDING: Final = "pending"  # being generated
ENABLED: Final = "enabled"
DISABLED: Final = "disabled"
PENDING_DELETION: Final = "pending-deletion"  # can still be restored
DELETED: Final = "deleted"


class EmulatorClock:
    """The emulators' wall clock. ``advance(seconds)`` moves it; ``max_skew`` (seconds; None: any) is what signed requests may differ.

    Any by default: tests freeze time, and a frozen client is not what they are about (RULES 34).
    """

    def __init__(self, time: Callable[[], float] = time.time, *, max_skew: float | None = None) -> None:
        self._time = time
        self._offset = 0.0
        self.max_skew = max_skew

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._time() + self._offset

    def advance(self, seconds: float) -> None:
        self._offset += seconds


@dataclass(eq=False)
class Version:
    """One private key. ``attributes`` is the emulator's own: whatever its wire shows."""

    id: str
    kind: str  # RSA-2048, P-256, ... (see _signatures.kind_of)
    private: PrivateKey = field(repr=False)
    created: float
    state: str = ENABLED
    attributes: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def public_key(self) -> Any:
        return self.private.public_key()

    @cached_property
    def spki(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        return spki(self.public_key)


@dataclass(eq=False)
class Key:
    """A name and its versions, oldest first. A provider without versions (AWS) has one version in each key."""

    name: str
    versions: dict[str, Version] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def newest(self) -> Version:
        return next(reversed(self.versions.values()))


class KeyStore:
    """Keys by name. Hold ``lock`` around anything that looks before it changes.

    leading_zero: "r", "s" or "any" makes every ECDSA signature have a leading zero byte there (``sign``); "" leaves it to chance.
    """

    def __init__(self, clock: EmulatorClock | None = None) -> None:
        self.clock = clock or EmulatorClock()
        self.lock = threading.RLock()
        self.keys: dict[str, Key] = {}
        self.leading_zero: LeadingZero = ""
        self._decoys: dict[str, Version] = {}
        self._borrowed: list[PrivateKey] = []
        weakref.finalize(self, RSA_POOL.give_back, self._borrowed)

    def create(self, name: str, kind: str, *, version: str = "1", created: float | None = None, **attributes: Any) -> Key:
        """A key with one version. ``attributes`` are the key's. Raises ValueError if the name is taken."""
        with self.lock:
            if name in self.keys:
                raise ValueError(f"a key named {name!r} exists")
            key = self.keys[name] = Key(name, attributes=attributes)
            self.add_version(name, version, kind, created=created)
            return key

    def add_version(
        self, name: str, version: str, kind: str | None = None, *, created: float | None = None, private: PrivateKey | None = None
    ) -> Version:
        """A new version of the key, of the newest one's kind if none is given, with a new private key unless one is given."""
        with self.lock:
            key = self.keys[name]
            kind = kind or key.newest.kind
            made = self.new_version(version, kind, created=created, private=private)
            key.versions[version] = made
            return made

    def new_version(self, version: str, kind: str, *, created: float | None = None, private: PrivateKey | None = None) -> Version:
        """A version that belongs to no key yet."""
        if private is None:
            private = generate(kind)
            if isinstance(private, rsa.RSAPrivateKey):
                self._borrowed.append(private)
        return Version(version, kind, private, self.clock.time() if created is None else created)

    def get(self, name: str) -> Key | None:
        return self.keys.get(name)

    def decoy(self, version: Version) -> Version:
        """Another key of the same kind, always the same one: what a lying server signs with."""
        with self.lock:
            if version.kind not in self._decoys:
                self._decoys[version.kind] = self.new_version("decoy", version.kind)
            return self._decoys[version.kind]

    def sign(self, version: Version, data: bytes, **parameters: Any) -> bytes:
        """``_signatures.sign`` with that version's key and this store's leading_zero."""
        return _signatures.sign(version.private, data, leading_zero=self.leading_zero, **parameters)


__all__ = [
    "DELETED",
    "DISABLED",
    "ENABLED",
    "PENDING",
    "PENDING_DELETION",
    "EmulatorClock",
    "Key",
    "KeyStore",
    "Version",
    "generate",
    "kind_of",
]
