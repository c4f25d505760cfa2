"""What a backend fills in, and what the tests of the suite share."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar, Final, TypeVar

import pytest

import farsign
from farsign._base.clock import SYSTEM, Clock
from farsign._plugin.discovery import backend, parse_uri
from farsign._signer.drivers import Opener
from farsign.testing.emulator import Faults
from farsign.testing.plugin import NOT_EXERCISED

from ._verify import verify

T = TypeVar("T")
Key = str | Opener  # what make_key returns

SOAK: Final = "FARSIGN_SOAK"  # set it, and the tests that count do so in thousands
PATIENT: Final = farsign.Policy(timeout=20.0, attempt_timeout=10.0)  # where time is not what is tested
COMMON: Final = frozenset({"throttled", "unavailable", "denied", "not-found", "disabled", "credentials-expired"})


class ShiftedClock(Clock):
    """The system's, and what ``advance`` added: hours pass without waiting."""

    def __init__(self) -> None:
        self._shift = 0.0

    def advance(self, seconds: float) -> None:
        self._shift += seconds

    def monotonic(self) -> float:
        return time.monotonic() + self._shift

    def time(self) -> float:
        return time.time() + self._shift


class Harness:
    """The part that a backend fills in; only ``algorithms`` and ``make_key`` are required.

    algorithms: JOSE names that have to work; the suite tries all of them, so nobody passes by refusing.
    limits: algorithm -> most bytes of a message, where the provider takes only messages. refuses_empty: algorithms with which it
    does not sign the empty message. situations: codes of farsign.errors that ``faults().error`` can bring about.
    secrets: texts that must not be logged, such as the credentials in use.

    Optional methods; without one, what it is for is not exercised, and the summary says so. ``key`` is what make_key returned.

        rotate(key)                 the name means a new version of its key from now on
        move_alias(key, other)      the name means the key of ``other`` from now on
        disable(key), delete(key)   the version that the name means
        missing_key(algorithm)      a URI or opener of a key that there is not
        calls(operation)            how many "sign" or "describe" calls have arrived
        leading_zero(where)         from now on ECDSA signatures have a leading zero byte in "r" or "s"

    and ``faults``, an attribute: a farsign.testing.emulator.Faults that strikes this provider.
    """

    algorithms: ClassVar[AbstractSet[str]] = frozenset()
    limits: ClassVar[Mapping[str, int]] = {}
    refuses_empty: ClassVar[AbstractSet[str]] = frozenset()
    situations: ClassVar[AbstractSet[str]] = COMMON
    secrets: ClassVar[Sequence[str]] = ()
    faults: Faults | None = None

    def make_key(self, algorithm: str) -> Key:
        raise NotImplementedError("return a URI, or a function that makes a driver, of a new key for that algorithm")

    # what the tests use

    @pytest.fixture(autouse=True)
    def _close_signers(self) -> Iterator[None]:
        self._signers: list[farsign.Signer] = []
        yield
        for signer in self._signers:
            signer.close(timeout=0.0)

    @property
    def main(self) -> str:
        """The algorithm of tests that need only one."""
        return "ES256" if "ES256" in self.algorithms else min(self.algorithms)

    def optional(self, method: str, what: str) -> Callable[..., Any]:
        """A method that the backend may leave out. Skips the test if it did."""
        reason = f"{NOT_EXERCISED}{what} (no {method}())"
        found = getattr(self, method, None)
        if found is None:
            pytest.skip(reason)

        def call(*arguments: Any) -> Any:
            try:
                return found(*arguments)
            except NotImplementedError:
                pytest.skip(reason)

        return call

    def ordered(self, what: str) -> Faults:
        """The faults, for what is tested with them. Skips the test if there are none."""
        if self.faults is None:
            pytest.skip(f"{NOT_EXERCISED}{what} (no faults)")
        return self.faults

    def counted(self) -> Callable[[str], int]:
        """``calls``, or a function that knows nothing: some tests assert more where calls can be counted."""
        calls: Callable[[str], int] | None = getattr(self, "calls", None)
        return calls or (lambda operation: -1)

    def signer(
        self, key: Key, algorithm: str | None = None, *, policy: farsign.Policy = PATIENT, clock: Clock = SYSTEM
    ) -> farsign.Signer:
        """As open_signer does, with that algorithm; closed after the test."""
        if isinstance(key, str):
            uri = parse_uri(key)
            plugin = backend(uri.scheme)
            signer = farsign.Signer(
                lambda: plugin.open(uri, ()), policy=policy, alg=algorithm or uri.alg, name=repr(str(uri)), clock=clock
            )
        else:
            signer = farsign.Signer(key, policy=policy, alg=algorithm, clock=clock)
        self._signers.append(signer)
        return signer

    def new_signer(self, algorithm: str | None = None, **options: Any) -> farsign.Signer:
        """With a key of its own."""
        algorithm = algorithm or self.main
        return self.signer(self.make_key(algorithm), algorithm, **options)

    @staticmethod
    def signs(key: farsign.SigningKey, data: bytes = b"message", *, timeout: float | None = None) -> bytes:
        """Signs and verifies from the public key alone."""
        signature = key.sign(data, timeout=timeout)
        verify(key.public_key(), key.algorithm, signature, data)
        return signature


def many(usual: int, soak: int) -> int:
    return soak if os.environ.get(SOAK) else usual


def until(found: Callable[[], T | None], seconds: float = 10.0) -> T:
    """What ``found`` returns once it is true."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
    return value


def in_threads(count: int, work: Callable[[int], None], *, seconds: float = 60.0) -> None:
    """Runs ``work(n)`` in that many threads at once; raises the first error of any."""
    errors: list[BaseException] = []

    def run(n: int) -> None:
        try:
            work(n)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]
