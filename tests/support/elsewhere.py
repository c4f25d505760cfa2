"""What tests run in other processes: importable there, as test modules are not."""

from __future__ import annotations

import os

import farsign


def settle(environment: dict[str, str]) -> None:
    """As in the test: a fork server has the environment of the test that started it."""
    os.environ.update(environment)


def sign_here(signer: farsign.Signer, key: farsign.SigningKey) -> tuple[str, str, bytes]:
    return signer.key().kid, key.kid, key.sign(b"x")
