"""RULES 1 and 2 under load: keys change while threads and tasks sign. No header may disagree with its signature."""

from __future__ import annotations

import asyncio
import threading
import time

from fakekms import FakeDriver, FakeKMS, flip

import farsign
from farsign import errors
from farsign._base.events import KeySwitched
from farsign._base.policy import Policy
from farsign._signer.signer import Signer
from farsign._signer.signing import Signed, asign_with, sign_with
from farsign._signer.signing_key import SigningKey

CHANGES = 10_000


def header_of(key: SigningKey) -> bytes:
    return f"{key.kid}.payload".encode()


class Check:
    """Verifies each token with the key that its header names, and that this key had been published for the lead."""

    def __init__(self) -> None:
        self.good = self.wrong = 0
        self.lock = threading.Lock()

    def __call__(self, signed: Signed) -> None:
        kid = signed.signing_input.decode().split(".")[0]
        signed.key.checker("ES256", "message")(signed.signature, signed.signing_input)
        with self.lock:
            self.good += 1
            self.wrong += kid != signed.key.kid


def test_ten_thousand_key_changes_racing_with_threads_and_tasks() -> None:
    kms = FakeKMS()
    first = kms.latest
    pool = [first, *(kms.rotate() for _ in range(7))]
    kms.latest = first
    signer = Signer(lambda: FakeDriver(kms), policy=Policy(publish_lead=0.0, recheck=0.0))
    check, stop, failures, switches = Check(), threading.Event(), [], []
    unsubscribe = farsign.observe(lambda event: switches.append(event) if isinstance(event, KeySwitched) else None)

    def encode() -> None:
        while not stop.is_set():
            try:
                check(sign_with(signer, header_of))
            except errors.ProviderError as error:
                failures.append(error)

    async def aencode() -> None:
        while not stop.is_set():
            check(await asign_with(signer, header_of))

    def private_key_like() -> None:
        """Holds one SigningKey across changes, as a private-key object does."""
        while not stop.is_set():
            key = signer.key()
            for _ in range(5):
                check(sign_with(key, header_of))

    threads = [threading.Thread(target=work) for work in (encode, private_key_like, lambda: asyncio.run(aencode()))]
    for thread in threads:
        thread.start()
    for number in range(CHANGES):
        kms.latest = pool[number % len(pool)]
        signer.invalidate()
        signer.key()
        if number % 50 == 0 and not kms.replies:  # three in a row would be the end of one signature, rightly
            kms.replies.append(flip)
    stop.set()
    for thread in threads:
        thread.join()
    unsubscribe()
    assert failures == []
    assert len(switches) > 0.9 * CHANGES
    assert check.wrong == 0
    assert check.good > 100


def test_no_token_by_a_version_younger_than_the_lead() -> None:
    lead = 0.3
    kms = FakeKMS()
    seen: dict[str, float] = {}
    signer = Signer(lambda: FakeDriver(kms), policy=Policy(publish_lead=lead, recheck=0.0, retire_after=60.0))
    first = signer.key().version
    young, good, before = [], 0, time.monotonic()
    end = before + 2.5
    while time.monotonic() < end:
        now = time.monotonic()
        for key in signer.published():
            seen.setdefault(key.version, before)  # it was not there when we looked last, so it has been there for less than that
        before = now
        signed = sign_with(signer, header_of)
        good += 1
        if signed.key.version != first and time.monotonic() < seen.get(signed.key.version, now) + lead:
            young.append(signed.key.version)
        if good % 200 == 0:
            kms.rotate()
    assert young == []
    assert good > 500
