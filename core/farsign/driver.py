"""What a backend author writes: one key at one provider, raw.

A driver never retries, sleeps, hashes, verifies, logs or caches keys; it may keep clients and credentials. It raises what its
SDK raises and says in ``classify`` what that meant. What it finds out itself (a wrong checksum, another version on the wire, a
garbage body) it raises as a ``farsign.errors.ProviderError``, which passes unclassified. Many threads may call one driver;
another process or event loop gets an instance of its own. docs/backends.md is the tutorial.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ._base.algorithms import Form as Form
from .errors import ProviderError

if TYPE_CHECKING:
    from ._base.hosts import check_host as check_host
    from ._base.hosts import is_loopback as is_loopback
    from ._base.hosts import split_endpoint as split_endpoint
    from ._base.uri import KeyURI as KeyURI
    from ._plugin.hooks import hookimpl as hookimpl
    from ._plugin.shared import Credential as Credential
    from ._plugin.shared import ExpiringCredential as ExpiringCredential
    from ._plugin.shared import Shared as Shared
    from ._plugin.shared import shared_client as shared_client
    from ._plugin.spki import spki_from_jwk as spki_from_jwk
    from ._plugin.spki import spki_from_pem as spki_from_pem
    from ._plugin.spki import spki_from_raw as spki_from_raw


@dataclass(frozen=True, slots=True)
class KeyDescription:
    version: str  # the provider's identifier, unique within the endpoint; equal only if it is the same key version
    public_key: bytes  # SubjectPublicKeyInfo, DER; spki_from_pem, spki_from_jwk and spki_from_raw make it
    inputs: Mapping[str, Mapping[Form, int | None]]  # algorithm -> form it takes -> most bytes; None: no limit
    pinned: bool  # this URI can never mean another version: cacheable for ever
    created: float | None = None  # seconds since the epoch, where the provider says
    ecdsa: Literal["der", "raw"] = "der"  # encoding of ECDSA signatures on this wire; nobody sniffs
    protection: str = ""  # "hsm", "software", "process"


@dataclass(frozen=True, slots=True)
class SignRequest:
    version: str  # sign with exactly this version
    algorithm: str  # a name from the description's ``inputs``
    form: Form
    data: bytes

    def __repr__(self) -> str:  # the data is what gets signed: never in a log
        return f"SignRequest(version={self.version!r}, algorithm={self.algorithm!r}, form={self.form!r})"


@dataclass(frozen=True, slots=True)
class SignReply:
    signature: bytes = field(repr=False)  # transport encoding (base64, "vault:v1:") removed, nothing else changed
    version: str | None  # read from the reply, never copied from the request; None: the reply does not say


@dataclass(frozen=True, slots=True)
class Failure:
    error: type[ProviderError]  # the class decides: retry, refresh credentials, fail over, give up
    reason: str = ""  # the provider's own name for it: an error code, never a message that may hold data
    permission: str = ""  # the missing one, as the provider spells it
    request_id: str = ""
    retry_after: float | None = None  # seconds
    answered: bool = True  # False: nothing came back (connect, TLS, DNS, timeout); only with ProviderUnavailable
    message: str = ""  # what happened, where the backend can say it better than the Signer; no data, no credentials
    next_step: str = ""  # likewise


class RemoteSigner(Protocol):
    """One key at one provider. ``timeout`` is seconds for the one wire call that each method may make."""

    endpoint: str  # what throttles and fails together ("awskms eu-west-1")
    total_timeout: bool  # the SDK ends a call at ``timeout`` whatever happens; otherwise the Signer watches from outside

    @abstractmethod
    def describe(self, version: str | None = None, *, timeout: float) -> KeyDescription:
        """That version, or what the URI means now."""
        raise NotImplementedError

    @abstractmethod
    def sign(self, request: SignRequest, *, timeout: float) -> SignReply:
        """Sign with exactly the requested version."""
        raise NotImplementedError

    @abstractmethod
    def classify(self, error: Exception) -> Failure | None:
        """What the SDK's exception meant. No I/O. None: a bug in the driver, never retried."""
        raise NotImplementedError

    @abstractmethod
    def close(self) -> None:
        """Let clients go. No call is under way."""
        raise NotImplementedError


class AsyncRemoteSigner(ABC):
    """A power: native async signing. A driver inherits it; the Signer looks once, when it opens."""

    @abstractmethod
    async def asign(self, request: SignRequest, *, timeout: float) -> SignReply: ...

    @abstractmethod
    async def aclose(self) -> None: ...


class VersionLister(ABC):
    """A power: names with versions that can be listed (Cloud KMS, Key Vault, transit, a key file's history)."""

    @abstractmethod
    def versions(self, *, timeout: float) -> Sequence[tuple[str, float | None]]:
        """Enabled versions of the URI's algorithm, newest first, each with its creation time (seconds since the epoch).

        A URI that pins a version lists just that one, without a call.
        """


class CredentialRefresher(ABC):
    """A power: credentials that can be fetched again. Called once after CredentialsExpired, by one thread at a time."""

    @abstractmethod
    def refresh_credentials(self, *, timeout: float) -> bool:
        """True: they were fetched. False: not again, that was done just before."""
        raise NotImplementedError


def is_driver(thing: object) -> bool:
    """Whether it has what a RemoteSigner has; a class that inherits from it forgets nothing."""
    methods = (getattr(thing, name, None) for name in ("describe", "sign", "classify", "close"))
    return all(map(callable, methods)) and isinstance(getattr(thing, "endpoint", None), str)


# Imported when asked for: the helpers need cryptography, the markers pluggy, and a plugin module must stay cheap to import.
_LAZY = {
    "spki_from_pem": "_plugin.spki",
    "spki_from_jwk": "_plugin.spki",
    "spki_from_raw": "_plugin.spki",
    "shared_client": "_plugin.shared",
    "ExpiringCredential": "_plugin.shared",
    "Credential": "_plugin.shared",
    "Shared": "_plugin.shared",
    "hookimpl": "_plugin.hooks",
    "KeyURI": "_base.uri",
    "check_host": "_base.hosts",
    "is_loopback": "_base.hosts",
    "split_endpoint": "_base.hosts",
}


def __getattr__(name: str) -> Any:
    if module := _LAZY.get(name):
        from importlib import import_module

        return getattr(import_module(f".{module}", __package__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
