"""The conformance suite over AWS KMS: the real boto3 against the emulator."""

from __future__ import annotations

from typing import ClassVar

from farsign.testing.conformance import EmulatorConformance

RSA = {f"{scheme}{bits}" for scheme in ("RS", "PS") for bits in (256, 384, 512)}
ML_DSA = {"ML-DSA-44", "ML-DSA-65", "ML-DSA-87"}


class TestAws(EmulatorConformance):
    scheme = "awskms"
    algorithms = RSA | {"ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519"} | ML_DSA
    limits: ClassVar = {"EdDSA": 4096, "Ed25519": 4096}  # Ed25519 takes the message itself, and KMS no more than that
    refuses_empty: ClassVar = {"EdDSA", "Ed25519", *ML_DSA}  # Sign's Message has at least one byte
    situations = EmulatorConformance.situations | {"key-unavailable", "deleted", "misuse", "quota", "clock-skew"}
    secrets = ("AWS4-HMAC-SHA256",)  # no signed header, and nothing that it is made of
