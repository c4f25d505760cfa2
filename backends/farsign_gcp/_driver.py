"""One Cloud KMS key, raw. Every request and every reply is checked by CRC32C, as Google asks of its callers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from google_crc32c import value as crc32c

from farsign._base.algorithms import primitive
from farsign._plugin.kept import aonce_more, once_more
from farsign.driver import (
    AsyncRemoteSigner,
    CredentialRefresher,
    Failure,
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
from farsign.errors import IntegrityFailure, KeyMisuse, KeyNotFound, ProviderUnavailable

from . import _errors
from ._algorithms import ALGORITHMS, LIMITS, post_quantum
from ._client import Given, Kms, connect, connect_given, left, settings
from ._sdk import resources, service
from ._uri import VERSION, place

_PROTECTION: Final = {
    "SOFTWARE": "software",
    "HSM": "hsm",
    "HSM_SINGLE_TENANT": "hsm",
    "EXTERNAL": "external",
    "EXTERNAL_VPC": "external",
}
# Call -> what it needs (https://cloud.google.com/kms/docs/reference/permissions-and-roles)
_PERMISSIONS: Final = {
    "asymmetric_sign": "cloudkms.cryptoKeyVersions.useToSign",
    "get_public_key": "cloudkms.cryptoKeyVersions.viewPublicKey",
    "list_crypto_key_versions": "cloudkms.cryptoKeyVersions.list",
}


class Listed(NamedTuple):
    """A version in a list. algorithm: Cloud KMS's name."""

    number: int
    name: str
    state: str
    algorithm: str
    created: float | None


class CloudKey(RemoteSigner, VersionLister, CredentialRefresher):
    def __init__(self, uri: KeyURI, shared: Shared[Kms] | Shared[Given]) -> None:
        self._uri, self._place, self._shared = uri, place(uri), shared
        self.total_timeout = isinstance(shared.client, Kms)  # gRPC's deadline is for the whole call; a transport may be REST
        endpoint = uri.get("endpoint", "")
        self.endpoint = f"gcpkms {self._place.location}" + (f" at {endpoint}" if endpoint else "")
        self._algorithms: dict[str, str] = {}  # of versions that were listed

    def describe(self, version: str | None = None, *, timeout: float) -> KeyDescription:
        end = time.monotonic() + timeout
        name = version or self._place.version or self._current(end)
        raw = post_quantum(self._algorithms.get(name) or self._uri.alg or "")
        try:
            reply = self._public_key(name, raw=raw, end=end)
        except Exception as error:
            if name in self._algorithms or not _errors.is_misuse(error):
                raise
            reply = self._public_key(name, raw=not raw, end=end)  # the URI does not say what the key is, or is wrong about it
        return described(reply, name, pinned=bool(self._place.version))

    def _public_key(self, name: str, *, raw: bool, end: float) -> Any:
        formats = resources.PublicKey.PublicKeyFormat
        # Not PEM by name: there are servers that know the default only.
        request = service.GetPublicKeyRequest(
            name=name, public_key_format=formats.NIST_PQC if raw else formats.PUBLIC_KEY_FORMAT_UNSPECIFIED
        )
        return self._ask("get_public_key", request, end)

    def sign(self, request: SignRequest, *, timeout: float) -> SignReply:
        return signed(self._ask("asymmetric_sign", to_sign(request), time.monotonic() + timeout), request)

    def versions(self, *, timeout: float) -> Sequence[tuple[str, float | None]]:
        if self._place.version:
            return [(self._place.version, None)]
        wanted = primitive(self._uri.alg) if self._uri.alg else ""
        enabled = [version for version in self._listed(time.monotonic() + timeout) if version.state == "ENABLED"]
        return [(version.name, version.created) for version in enabled if signs(version.algorithm, wanted)]

    def _current(self, end: float) -> str:
        """The newest enabled version, of whatever algorithm: the Signer says what is wrong with it. Or why there is none."""
        listed = self._listed(end)
        if not listed:
            raise KeyNotFound(f"{self._place.key} has no versions", next_step="create one: `gcloud kms keys versions create`")
        enabled = [version for version in listed if version.state == "ENABLED"]
        if not enabled:
            raise _errors.unusable(listed[0].name, listed[0].state)
        return enabled[0].name

    def _listed(self, end: float) -> list[Listed]:
        """All versions, newest first. Filtered here: not every server knows ``filter``."""
        found = sorted(self._pages(end), reverse=True)
        self._algorithms = {version.name: version.algorithm for version in found}
        return found

    def _pages(self, end: float) -> Iterator[Listed]:
        request = service.ListCryptoKeyVersionsRequest(parent=self._place.key)
        while True:
            reply = self._ask("list_crypto_key_versions", request, end)
            for version in reply.crypto_key_versions:
                yield listed(version, self._place.key)
            if not reply.next_page_token:
                return
            if time.monotonic() >= end:
                raise ProviderUnavailable("the list of versions is longer than the time there is for it", answered=True)
            request.page_token = reply.next_page_token

    def classify(self, error: Exception) -> Failure | None:
        return _errors.classify(error)

    def refresh_credentials(self, *, timeout: float) -> bool:
        return self._shared.client.refresh(timeout)

    def close(self) -> None:
        self._shared.release()

    def _ask(self, call: str, request: Any, end: float) -> Any:
        client = self._shared.client
        metadata = (*client.headers(left(end)), routed(request))

        def ask() -> Any:
            with client.line(end) as line, _errors.needing(_PERMISSIONS[call]):
                return getattr(line, call)(request, timeout=left(end), metadata=metadata)

        return once_more(ask, _errors.broke)


class AsyncCloudKey(CloudKey, AsyncRemoteSigner):
    def __init__(self, uri: KeyURI, shared: Shared[Kms]) -> None:
        super().__init__(uri, shared)
        self._kms = shared.client

    async def asign(self, request: SignRequest, *, timeout: float) -> SignReply:
        end = time.monotonic() + timeout
        message = to_sign(request)
        metadata = (*await self._kms.aheaders(timeout), routed(message))

        async def ask() -> Any:
            with self._kms.line(end) as line, _errors.needing(_PERMISSIONS["asymmetric_sign"]):
                return await _result(line.asymmetric_sign.future(message, timeout=left(end), metadata=metadata))

        return signed(await aonce_more(ask, _errors.broke), request)

    async def aclose(self) -> None:
        self.close()


async def _result(call: Any) -> Any:
    """Of a gRPC future, from whatever loop runs; cancelling the waiter cancels the call."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def wake(_: Any) -> None:
        try:
            loop.call_soon_threadsafe(done.set)
        except RuntimeError:  # the loop was closed meanwhile: nobody waits
            return

    call.add_done_callback(wake)
    try:
        await done.wait()
    finally:
        call.cancel()  # of no effect on a call that is done
    return call.result()


def open_key(uri: KeyURI, allow_hosts: Sequence[str], *, credentials: Any = None, transport: Any = None) -> CloudKey:
    """A driver; no network yet. Raises HostRefused or another ConfigurationError."""
    chosen = settings(uri, allow_hosts, credentials, transport)
    if transport is not None:
        return CloudKey(uri, connect_given(chosen))
    return AsyncCloudKey(uri, connect(chosen))


def routed(request: Any) -> tuple[str, str]:
    """The header by which Google's front ends find the key's region."""
    field = "parent" if isinstance(request, service.ListCryptoKeyVersionsRequest) else "name"
    return ("x-goog-request-params", f"{field}={quote(getattr(request, field), safe='/')}")


def to_sign(request: SignRequest) -> service.AsymmetricSignRequest:
    data, checksum = request.data, crc32c(request.data)
    if request.form == "message":
        return service.AsymmetricSignRequest(name=request.version, data=data, data_crc32c=checksum)
    field = "external_mu" if request.form == "mu" else f"sha{8 * len(data)}"
    return service.AsymmetricSignRequest(name=request.version, digest={field: data}, digest_crc32c=checksum)


def signed(reply: service.AsymmetricSignResponse, request: SignRequest) -> SignReply:
    arrived = reply.verified_data_crc32c if request.form == "message" else reply.verified_digest_crc32c
    if not arrived:
        raise IntegrityFailure("Cloud KMS did not confirm the checksum of what it signed", reason="verified_crc32c")
    if not reply.signature or reply.signature_crc32c != crc32c(reply.signature):
        raise IntegrityFailure("the signature has not the checksum that Cloud KMS gave it", reason="signature_crc32c")
    return SignReply(reply.signature, reply.name)


def described(reply: resources.PublicKey, name: str, *, pinned: bool) -> KeyDescription:
    if reply.name != name:
        raise IntegrityFailure(f"asked for {name}, and the reply describes another version", reason="name")
    algorithm = _member(reply, "algorithm")
    row = ALGORITHMS.get(algorithm)
    if row is None:
        step = f"create a key with one of {', '.join(ALGORITHMS)}"
        if algorithm.isdecimal():
            step = "this google-cloud-kms does not know that algorithm's name: `pip install -U google-cloud-kms`"
        raise KeyMisuse(f"{name} is {algorithm}, with which no JWS can be signed", next_step=step, reason="algorithm")
    return KeyDescription(
        version=name,
        public_key=_spki(reply, row.algorithm),
        inputs={row.algorithm: {row.form: LIMITS[row.form]}},
        pinned=pinned,
        protection=_PROTECTION.get(_member(reply, "protection_level"), ""),
    )


def _spki(reply: resources.PublicKey, algorithm: str) -> bytes:
    raw = reply.public_key.data
    data, checksum = (raw, reply.public_key.crc32c_checksum) if raw else (reply.pem.encode(), reply.pem_crc32c)
    if checksum != crc32c(data):
        raise IntegrityFailure("the public key has not the checksum that Cloud KMS gave it", reason="pem_crc32c")
    return spki_from_raw(raw, algorithm) if raw else spki_from_pem(data)


def listed(version: resources.CryptoKeyVersion, key: str) -> Listed:
    match = VERSION.fullmatch(version.name)
    if match is None or match["key"] != key:
        raise IntegrityFailure(f"the list of versions of {key} names something else", reason="name")
    created: Any = version.generate_time or version.create_time  # what is being generated has no public key yet
    return Listed(
        int(match["number"]),
        version.name,
        _member(version, "state"),
        _member(version, "algorithm"),
        created.timestamp() if created else None,
    )


def signs(algorithm: str, wanted: str) -> bool:
    row = ALGORITHMS.get(algorithm)
    return row is not None and wanted in ("", row.algorithm)


def _member(message: Any, field: str) -> str:
    """The name of an enum's member, or its number: the SDK warns of what is newer than itself when it is read in the usual way."""
    plain = type(message).pb(message)
    number = getattr(plain, field)
    known = plain.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number.get(number)
    return known.name if known else str(number)
