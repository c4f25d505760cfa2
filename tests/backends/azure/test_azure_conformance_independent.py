"""The conformance suite over a Key Vault that we did not write (FARSIGN_TEST_AZURE_ENDPOINT and its companions)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import independent_azure
import pytest

from farsign.testing.conformance import SignerConformance
from farsign_azure._driver import VaultKey

independent_azure.needed()
Opener = Callable[[], VaultKey]


class TestIndependentAzure(SignerConformance):
    algorithms: ClassVar = {f"{scheme}{bits}" for scheme in ("RS", "PS", "ES") for bits in (256, 384, 512)} | {"ES256K"}

    @pytest.fixture(autouse=True)
    def _vault(self) -> None:
        self.vault = independent_azure.vault()
        self.names: dict[Any, tuple[str, str]] = {}  # opener -> name and algorithm

    def make_key(self, algorithm: str) -> Opener:
        return self._opener(self.vault.create(algorithm), algorithm)

    def _opener(self, name: str, algorithm: str) -> Opener:
        def opener() -> VaultKey:
            return self.vault.open(name, algorithm)

        self.names[opener] = name, algorithm
        return opener

    def rotate(self, key: Opener) -> None:
        self.vault.add_version(*self.names[key])

    def disable(self, key: Opener) -> None:
        self.vault.client.update_key_properties(self.names[key][0], enabled=False)

    def delete(self, key: Opener) -> None:
        self.vault.client.begin_delete_key(self.names[key][0]).wait()

    def missing_key(self, algorithm: str) -> Opener:
        return self._opener("not-there", algorithm)
