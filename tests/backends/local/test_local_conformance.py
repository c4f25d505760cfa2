"""The conformance suite over the embedded backends: keys in memory and in a file."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from farsign._base.algorithms import ASYMMETRIC
from farsign.testing._signatures import pem_of_new_key
from farsign.testing.conformance import SignerConformance
from farsign_local import memory

NUMBERS = itertools.count()


class TestMemory(SignerConformance):
    algorithms = frozenset(ASYMMETRIC)

    def make_key(self, algorithm: str) -> str:
        return f"memory:conformance-{next(NUMBERS)}?alg={algorithm}"

    def rotate(self, key: str) -> None:
        memory.rotate(key)

    def disable(self, key: str) -> None:
        memory.disable(key)

    def delete(self, key: str) -> None:
        memory.delete(key)


class TestFile(SignerConformance):
    algorithms = frozenset(ASYMMETRIC)

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make_key(self, algorithm: str) -> str:
        path = self.folder / f"{next(NUMBERS)}.pem"
        path.touch(mode=0o600)
        path.write_bytes(pem_of_new_key(algorithm))
        return f"file://{path}?alg={algorithm}"

    def rotate(self, key: str) -> None:
        path, _, algorithm = key.removeprefix("file://").partition("?alg=")
        new = Path(path + ".new")
        new.touch(mode=0o600)
        new.write_bytes(pem_of_new_key(algorithm))
        new.replace(path)

    # no delete(): a key that was read stays in this process, so a file that goes away stops no signature

    def missing_key(self, algorithm: str) -> str:
        return f"file://{self.folder}/none.pem"
