"""An emulator in a process of its own, asked through a pipe."""

from __future__ import annotations

import multiprocessing
from functools import reduce
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives import serialization

from farsign._plugin.discovery import backend
from farsign.testing.emulator import EmulatedKey, Emulator

_SPAWN = multiprocessing.get_context("spawn")


class Cloud:
    """``ask("faults.throttle", "sign", 3)`` calls that method of the emulator over there."""

    def __init__(self, scheme: str) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(scheme, theirs), daemon=True)
        self._process.start()
        self.key: EmulatedKey = self.ask("create_key", "ES256")

    def ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        self._pipe.send((method, arguments, options))
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def twin(self) -> Cloud:
        """Another place with the same key."""
        other = type(self)(self.key.uri.partition(":")[0])
        other.ask("adopt", other.key, self.ask("exported", self.key))
        return other

    def wire_calls(self) -> int:
        calls: int = self.ask("calls", "sign")
        return calls

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pipe.close()
        self._process.join(10)


def _serve(scheme: str, pipe: Connection) -> None:
    made = backend(scheme).emulator()
    assert made is not None
    with made as emulator:
        while True:
            try:
                method, arguments, options = pipe.recv()
            except (EOFError, KeyboardInterrupt):  # the benchmark has ended
                return
            try:
                pipe.send(_answer(emulator, method, arguments, options))
            except Exception as error:  # told there
                pipe.send(RuntimeError(f"{method}: {error!r}"))


def _answer(emulator: Emulator, method: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    if method == "exported":
        private = _version(emulator, *arguments).private
        return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    if method == "adopt":
        key, pem = arguments
        version = _version(emulator, key)
        version.private = serialization.load_pem_private_key(pem, None)
        for derived in ("public_key", "spki"):
            version.__dict__.pop(derived, None)
        return None
    found = reduce(getattr, method.split("."), emulator)
    answer = found(*arguments, **options) if callable(found) else found
    return None if answer is emulator else answer


def _version(emulator: Emulator, key: EmulatedKey) -> Any:
    return emulator.keys.keys[key.name].versions[key.version_id]
