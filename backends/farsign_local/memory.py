"""``memory:NAME?alg=&version=``: keys that live and die with this process, and the functions with which tests turn them.

One key per process, name and algorithm, made when it is first opened; forked children share it. ``rotate`` gives the name a new
version, so the URI is a moving name; ``version=1`` pins one, and only then ``kid=`` is allowed.
"""

from __future__ import annotations

import itertools
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from farsign.driver import Failure, KeyDescription, KeyURI, RemoteSigner, SignReply, SignRequest, VersionLister
from farsign.errors import KeyDeleted, KeyDisabled, KeyNotFound

from ._keys import LocalKey, Version, generate
from ._uris import DEFAULT_ALG


class ProcessKeyWarning(UserWarning):
    """A memory: key was opened outside tests: N workers have N keys."""


def rotate(uri: str) -> str:
    """Give the key a new version, which the name means from now on. Returns the version's name."""
    return _key(_parse(uri)).add()


def disable(uri: str, version: str | None = None) -> None:
    """Refuse to sign with that version, or with all there are."""
    _set(uri, version, "disabled")


def enable(uri: str, version: str | None = None) -> None:
    """Undo ``disable`` and ``delete``."""
    _set(uri, version, "enabled")


def delete(uri: str, version: str | None = None) -> None:
    """As ``disable``, for good in the eyes of a Signer."""
    _set(uri, version, "deleted")


class MemorySigner(VersionLister, RemoteSigner):
    endpoint = "memory"
    total_timeout = True  # nothing here waits

    def __init__(self, uri: KeyURI) -> None:
        _warn_once(uri)
        self._key = _key(uri)
        number = uri.get("version")
        self._pin = self._key.version_name(number) if number else None

    def describe(self, version: str | None = None, *, timeout: float) -> KeyDescription:
        return self._find(version).describe(pinned=self._pin is not None)

    def versions(self, *, timeout: float) -> Sequence[tuple[str, float | None]]:
        meant = self._find(None)
        usable = [meant] if self._pin else [held.version for held in reversed(self._key.held) if held.state == "enabled"]
        return [(version.name, version.created) for version in usable]

    def sign(self, request: SignRequest, *, timeout: float) -> SignReply:
        return self._find(request.version).sign(request)

    def classify(self, error: Exception) -> Failure | None:
        return None  # what goes wrong here, this driver says itself

    def close(self) -> None:
        pass  # the key stays for the next one that opens it

    def _find(self, version: str | None) -> Version:
        held = self._key.find(version or self._pin)
        if held.state != "enabled":
            raise _REFUSALS[held.state](f"{held.version.name} is {held.state}")
        return held.version


_REFUSALS: Final = {"disabled": KeyDisabled, "deleted": KeyDeleted}


@dataclass(slots=True)
class _Held:
    version: Version
    state: Literal["enabled", "disabled", "deleted"] = "enabled"


@dataclass(slots=True)
class _MemoryKey:
    """The versions of one name and algorithm, oldest first. Needs no lock: the list only grows."""

    name: str
    alg: str
    held: list[_Held] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def add(self) -> str:
        key = LocalKey(generate(self.alg))
        version = Version(self.version_name(next(self._numbers)), key, time.time())
        self.held.append(_Held(version))
        return version.name

    def version_name(self, number: int | str) -> str:
        """Which is also the URI that pins it."""
        return str(KeyURI("memory", None, self.name, {"alg": self.alg, "version": str(number)}))

    def find(self, version: str | None) -> _Held:
        """That version, or what the name means: the newest that is enabled, else the newest."""
        if version is None:
            return next((held for held in reversed(self.held) if held.state == "enabled"), self.held[-1])
        for held in self.held:
            if held.version.name == version:
                return held
        raise KeyNotFound(f"there is no {version} in this process")


_keys: Final[dict[tuple[str, str], _MemoryKey]] = {}
_warned = False


def _key(uri: KeyURI) -> _MemoryKey:
    alg = uri.alg or DEFAULT_ALG
    if known := _keys.get((uri.path, alg)):
        return known
    made = _MemoryKey(uri.path, alg)
    made.add()
    return _keys.setdefault((uri.path, alg), made)  # of two threads, one keeps its key


def _set(uri: str, version: str | None, state: Literal["enabled", "disabled", "deleted"]) -> None:
    key = _key(_parse(uri))
    for held in [key.find(version)] if version else key.held:
        held.state = state


def _parse(uri: str) -> KeyURI:
    from farsign import parse_uri

    return parse_uri(uri)


def _warn_once(uri: KeyURI) -> None:
    global _warned
    if _warned or "farsign.testing" in sys.modules:
        return
    _warned = True
    warnings.warn(
        f"memory:{uri.path} is a key of this process alone: N workers have N keys, and a restart loses it; "
        "a laptop's key is file:///path/key.pem (farsign new), a test's comes with farsign.testing",
        ProcessKeyWarning,
        stacklevel=2,
    )
