"""The suite over an emulator: one line of data for each backend that brings one."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import pytest

from farsign.testing.emulator import EmulatedKey, Emulator

from ._suite import SignerConformance


class EmulatorConformance(SignerConformance):
    """``scheme`` says which emulator; it can do all that the suite asks for, or raises NotImplementedError."""

    scheme: ClassVar[str]

    @pytest.fixture(autouse=True)
    def _start(self, emulator: Callable[..., Emulator]) -> None:
        self.emulator = emulator(self.scheme)
        self.faults = self.emulator.faults
        self._made: dict[str, EmulatedKey] = {}

    def make_key(self, algorithm: str) -> str:
        key = self.emulator.create_key(algorithm, alias=f"conformance-{len(self._made)}")
        self._made[key.uri] = key
        return key.uri

    def rotate(self, key: str) -> None:
        self._made[key] = self.emulator.rotate(self._made[key])

    def move_alias(self, key: str, other: str) -> None:
        alias = self._made[key].alias
        assert alias is not None
        self.emulator.move_alias(alias, self._made[other])

    def disable(self, key: str) -> None:
        self.emulator.disable(self._made[key])

    def delete(self, key: str) -> None:
        self.emulator.delete(self._made[key])

    def missing_key(self, algorithm: str) -> str:
        uri = self.make_key(algorithm)
        with self.emulator.keys.lock:
            del self.emulator.keys.keys[self._made[uri].name]
        return uri

    def calls(self, operation: str) -> int:
        return self.emulator.calls(operation)

    def leading_zero(self, where: Literal["r", "s"]) -> None:
        self.emulator.keys.leading_zero = where
