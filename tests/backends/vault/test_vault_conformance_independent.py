"""The conformance suite over a transit engine that we did not write: FARSIGN_TEST_VAULT_ADDR, FARSIGN_TEST_VAULT_TOKEN."""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

import hvac
import pytest

from farsign.testing.conformance import SignerConformance

NUMBERS = itertools.count()
TYPES = {"ES256": "ecdsa-p256", "ES384": "ecdsa-p384", "ES512": "ecdsa-p521", "EdDSA": "ed25519", "Ed25519": "ed25519"}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, str, str]]:
    """Address, token and a mount of our own, which is removed in the end."""
    address, token = os.environ.get("FARSIGN_TEST_VAULT_ADDR"), os.environ.get("FARSIGN_TEST_VAULT_TOKEN")
    if not address or not token:
        pytest.skip(
            "set FARSIGN_TEST_VAULT_ADDR and FARSIGN_TEST_VAULT_TOKEN to a server's and to a token that may mount transit, "
            "such as `bao server -dev -dev-root-token-id=root` has"
        )
    client, mount = hvac.Client(url=address, token=token), f"farsign-{uuid.uuid4().hex[:12]}"
    client.sys.enable_secrets_engine("transit", path=mount)
    yield address, token, mount
    client.adapter.delete(f"/v1/sys/mounts/{mount}", raise_exception=False)


class TestIndependentVault(SignerConformance):
    """Faults are not ordered here, and no server lets the newest version alone be disabled."""

    algorithms: ClassVar = {f"{scheme}{bits}" for scheme in ("RS", "PS") for bits in (256, 384, 512)} | set(TYPES)

    @pytest.fixture(autouse=True)
    def _server(self, server: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        address, token, self.mount = server
        monkeypatch.setenv("VAULT_ADDR", address)
        monkeypatch.setenv("VAULT_TOKEN", token)
        self.transit: Any = hvac.Client(url=address, token=token).secrets.transit

    def make_key(self, algorithm: str) -> str:
        name = f"conformance-{next(NUMBERS)}"
        self.transit.create_key(name, key_type=TYPES.get(algorithm, "rsa-2048"), mount_point=self.mount)
        return f"hashivault://{name}?mount={self.mount}&alg={algorithm}"

    def rotate(self, key: str) -> None:
        self.transit.rotate_key(self._name(key), mount_point=self.mount)

    def delete(self, key: str) -> None:
        self.transit.update_key_configuration(self._name(key), deletion_allowed=True, mount_point=self.mount)
        self.transit.delete_key(self._name(key), mount_point=self.mount)

    def missing_key(self, algorithm: str) -> str:
        return f"hashivault://not-there?mount={self.mount}"

    @staticmethod
    def _name(key: str) -> str:
        return key.removeprefix("hashivault://").partition("?")[0]
