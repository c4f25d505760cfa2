"""The conformance suite over transit: the real hvac against the emulator, under both schemes."""

from __future__ import annotations

from farsign.testing.conformance import EmulatorConformance

RSA = {f"{scheme}{bits}" for scheme in ("RS", "PS") for bits in (256, 384, 512)}


class TestVault(EmulatorConformance):
    scheme = "hashivault"
    algorithms = RSA | {"ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
    situations = EmulatorConformance.situations | {"key-unavailable", "deleted", "misuse"}
    secrets = ("s.token-of-the-farsign-emulator",)

    def calls(self, operation: str) -> int:
        """A look-up reads the key twice, to list its versions and to describe one: transit has one request for both."""
        return super().calls(operation) // (2 if operation == "describe" else 1)
