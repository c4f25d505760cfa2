"""The conformance suite over Key Vault: the real azure-keyvault-keys against the emulator."""

from __future__ import annotations

from farsign.testing.conformance import EmulatorConformance


class TestAzure(EmulatorConformance):
    scheme = "azurekms"
    algorithms = {f"{scheme}{bits}" for scheme in ("RS", "PS", "ES") for bits in (256, 384, 512)} | {"ES256K"}
    situations = EmulatorConformance.situations | {"key-unavailable", "deleted", "misuse"}
    secrets = ("token-of-the-farsign-emulator",)
