"""Cloud KMS on loopback, as far as signing keys go: a gRPC server with Google's own messages.

Key rings, keys, versions in every state, the algorithm of each version, CRC32C both ways, permissions, paging. Any project, location and
key ring exists as soon as a test creates a key in it; over the wire a ring has to be created first, as at Google's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Final

from google.protobuf.message import DecodeError

from farsign.driver import KeyURI
from farsign.errors import AlgorithmNotSupported
from farsign.testing.emulator import EmulatedKey, Emulator, EmulatorClock, InjectedError, Version

from . import _emulator_errors as errors
from ._algorithms import ALGORITHMS
from ._emulator_rpcs import METHODS, STATES, Ask, Rpcs
from ._emulator_server import Answer, GrpcServer

RING: Final = "projects/emulator/locations/global/keyRings/emulator"
_SERVICE: Final = "/google.cloud.kms.v1.KeyManagementService/"


class GcpEmulator(Emulator):
    """``deny("cloudkms.cryptoKeyVersions.list")`` takes a permission from everybody, ``allow`` gives it back.

    tokens: the bearer tokens that are let in; empty: anybody is, with or without one. Faults of its own, for ``faults.add(Fault(...))``:
    wrong_crc32c (the reply's checksum is not its content's), unverified_crc32c (the reply does not confirm the request's checksum),
    damaged_request (what arrived does not fit its checksum).
    """

    scheme: ClassVar[str] = "gcpkms"
    operations: ClassVar[Mapping[str, str]] = {
        "AsymmetricSign": "sign",
        "GetPublicKey": "describe",
        "ListCryptoKeyVersions": "list",
    }
    other_operations: ClassVar[Collection[str]] = METHODS

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, seed: int = 0, clock: EmulatorClock | None = None) -> None:
        super().__init__(host=host, port=port, seed=seed, clock=clock)
        self.tokens: set[str] = set()
        self.metadata: Mapping[str, str] = {}  # of the last call
        self._rpcs = Rpcs(self.keys)
        self._denied: set[str] = set()
        self._server = GrpcServer(self._answer, host=host, port=port)

    def _listen(self) -> None:
        self._server.start()
        self.port = self._server.port

    def _hang_up(self) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        """HOST:PORT, as gRPC writes it."""
        return self.authority

    # what tests use

    def create_key(
        self,
        algorithm: str,
        alias: str | None = None,
        *,
        bits: int = 2048,
        created: float | None = None,
        ring: str = RING,
        protection: str = "HSM",
        wire: str = "",
        **options: Any,
    ) -> EmulatedKey:
        """``alias`` is the key's name in its ``ring``. wire: a CryptoKeyVersionAlgorithm, where several sign ``algorithm``.

        protection: SOFTWARE, HSM, EXTERNAL, ... RSA keys for SHA-512 have 4096 bits, whatever ``bits`` says. Raises AlgorithmNotSupported.
        """
        if options:
            raise TypeError(f"Cloud KMS keys have no option {' '.join(sorted(options))}")
        wire = wire or _wire(algorithm, bits)
        name = f"{ring}/cryptoKeys/{alias or f'key-{len(self.keys.keys) + 1}'}"
        with self.keys.lock:
            key = self._rpcs.add_key(name, wire, protection=protection, created=created)
        return self._emulated(name, key.newest, algorithm, alias)

    def rotate(self, key: EmulatedKey, *, created: float | None = None, wire: str = "") -> EmulatedKey:
        """wire: another CryptoKeyVersionAlgorithm than the key's, for the new version."""
        with self.keys.lock:
            made = self._rpcs.add_version(self.keys.keys[key.name], algorithm=wire, created=created)
        return self._emulated(key.name, made, ALGORITHMS[wire].algorithm if wire else key.algorithm, key.alias)

    def set_state(self, key: EmulatedKey, state: str) -> None:
        """Any CryptoKeyVersionState, by name."""
        self._set_state(key, {wire: word for word, wire in STATES.items()}.get(state, state))

    def deny(self, permission: str) -> None:
        self._denied.add(permission)

    def allow(self, permission: str) -> None:
        self._denied.discard(permission)

    def environment(self) -> dict[str, str]:
        """Google's SDKs read no variable for this: ``client``. farsign's own tests read this one."""
        return {"FARSIGN_TEST_GCP_ENDPOINT": self.authority}

    def client(self) -> str:
        return f"in the SDK's client options: api_endpoint {self.authority}, an insecure channel, anonymous credentials"

    def _emulated(self, name: str, version: Version, algorithm: str, alias: str | None) -> EmulatedKey:
        where = {"endpoint": f"http://{self.authority}", "auth": "emulator"}
        pinned, path = f"{name}/cryptoKeyVersions/{version.id}", name.removeprefix("projects/")
        return EmulatedKey(
            uri=str(KeyURI("gcpkms", "projects", path, where)),
            pinned=str(KeyURI("gcpkms", "projects", pinned.removeprefix("projects/"), where)),
            algorithm=algorithm,
            version=pinned,
            name=name,
            version_id=version.id,
            alias=alias,
            public_key=version.spki,
        )

    # the wire

    def _answer(self, path: str, raw: bytes, metadata: Mapping[str, str]) -> Answer:
        self.metadata = metadata
        name = path.removeprefix(_SERVICE)
        method = METHODS.get(name)
        if method is None:
            self.enter(name)
            raise errors.unimplemented(name)
        try:
            message = method.request.deserialize(raw)
        except DecodeError:
            raise errors.invalid("the request is no message of its type") from None
        resource = _resource(message, method.resource)
        try:
            call = self.enter(name, key=resource, scope=_location(resource))
        except InjectedError as error:
            raise errors.injected(error, method.permission) from None
        self._admit(metadata, method.permission, resource)
        with self.keys.lock:
            reply = getattr(self._rpcs, method.action)(Ask(message, call))
        return Answer(type(reply).serialize(reply), call.faults)

    def _admit(self, metadata: Mapping[str, str], permission: str, resource: str) -> None:
        token = metadata.get("authorization", "").removeprefix("Bearer ")
        if self.tokens and token not in self.tokens:
            raise errors.unauthenticated()
        if permission in self._denied:
            raise errors.denied(permission, resource)


def _wire(algorithm: str, bits: int) -> str:
    name = {"EdDSA": "Ed25519"}.get(algorithm, algorithm)
    wanted = 0 if not name.startswith(("RS", "PS")) else max(bits, 4096) if name.endswith("512") else bits
    for wire, row in ALGORITHMS.items():
        if (row.algorithm, row.bits) == (name, wanted):
            return wire
    raise AlgorithmNotSupported(f"Cloud KMS has no keys for {algorithm} ({bits} bits)")


def _resource(message: Any, field: str) -> str:
    if field in type(message).meta.fields:
        found: str = getattr(message, field)
        return found
    return str(message.crypto_key_version.name)


def _location(resource: str) -> str:
    parts = resource.split("/")
    return parts[3] if len(parts) > 3 else ""
