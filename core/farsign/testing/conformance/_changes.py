"""Keys that turn, move and go: which key signs, and what stops at once (RULES 1, 2, 6)."""

from __future__ import annotations

import threading
import time

import pytest

import farsign
from farsign.errors import KeyChanged, KeyDeleted, KeyDisabled, KeyNotFound

from ._harness import Harness, ShiftedClock, in_threads, until

EAGER = farsign.Policy(timeout=20.0, attempt_timeout=10.0, publish_lead=0.0, recheck=0.05)


class ChangeTests(Harness):
    def test_a_rotated_key_is_published_before_it_signs(self) -> None:
        rotate = self.optional("rotate", "rotation")
        key, clock = self.make_key(self.main), ShiftedClock()
        signer = self.signer(key, self.main, clock=clock)
        old = signer.key()
        rotate(key)
        self._waits_then_switches(signer, old, clock)

    def test_a_moved_name_is_published_before_it_signs_and_can_move_back(self) -> None:
        move = self.optional("move_alias", "names that move to another key")
        key, other, clock = self.make_key(self.main), self.make_key(self.main), ShiftedClock()
        signer, theirs = self.signer(key, self.main, clock=clock), self.signer(other, self.main).key()
        ours = signer.key()
        move(key, other)
        assert self._waits_then_switches(signer, ours, clock).kid == theirs.kid

    def _waits_then_switches(self, signer: farsign.Signer, old: farsign.SigningKey, clock: ShiftedClock) -> farsign.SigningKey:
        signer.invalidate()
        pending = until(lambda: [key for key in signer.published() if key.kid != old.kid])[0]
        assert signer.key().kid == old.kid, "verifiers cannot know the new key yet"
        self.signs(signer.key())
        clock.advance(signer.policy.publish_lead + 1)
        new = until(lambda: key if (key := signer.key()).kid != old.kid else None)
        assert new.kid == pending.kid
        self.signs(new)
        assert old.kid in {key.kid for key in signer.published()}, "tokens that the old key signed are still about"
        return new

    def test_rotation_mid_flight_never_mixes_two_keys(self) -> None:
        rotate = self.optional("rotate", "rotation")
        key = self.make_key(self.main)
        signer = self.signer(key, self.main, policy=EAGER)
        stop, kids = threading.Event(), set()

        def sign(n: int) -> None:
            count = 0
            while not stop.is_set():
                count += 1
                now = signer.key()
                try:
                    self.signs(now, f"{n} {count}".encode())
                except KeyChanged:
                    continue
                kids.add(now.kid)

        def turn(n: int) -> None:
            if n:
                return sign(n)
            try:
                for _ in range(3):
                    before = signer.key().kid
                    rotate(key)
                    while signer.key().kid == before:
                        time.sleep(0.02)
                    time.sleep(0.05)  # the new one signs for a while
            finally:
                stop.set()

        in_threads(5, turn)
        assert len(kids) >= 3

    def test_a_disabled_key_stops_at_once(self) -> None:
        disable = self.optional("disable", "disabled keys")
        key = self.make_key(self.main)
        held = self.signer(key, self.main).key()
        self.signs(held)
        disable(key)
        with pytest.raises(KeyDisabled) as caught:
            held.sign(b"message")
        assert caught.value.next_step
        with pytest.raises((KeyDisabled, KeyNotFound)):
            self.signer(key, self.main).check()

    def test_a_deleted_key_stops_at_once(self) -> None:
        delete = self.optional("delete", "deleted keys")
        key = self.make_key(self.main)
        held = self.signer(key, self.main).key()
        delete(key)
        for attempt in (lambda: held.sign(b"message"), lambda: self.signer(key, self.main).check()):
            with pytest.raises((KeyDeleted, KeyNotFound)):
                attempt()

    def test_a_key_that_is_not_there(self) -> None:
        missing = self.optional("missing_key", "missing keys")(self.main)
        with pytest.raises(KeyNotFound) as caught:
            self.signer(missing, self.main).key()
        assert caught.value.next_step
