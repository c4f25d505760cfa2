"""One request at an emulator: what was asked, which faults strike it, and the log of all of them."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ._keystore import KeyStore, Version
from ._operations import Operations
from ._orders import Fault

LOG_LENGTH: Final = 10_000


@dataclass(frozen=True, slots=True)
class Record:
    """A line of the log. No message, digest, signature or credential is kept."""

    operation: str  # as the wire spells it
    portable: str  # "sign", "describe", or the wire's name
    key: str  # as the wire spells it
    scope: str  # region or location
    time: float  # seconds since the epoch, by the emulator's clock
    request_id: str


class CallLog:
    """Counts every call; remembers the last 10,000."""

    def __init__(self, operations: Operations | None = None) -> None:
        self._operations = operations
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._records: deque[Record] = deque(maxlen=LOG_LENGTH)

    def add(self, record: Record) -> None:
        with self._lock:
            self._counts.update({record.operation.lower(), record.portable, "*"})
            self._records.append(record)

    def count(self, operation: str) -> int:
        """Raises ValueError for an operation that the emulator has not and nobody called."""
        with self._lock:
            found = self._counts[operation.lower()]
        if not found and self._operations is not None:
            self._operations.check(operation)
        return found

    def clear(self) -> None:
        with self._lock:
            self._counts.clear()
            self._records.clear()

    def __iter__(self) -> Iterator[Record]:
        with self._lock:
            return iter(list(self._records))


class InjectedError(Exception):
    """An ordered error. ``name``: a code of farsign.errors or the provider's own name; the emulator answers in its own words."""

    def __init__(self, fault: Fault, record: Record) -> None:
        super().__init__(str(fault.argument))
        self.name = str(fault.argument)
        self.retry_after = fault.retry_after
        self.record = record


@dataclass(slots=True)
class Call:
    """A request under way. ``faults``: what strikes it, by kind; those of ``BROKEN_REPLIES`` are the transport's to do."""

    record: Record
    faults: dict[str, Fault] = field(default_factory=dict)

    def has(self, kind: str) -> bool:
        return kind in self.faults

    def named(self, store: KeyStore, version: Version) -> Version:
        """The version that the reply names: this one, or another if wrong_key_id strikes."""
        return store.decoy(version) if self.has("wrong_key_id") else version

    def sign(self, store: KeyStore, version: Version, data: bytes, **parameters: Any) -> bytes:
        """``KeyStore.sign``, with the lies that strike this call."""
        if self.has("other_keys_signature"):
            version = store.decoy(version)
        if self.has("other_digest"):
            data = _flip(data) if data else b"\0"
        signature = store.sign(version, data, **parameters)
        if self.has("wrong_signature"):
            signature = _flip(signature)
        if self.has("short_signature"):
            signature = signature[:-1]
        return signature + bytes(4096) if self.has("oversized") else signature


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])
