"""Interleaved timing: every candidate in turn, many short rounds, the median of each, so that a drifting machine hits all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def medians(candidates: Mapping[str, Callable[[], object]], *, rounds: int = 31, seconds: float = 0.01) -> dict[str, float]:
    """Seconds a call, by name."""
    counts = {name: _calibrated(call, seconds) for name, call in candidates.items()}
    samples: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            samples[name].append(_once(call, counts[name]))
    return {name: statistics.median(values) for name, values in samples.items()}


def _calibrated(call: Callable[[], object], seconds: float) -> int:
    call()
    return max(1, int(seconds / max(_once(call, 3), 1e-9)))


def _once(call: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def table(title: str, heads: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    """Aligned columns; numbers to the right."""
    texts = [tuple(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in (heads, *texts)) for column in range(len(heads))]
    print(f"\n{title}\n")
    for row in (heads, *texts):
        print(
            "  ".join(
                cell.ljust(width) if not index else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        )
