"""What is signed, and with which credentials, is in no log, error or repr (RULES 16)."""

from __future__ import annotations

import base64
import hashlib
import logging
import traceback

import pytest

from farsign.errors import ProviderError

from ._harness import Harness

CANARY = b"canary-in-the-signing-input"


class SecrecyTests(Harness):
    def test_no_log_at_debug_shows_what_is_signed_or_the_credentials(self, caplog: pytest.LogCaptureFixture) -> None:
        """That includes the SDK's own."""
        with caplog.at_level(logging.DEBUG):
            key = self.new_signer().key()
            signature = key.sign(CANARY)
            logged = caplog.text
        for found in (*self.secrets, *_spellings(CANARY), *_spellings(signature), *_digests(CANARY)):
            assert found not in logged

    def test_no_error_shows_what_is_signed(self, caplog: pytest.LogCaptureFixture) -> None:
        faults, signer = self.ordered("errors"), self.new_signer()
        key = signer.key()
        for code in ("denied", "unavailable"):
            faults.error("sign", code)
            with caplog.at_level(logging.DEBUG), pytest.raises(ProviderError) as caught:
                key.sign(CANARY, timeout=1.0)
            told = "".join(traceback.format_exception(caught.value)) + caught.value.diagnostics() + caplog.text
            faults.clear()
            for found in (*self.secrets, *_spellings(CANARY), *_digests(CANARY)):
                assert found not in told

    def test_no_repr_shows_the_credentials(self) -> None:
        signer = self.new_signer()
        told = f"{signer!r} {signer.key()!r} {signer.key().jwk()!r}"
        for secret in self.secrets:
            assert secret not in told


def _spellings(data: bytes) -> tuple[str, ...]:
    standard = base64.b64encode(data).decode().rstrip("=")
    return (standard, base64.urlsafe_b64encode(data).decode().rstrip("="), data.hex(), repr(data)[2:-1])


def _digests(data: bytes) -> list[str]:
    return [text for name in ("sha256", "sha384", "sha512") for text in _spellings(hashlib.new(name, data).digest())]
