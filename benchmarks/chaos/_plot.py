"""The table as curves: how long the signatures took, ours beside the SDK's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ._load import Outcome

Runs = dict[tuple[str, str, str, int], Outcome]  # scheme, mode, who, percent


def draw(runs: Runs, path: Path) -> None:
    """A PNG: a row for each backend and mode, a column for each share of faults. Ends the program if matplotlib is missing."""
    plt = _pyplot()
    rows = list(dict.fromkeys((scheme, mode) for scheme, mode, _, _ in runs))
    columns = sorted({percent for *_, percent in runs})
    figure, axes = plt.subplots(len(rows), len(columns), figsize=(4 * len(columns), 2.6 * len(rows)), squeeze=False)
    for (scheme, mode, who, percent), outcome in runs.items():
        axis = axes[rows.index((scheme, mode))][columns.index(percent)]
        ordered = sorted(outcome.seconds)
        lost = sum(outcome.lost.values())
        shares = [100 * (index + 1) / len(ordered) for index in range(len(ordered))]
        label = f"{who}: {lost} lost" if lost else who
        axis.plot(shares, [1e3 * each for each in ordered], label=label, linewidth=2 if who == "farsign" else 1)
        axis.set_yscale("log")
        axis.set_title(f"{scheme}, {mode}, {percent} % faults", fontsize=9)
        axis.set_xlabel("% of signatures that took at most", fontsize=8)
        axis.set_ylabel("ms", fontsize=8)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def available() -> None:
    """To be asked before the benchmark takes its minutes."""
    _pyplot()


def _pyplot() -> Any:
    try:
        import matplotlib
    except ModuleNotFoundError:
        sys.exit("--plot draws with matplotlib, which is not installed\n  next: pip install matplotlib, or leave --plot out")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt
