"""The conformance suite that any backend runs, ours or a third party's: one class to fill in::

    from farsign.testing.conformance import SignerConformance

    class TestAcme(SignerConformance):
        algorithms = {"ES256", "RS256", "PS256"}
        def make_key(self, algorithm): ...          # returns a URI or an opener (a function that makes a driver)
        def rotate(self, key): ...                  # optional; so are disable, delete, move_alias, missing_key, faults, calls

Signatures are verified with ``cryptography`` from the public key alone, never by the provider. What a harness does not offer is not
exercised; pytest's summary ends with a line that says what that was. FARSIGN_SOAK=1 makes the tests that count do so in thousands.
A backend with an emulator (farsign.testing.emulator) needs only data: ``class TestAcme(EmulatorConformance): scheme = "acmekms"``.
"""

from ._emulated import EmulatorConformance
from ._harness import Harness, ShiftedClock
from ._suite import SignerConformance
from ._verify import is_valid, verify

__all__ = ["EmulatorConformance", "Harness", "ShiftedClock", "SignerConformance", "is_valid", "verify"]
