"""The conformance suite over Google Cloud KMS: real gRPC with google-cloud-kms's messages against the emulator."""

from __future__ import annotations

from typing import ClassVar

from farsign.testing.conformance import EmulatorConformance

DATA = {"EdDSA", "Ed25519", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"}  # sign the message itself


class TestGcp(EmulatorConformance):
    scheme = "gcpkms"
    algorithms = {"RS256", "RS512", "PS256", "PS512", "ES256", "ES384", "ES256K"} | DATA
    limits: ClassVar = dict.fromkeys(DATA, 65536)
    refuses_empty: ClassVar = DATA  # an empty `data` is none
    situations = EmulatorConformance.situations | {"key-unavailable", "deleted", "misuse"}
    secrets = ("token-of-the-farsign-emulator",)
