"""The names of an emulator's operations: a closed set, for a misspelt one would strike nothing and count nothing, in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

PORTABLE: Final = ("sign", "describe")


class Operations:
    """Portable names, wire names in any case, and "*"."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names: dict[str, str] = {}
        for name in ("*", *PORTABLE, *names):
            self._names.setdefault(name.lower(), name)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.values())

    def check(self, name: str) -> None:
        """Raises ValueError, naming those that there are."""
        if name not in self:
            raise ValueError(f"no operation {name!r} here; there are {' '.join(self)}")
