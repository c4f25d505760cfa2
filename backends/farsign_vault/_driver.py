"""One transit key, raw: two requests, read and sign."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from farsign._base.encodings import b64url_decode
from farsign.driver import (
    CredentialRefresher,
    Failure,
    Form,
    KeyDescription,
    KeyURI,
    RemoteSigner,
    Shared,
    SignReply,
    SignRequest,
    VersionLister,
    spki_from_pem,
    spki_from_raw,
)
from farsign.errors import IntegrityFailure, InvalidKey, KeyDeleted, KeyDisabled, KeyMisuse, KeyNotFound

from . import _errors
from ._client import Connection, connect
from ._settings import Settings, settings
from ._uri import ALGORITHMS, mount_of, version_name

LONGEST: Final = 25_000_000  # bytes of a message: its base64 has to fit into the server's 32 MiB
_DIGEST: Final[Mapping[Form, int | None]] = MappingProxyType({"digest": None})
_MESSAGE: Final[Mapping[Form, int | None]] = MappingProxyType({"message": LONGEST})
# Nothing is left to the server's defaults: SHA-256 for every key, PSS with the longest salt there is, DER.
_HASH: Final = MappingProxyType({"256": "sha2-256", "384": "sha2-384", "512": "sha2-512"})
_FAMILY: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {"RS": {"signature_algorithm": "pkcs1v15"}, "PS": {"signature_algorithm": "pss", "salt_length": "hash"}, "ES": {}}
)
_PREFIX: Final = re.compile(r"vault:v([0-9]{1,9}):")
_NUMBER: Final = re.compile(r".*/v([0-9]{1,9})(?:#[0-9a-f]+)?")


class VaultKey(RemoteSigner, VersionLister, CredentialRefresher):
    """A version is called ``[NAMESPACE/]MOUNT/KEY/vN#FINGERPRINT``: a key deleted and made again starts at v1 with another key."""

    total_timeout = False  # a socket's timeout counts from one byte to the next, and a name is looked up without any

    def __init__(self, uri: KeyURI, settings: Settings) -> None:
        self.endpoint = f"{uri.scheme} {settings.host}"
        self._key, self._mount = uri.authority or "", mount_of(uri)
        self._name = "/".join(filter(None, (settings.namespace, self._mount, self._key)))
        self._pinned = int(uri.get("version") or 0)
        self._shared: Shared[Connection] = connect(settings)

    def describe(self, version: str | None = None, *, timeout: float) -> KeyDescription:
        number = _number(version) if version else self._pinned
        data = self._read(timeout)
        with _reading("a key"):
            number = number or int(data["latest_version"])
            shown = self._shown(data, number)
            spki = _spki(data["type"], shown["public_key"])
            return KeyDescription(
                version=self._version(number, spki),
                public_key=spki,
                inputs=dict.fromkeys(ALGORITHMS[data["type"]], _MESSAGE if data["type"] == "ed25519" else _DIGEST),
                pinned=bool(self._pinned),
                created=_time(shown["creation_time"]),
                ecdsa="raw",
                protection="software",
            )

    def versions(self, *, timeout: float) -> Sequence[tuple[str, float | None]]:
        if self._pinned:
            return [(f"{self._name}/v{self._pinned}", None)]
        data = self._read(timeout)
        with _reading("a key"):
            numbers = sorted((int(n) for n in data["keys"] if int(n) >= data["min_encryption_version"]), reverse=True)
            shown = [(number, data["keys"][str(number)]) for number in numbers]
            return [(self._version(n, _spki(data["type"], key["public_key"])), _time(key["creation_time"])) for n, key in shown]

    def sign(self, request: SignRequest, *, timeout: float) -> SignReply:
        number = _number(request.version)
        body = {
            "input": b64encode(request.data).decode(),
            "key_version": number,
            "marshaling_algorithm": "jws",
            **_parameters(request.algorithm),
        }
        data = self._ask("POST", "sign", timeout, body)
        with _reading("a signature"):
            said, signature = _signed(data)
            return SignReply(b64url_decode(signature), request.version if said == number else f"{self._name}/v{said}")

    def classify(self, error: Exception) -> Failure | None:
        return _errors.classify(error, self.endpoint)

    def refresh_credentials(self, *, timeout: float) -> bool:
        return self._shared.client.tokens.refresh(timeout)

    def close(self) -> None:
        self._shared.release()

    def _read(self, timeout: float) -> dict[str, Any]:
        """The key, if it is one that signs."""
        data = self._ask("GET", "keys", timeout)
        with _reading("a key"):
            kind = data["type"]
            if kind not in ALGORITHMS:
                raise KeyMisuse(f"{self._name} is of type {kind!r:.40}, with which farsign does not sign", reason="type")
            if data["derived"]:
                raise KeyMisuse(
                    f"{self._name} derives a key from each context: it has no public key of its own", reason="derived"
                )
            if data.get("soft_deleted"):
                step = f"`bao write -f {self._mount}/keys/{self._key}/soft-delete-restore`, or point the URI at another key"
                raise KeyDeleted(f"{self._name} was deleted softly", next_step=step, reason="soft_deleted")
        return data

    def _shown(self, data: dict[str, Any], number: int) -> dict[str, Any]:
        """What the key shows of that version, if the version may sign."""
        name = f"{self._name}/v{number}"
        if number > data["latest_version"]:
            raise KeyNotFound(f"{name} is not there: the newest is v{data['latest_version']}", reason="version")
        if number < data["min_available_version"]:
            raise KeyDeleted(f"{name} was trimmed", next_step="use a newer version", reason="min_available_version")
        least = max(data["min_encryption_version"], data["min_decryption_version"])
        if number < least:
            step = "lower min_encryption_version and min_decryption_version of the key, or use a newer version"
            raise KeyDisabled(
                f"{name} may not sign: the oldest that may is v{least}", next_step=step, reason="min_encryption_version"
            )
        shown: dict[str, Any] = data["keys"][str(number)]
        return shown

    def _version(self, number: int, spki: bytes) -> str:
        return version_name(self._name, number, spki)

    def _ask(self, method: str, what: str, timeout: float, body: Any = None) -> dict[str, Any]:
        reply = self._shared.client.ask(method, f"/v1/{self._mount}/{what}/{self._key}", timeout=timeout, body=body)
        data = reply.get("data")
        if not isinstance(data, dict):
            raise IntegrityFailure("the server's reply has no data", reason="garbled reply")
        return data


def open_key(uri: KeyURI, allow_hosts: tuple[str, ...], *, client: Any = None) -> VaultKey:
    """A driver; no network yet. Raises HostRefused or another ConfigurationError."""
    return VaultKey(uri, settings(uri, allow_hosts, client))


def _parameters(algorithm: str) -> dict[str, Any]:
    family = _FAMILY.get(algorithm[:2])
    if family is None:  # Ed25519: transit takes the message, and ignores what is said about hashes
        return {}
    return {"prehashed": True, "hash_algorithm": _HASH[algorithm[2:]], **family}


def _number(version: str) -> int:
    match = _NUMBER.fullmatch(version)
    if match is None:
        raise IntegrityFailure("a version is named that is none of this backend's")
    return int(match[1])


def _signed(data: dict[str, Any]) -> tuple[int, str]:
    """Number of the version and signature. A restored key may have a prefix of its own, and then only OpenBao tells the number."""
    text: str = data["signature"]
    prefix = _PREFIX.match(text)
    number = int(data.get("key_version") or (prefix[1] if prefix else ""))
    if prefix and int(prefix[1]) != number:
        raise ValueError
    return number, text.rpartition(":")[2]


def _spki(kind: str, public_key: str) -> bytes:
    return spki_from_raw(b64decode(public_key, validate=True), "Ed25519") if kind == "ed25519" else spki_from_pem(public_key)


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, InvalidKey):
        wrong = True
    else:
        wrong = False
    if wrong:
        raise IntegrityFailure(f"the server's reply is not {what}", reason="garbled reply")
