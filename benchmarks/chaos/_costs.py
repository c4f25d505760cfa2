"""What watching a call from outside costs, and what checking each signature does: CPU per signature, on and off."""

from __future__ import annotations

import statistics
import time
from itertools import product
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

import farsign
import farsign_local

ROUNDS: Final = 15
EACH: Final = 400


def costs() -> list[tuple[object, ...]]:
    """Rows: watched, verified, CPU microseconds a signature. The key is local, so that nothing else is measured."""
    opener = farsign_local.opener(ec.generate_private_key(ec.SECP256R1()))

    def watched() -> farsign.driver.RemoteSigner:
        driver = opener()
        driver.total_timeout = False
        return driver

    kinds = {
        (watch, verify): farsign.Signer(watched if watch else opener, policy=farsign.Policy(verify=verify)).key()
        for watch, verify in product((False, True), repeat=2)
    }
    samples: dict[tuple[bool, bool], list[float]] = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind, key in kinds.items():
            samples[kind].append(_cpu(key))
    plain = statistics.median(samples[False, False])
    rows: list[tuple[object, ...]] = []
    for (watch, verify), values in samples.items():
        cpu = statistics.median(values)
        rows.append(("yes" if watch else "no", "yes" if verify else "no", cpu * 1e6, (cpu - plain) * 1e6))
    return rows


def _cpu(key: farsign.SigningKey) -> float:
    start = time.process_time()
    for _ in range(EACH):
        key.sign(b"message")
    return (time.process_time() - start) / EACH
