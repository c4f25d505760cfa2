"""A provider in this process, with real keys and knobs, for tests of the layers above the driver contract."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from farsign import driver, errors

COUNT = itertools.count()
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
GENERATORS = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate,
}


class FakeError(Exception):
    """What the "SDK" raises: a code that classify() knows, or not."""

    def __init__(self, code: str, secret: object = None) -> None:
        super().__init__(f"{code} while sending {secret!r}")
        self.code, self.request = code, secret


CODES = {
    "throttled": errors.Throttled,
    "unavailable": errors.ProviderUnavailable,
    "key-unavailable": errors.KeyUnavailable,
    "expired": errors.CredentialsExpired,
    "denied": errors.PermissionDenied,
    "not-found": errors.KeyNotFound,
    "disabled": errors.KeyDisabled,
}


@dataclass
class Version:
    id: str
    private: object
    created: float | None = None
    enabled: bool = True


class FakeClock:
    """Stands still unless moved; sleeping moves it."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.wall = 1_800_000_000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.wall

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


@dataclass
class FakeKMS:
    algorithm: str = "ES256"
    pinned: bool = False
    limit: int | None = None
    inputs: dict | None = None
    latest: Version = None  # type: ignore[assignment]  # set by rotate() in __post_init__
    all: list[Version] = field(default_factory=list)
    errors: dict[str, deque] = field(
        default_factory=lambda: {"describe": deque(), "sign": deque(), "list": deque(), "refresh": deque()}
    )
    replies: deque[Callable[[driver.SignReply], driver.SignReply]] = field(default_factory=deque)
    before_sign: Callable[[], None] | None = None
    delay: float = 0.0
    calls: list[str] = field(default_factory=list)
    opened: int = 0
    closed: int = 0
    endpoint: str = field(default_factory=lambda: f"fake {next(COUNT)}")
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.rotate()

    def rotate(self, *, created: float | None = None, version: str | None = None) -> Version:
        """The name means a new version from now on."""
        new = Version(version or f"v{len(self.all) + 1}", GENERATORS[self.algorithm](), created)
        self.all.append(new)
        self.latest = new
        return new

    def find(self, version: str) -> Version:
        found = [known for known in self.all if known.id == version]
        if not found:
            raise FakeError("not-found")
        if not found[-1].enabled:
            raise FakeError("disabled")
        return found[-1]

    def count(self, operation: str) -> int:
        return self.calls.count(operation)

    def enter(self, operation: str) -> None:
        with self.lock:
            self.calls.append(operation)
            error = self.errors[operation].popleft() if self.errors[operation] else None
        if self.delay:
            time.sleep(self.delay)
        if error is not None:
            raise error if isinstance(error, Exception) else FakeError(error, b"canary-secret")


class FakeDriver(driver.RemoteSigner):
    total_timeout = True

    def __init__(self, kms: FakeKMS) -> None:
        self.kms = kms
        self.endpoint = kms.endpoint
        kms.opened += 1

    def describe(self, version: str | None = None, *, timeout: float) -> driver.KeyDescription:
        self.kms.enter("describe")
        found = self.kms.find(version or self.kms.latest.id)
        der = found.private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        form = "message" if self.kms.algorithm in ("EdDSA", "ML-DSA-65") else "digest"
        inputs = self.kms.inputs or {self.kms.algorithm: {form: self.kms.limit}}
        return driver.KeyDescription(found.id, der, inputs, pinned=self.kms.pinned, created=found.created, protection="test")

    def sign(self, request: driver.SignRequest, *, timeout: float) -> driver.SignReply:
        self.kms.enter("sign")
        if self.kms.before_sign:
            self.kms.before_sign()
        found = self.kms.find(request.version)
        reply = driver.SignReply(sign_locally(found.private, request), found.id)
        with self.kms.lock:
            change = self.kms.replies.popleft() if self.kms.replies else None
        return change(reply) if change else reply

    def classify(self, error: Exception) -> driver.Failure | None:
        code = getattr(error, "code", None)
        return driver.Failure(CODES[code], reason=code, request_id="r-1") if code in CODES else None

    def close(self) -> None:
        self.kms.closed += 1


class WatchedDriver(FakeDriver):
    total_timeout = False


class ListingDriver(FakeDriver, driver.VersionLister):
    def versions(self, *, timeout: float) -> list[tuple[str, float | None]]:
        self.kms.enter("list")
        return [(version.id, version.created) for version in reversed(self.kms.all) if version.enabled]


class RefreshingDriver(FakeDriver, driver.CredentialRefresher):
    def refresh_credentials(self, *, timeout: float) -> bool:
        self.kms.enter("refresh")
        return True


class AsyncDriver(FakeDriver, driver.AsyncRemoteSigner):
    def __init__(self, kms: FakeKMS) -> None:
        super().__init__(kms)
        self.loop: asyncio.AbstractEventLoop | None = None

    async def asign(self, request: driver.SignRequest, *, timeout: float) -> driver.SignReply:
        loop = asyncio.get_running_loop()
        assert self.loop in (None, loop), "an instance was used in two event loops"
        self.loop = loop
        await asyncio.sleep(self.kms.delay)
        return self.sign(request, timeout=timeout)

    async def aclose(self) -> None:
        self.kms.closed += 1


def sign_locally(private: object, request: driver.SignRequest) -> bytes:
    if request.form == "mu":
        return private.sign_mu(request.data)
    if request.form == "message":
        return private.sign(request.data)
    chosen = HASHES[request.algorithm[-3:]]
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return private.sign(request.data, ec.ECDSA(Prehashed(chosen)))
    pad = padding.PKCS1v15() if request.algorithm[0] == "R" else padding.PSS(padding.MGF1(chosen), chosen.digest_size)
    return private.sign(request.data, pad, Prehashed(chosen))


def flip(reply: driver.SignReply) -> driver.SignReply:
    return replace(reply, signature=reply.signature[:-1] + bytes([reply.signature[-1] ^ 1]))
