"""How late may be."""

from __future__ import annotations

from typing import Final

from farsign.testing.conformance._harness import many

FACTOR: Final = many(5, 1)  # RULES 38: others use the machine too, but when the figures themselves are at stake
LATE: Final = 0.05  # seconds after its timeout that a call may end
EXIT: Final = 1.0  # seconds that an interpreter may take to exit


def slack(seconds: float) -> float:
    """What of a promise of so many seconds is asserted: those in the long form, five times as much in the default one."""
    return FACTOR * seconds
