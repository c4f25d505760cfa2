"""What goes wrong at the provider, or on the way: the class of each error, what is tried again, when waiting ends, and lies."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import pytest

import farsign
from farsign import errors
from farsign.testing.emulator import LIES

from ._harness import Harness, many
from ._verify import is_valid

CLASSES: Final = {
    kind.code: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ProviderError)
}
TRANSIENT: Final = frozenset({"throttled", "unavailable", "key-unavailable"})  # what passes when it is tried again
SHORT: Final = farsign.Policy(timeout=1.0, attempt_timeout=0.5)
SLOW: Final = ("stall", "slow_drip:30s", "latency:30")
WRONG: Final = (*LIES, "garbage", "truncate")


class FailureTests(Harness):
    @pytest.mark.parametrize("operation", ["sign", "describe"])
    def test_errors_are_told_apart(self, code: str, operation: str) -> None:
        """The same mistake has the same class on every cloud."""
        faults = self.ordered("errors")
        signer = self.new_signer(policy=SHORT)
        attempt: Callable[[], object] = signer.key
        if operation == "sign":
            key = signer.key()
            attempt = lambda: key.sign(b"message")  # noqa: E731  # the key is described before the fault is ordered
        faults.error(operation, code)
        with pytest.raises(errors.ProviderError) as caught:
            attempt()
        error = caught.value
        expected: tuple[type[errors.ProviderError], ...] = (CLASSES[code],)
        if operation == "describe" and code in TRANSIENT:
            expected = (CLASSES[code], errors.DeadlineExceeded)  # a look-up goes on when its callers have given up
        assert type(error) in expected, f"{error!r}"
        assert error.next_step
        faults.clear()
        signer.invalidate()  # a definite no to the first look-up is remembered for a second
        self.signs(signer.key())

    def test_what_passes_is_tried_again(self, passing: str) -> None:
        faults, key = self.ordered("throttling"), self.new_signer().key()
        before = self.counted()("sign")
        faults.error("sign", passing, times=3)
        self.signs(key)
        assert self.counted()("sign") in (-1, before + 4)

    @pytest.mark.parametrize("kind", ["reset", "truncate", "garbage"])
    def test_broken_replies_are_tried_again(self, kind: str) -> None:
        faults, key = self.ordered("broken replies"), self.new_signer().key()
        faults.order(f"{kind}:sign:1")
        self.signs(key)

    @pytest.mark.parametrize("fault", SLOW)
    def test_a_timeout_ends_the_wait_whatever_the_wire_does(self, fault: str) -> None:
        """RULES 17: within 50 ms; asserted with five-fold slack (RULES 38)."""
        faults, key = self.ordered("timeouts"), self.new_signer().key()
        self.signs(key)
        kind, _, amount = fault.partition(":")
        faults.order(f"{kind}:sign" + (f":{amount}" if amount else ""))
        started = time.monotonic()
        with pytest.raises((errors.DeadlineExceeded, errors.ProviderUnavailable)):
            key.sign(b"message", timeout=0.6)
        assert time.monotonic() - started < 0.6 + 0.25
        faults.clear()
        self.signs(key)

    @pytest.mark.parametrize("kind", WRONG)
    def test_no_lie_reaches_the_caller(self, kind: str) -> None:
        """RULES 1: three wrong replies in one operation are a verdict."""
        faults, key = self.ordered("a lying server"), self.new_signer().key()
        faults.order(f"{kind}:sign")
        with pytest.raises((errors.IntegrityFailure, errors.ProviderUnavailable)):
            key.sign(b"message", timeout=2.0)

    @pytest.mark.parametrize("kind", WRONG)
    def test_one_lie_is_survived(self, kind: str) -> None:
        faults, key = self.ordered("a lying server"), self.new_signer().key()
        faults.order(f"{kind}:sign:1")
        self.signs(key)

    def test_of_many_lies_none_passes(self) -> None:
        faults, key = self.ordered("a lying server"), self.new_signer().key()
        faults.mix("sign", 0.5, dict.fromkeys((*LIES, "garbage"), 1.0))
        bad = returned = 0
        for n in range(many(100, 10_000)):
            data = n.to_bytes(4, "big")
            try:
                signature = key.sign(data)
            except errors.IntegrityFailure:
                continue
            returned += 1
            bad += not is_valid(key.public_key(), key.algorithm, signature, data)
        assert bad == 0
        assert returned > 0
