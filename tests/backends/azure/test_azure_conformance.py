"""The conformance suite over Key Vault: the real azure-keyvault-keys against the emulator."""

from __future__ import annotations

import pytest

from farsign.testing.conformance import EmulatorConformance

# A call that is left behind ends on a thread that nobody waits for; what requests' error holds of its connection, the collector closes.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


class TestAzure(EmulatorConformance):
    scheme = "azurekms"
    algorithms = {f"{scheme}{bits}" for scheme in ("RS", "PS", "ES") for bits in (256, 384, 512)} | {"ES256K"}
    situations = EmulatorConformance.situations | {"key-unavailable", "deleted", "misuse"}
    secrets = ("token-of-the-farsign-emulator",)
