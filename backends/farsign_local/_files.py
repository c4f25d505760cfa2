"""``file:///abs/path``: a key file, read again on each look-up, so that a rewritten file is a new version of the key."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from typing import Final

from farsign._base import fork
from farsign._base.algorithms import primitive
from farsign.driver import Failure, KeyDescription, KeyURI, RemoteSigner, SignReply, SignRequest, VersionLister
from farsign.errors import AlgorithmNotSupported, InvalidKey, KeyFileError, KeyNotFound, KeyUnavailable

from ._keys import LocalKey, Version
from ._loading import Passphrase, from_environment, load
from ._reading import classify, read

_REMEMBERED: Final = 16  # keys of one path; at most one of them signs and one is pending


class _History:
    """What one path held lately, as far as this process saw. It outlives drivers: a file forgets its old key, and a pending change waits."""

    def __init__(self) -> None:
        self.versions: Mapping[str, Version] = {}  # newest last; replaced whole, so that reading needs no lock
        self._current = ""
        self._lock = threading.Lock()
        fork.register(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def note(self, version: Version) -> Version:
        with self._lock:
            if version.name != self._current:  # otherwise a chmod would make an old key look new
                others = [held for name, held in self.versions.items() if name != version.name]
                kept = [*others[1 - _REMEMBERED :], version]
                self.versions, self._current = {held.name: held for held in kept}, version.name
            return self.versions[version.name]


_histories: Final[dict[str, _History]] = {}


class FileSigner(VersionLister, RemoteSigner):
    endpoint = "file"
    total_timeout = True  # signing is arithmetic; look-ups run on a thread of the Signer's

    def __init__(self, uri: KeyURI, passphrase: Passphrase = from_environment) -> None:
        self._uri, self._path, self._passphrase = uri, f"/{uri.path}", passphrase
        self._alg = primitive(uri.alg) if uri.alg else None
        self._history = _histories.setdefault(self._path, _History())
        self._last: tuple[bytes, LocalKey] | None = None  # SHA-256 of the content, and its key: decrypting takes time

    def describe(self, version: str | None = None, *, timeout: float) -> KeyDescription:
        if version is not None and (held := self._history.versions.get(version)):
            return held.describe(pinned=False)
        current = self._read()
        if version not in (None, current.name):
            raise self._unknown(version)
        return current.describe(pinned=False)

    def versions(self, *, timeout: float) -> Sequence[tuple[str, float | None]]:
        """What the file holds now, then what it held before."""
        current = self._read()
        others = [held for held in self._history.versions.values() if held is not current and self._fits(held.key)]
        newest_first = sorted(others, key=lambda held: held.created, reverse=True)
        return [(held.name, held.created) for held in (current, *newest_first)]

    def sign(self, request: SignRequest, *, timeout: float) -> SignReply:
        held = self._history.versions.get(request.version)
        if held is None:
            raise self._unknown(request.version)
        return held.sign(request)

    def classify(self, error: Exception) -> Failure | None:
        if not isinstance(error, OSError):
            return None
        uri = str(self._uri.replace(parameters={})).replace("'", "%27")
        return classify(error, self._path, f"farsign new '{uri}' --alg {self._uri.alg or 'ES256'}")

    def close(self) -> None:
        pass  # the history stays for the next Signer of this path

    def _read(self) -> Version:
        try:
            content, since = read(self._path)
            key = self._load(content)
        except KeyFileError as error:
            if self._last is None:
                raise
            # It was good: half-written, then, or spoilt. Nothing says that the key known so far should stop.
            raise KeyUnavailable(f"{error}; the key read before stays", next_step=error.next_step) from None
        name = f"{self._path} sha256:{hashlib.sha256(key.public_key).hexdigest()}"
        return self._history.note(Version(name, key, since))

    def _load(self, content: bytes) -> LocalKey:
        digest = hashlib.sha256(content).digest()
        if self._last is None or self._last[0] != digest:
            try:
                self._last = digest, load(content, self._passphrase)
            except (InvalidKey, AlgorithmNotSupported) as error:
                raise KeyFileError(f"{self._path!r}: {error}", next_step=error.next_step) from None
        return self._last[1]

    def _fits(self, key: LocalKey) -> bool:
        return self._alg is None or self._alg in key.inputs

    def _unknown(self, version: str | None) -> KeyNotFound:
        return KeyNotFound(f"{self._path!r} does not hold {version}, nor did it before in this process")
