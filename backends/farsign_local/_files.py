"""``file:///abs/path``: a key file, read again on each look-up, so that a rewritten file is a new version of the key."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from farsign._base.algorithms import primitive
from farsign.driver import Failure, KeyDescription, KeyURI, RemoteSigner, SignReply, SignRequest, VersionLister
from farsign.errors import AlgorithmNotSupported, InvalidKey, KeyFileError, KeyNotFound, KeyUnavailable

from ._keys import LocalKey, Version
from ._loading import Passphrase, from_environment, load
from ._reading import classify, read


class _History:
    """What one path held, as far as this process saw. It outlives drivers: a file forgets its old key, and a pending change waits."""

    def __init__(self) -> None:
        self.versions: dict[str, Version] = {}  # only grows, so that reading it needs no lock
        self._current = ""

    def note(self, version: Version) -> Version:
        if version.name != self._current:  # otherwise a chmod would make an old key look new
            self.versions[version.name] = version
            self._current = version.name
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
        if version in self._history.versions:
            return self._history.versions[version].describe(pinned=False)
        current = self._read()
        if version not in (None, current.name):
            raise self._unknown(version)
        return current.describe(pinned=False)

    def versions(self, *, timeout: float) -> Sequence[tuple[str, float | None]]:
        """What the file holds now, then what it held before."""
        current = self._read()
        known = list(self._history.versions.values())  # in one step: another thread may add one
        others = [held for held in known if held is not current and self._fits(held.key)]
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
