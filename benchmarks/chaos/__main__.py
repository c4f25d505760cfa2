"""The runs, the table, the goals."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from benchmarks._timing import table
from farsign._plugin.discovery import installed

from . import _plot, _scenarios
from ._bare import SDKS
from ._cloud import Cloud
from ._costs import costs
from ._goals import Goals
from ._load import Outcome
from ._scenarios import Size

PERCENT = (0, 20, 50)
SCENARIOS = ("faults", "outage", "region", "throttle", "lies", "costs")
HEADS = ("backend", "scenario", "who", "lost", "wrong", "calls/signature", "p50 ms", "p99 ms", "worst ms", "CPU us")


class Report:
    def __init__(self) -> None:
        self.rows: list[tuple[object, ...]] = []
        self.goals = Goals()
        self.runs: _plot.Runs = {}

    def row(self, scheme: str, scenario: str, who: str, outcome: Outcome) -> None:
        lost = sum(outcome.lost.values())
        share = f"{lost} ({100 * lost / outcome.count:.1f} %)" if lost else "0"
        times = [f"{seconds * 1e3:.1f}" for seconds in (outcome.quantile(0.5), outcome.quantile(0.99), max(outcome.seconds))]
        calls, cpu = f"{outcome.wire_calls / outcome.count:.3f}", f"{outcome.cpu / outcome.count * 1e6:.0f}"
        self.rows.append((scheme, scenario, who, share, outcome.wrong, calls, *times, cpu))
        print("  ".join(map(str, self.rows[-1])), file=sys.stderr, flush=True)


def run(scheme: str, scenarios: list[str], size: Size, report: Report) -> None:
    with Cloud(scheme) as cloud:
        if "faults" in scenarios:
            _faults(cloud, scheme, size, report)
        if "outage" in scenarios:
            for who in _who(scheme):
                outage = _scenarios.outage(cloud, who, size)
                report.row(scheme, "full outage", who, outage.outcome)
                if who == "farsign":
                    report.goals.outage(scheme, outage)
        if "region" in scenarios:
            for fate in _scenarios.FATES:
                region = _scenarios.region(cloud, fate, size)
                report.row(scheme, fate, "farsign", region.outcome)
                report.goals.region(scheme, fate, region)
        if "throttle" in scenarios:
            outcome = _scenarios.throttled(cloud, size)
            report.row(scheme, "quota 100/s, offered 300/s", "farsign", outcome)
            report.goals.throttled(scheme, outcome)
        if "lies" in scenarios:
            for who in _who(scheme):
                outcome = _scenarios.lying(cloud, who, size)
                report.row(scheme, "20 % lies", who, outcome)
                if who == "farsign":
                    report.goals.lying(scheme, outcome)


def _faults(cloud: Cloud, scheme: str, size: Size, report: Report) -> None:
    for mode in _scenarios.POLICIES:
        for percent in PERCENT:
            for who in _who(scheme):
                outcome = _scenarios.faulty(cloud, mode, who, percent, size)
                report.row(scheme, f"{percent} % faults, {mode}", who, outcome)
                report.runs[scheme, mode, who, percent] = outcome
                if who == "farsign":
                    report.goals.faulty(scheme, mode, percent, outcome, report.runs[scheme, mode, who, 0])


def _who(scheme: str) -> Iterator[str]:
    yield "farsign"
    if scheme in SDKS:
        yield SDKS[scheme][0]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    here = sorted(row.scheme for row in installed() if row.present and row.scheme in SDKS)
    parser.add_argument("backends", nargs="*", default=here, help=f"default: what is installed, {' '.join(here)}")
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=SCENARIOS)
    for name, text in (("signatures", "of each run"), ("threads", "that sign at once"), ("tasks", "that sign at once"),
                       ("rate", "signatures a second of paced tasks"), ("outage", "calls of the bare SDK in a full outage"),
                       ("seconds", "of offered load, and that one of two places is not well"), ("outages", "to recover from")):  # fmt: skip
        usual = getattr(Size, name)
        parser.add_argument(f"--{name}", type=type(usual), default=usual, help=f"{text} (default {usual:g})")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the latencies; needs matplotlib")
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    logging.getLogger("farsign").setLevel(logging.ERROR)
    if arguments.plot:
        _plot.available()
    size = Size(**{field.name: getattr(arguments, field.name) for field in fields(Size)})
    report = Report()
    for scheme in arguments.backends if set(arguments.scenarios) - {"costs"} else ():
        run(scheme, arguments.scenarios, size, report)
    if report.rows:
        table("Faults on the wire", HEADS, report.rows)
        table("Goals", ("backend", "scenario", "goal", "figure", ""), report.goals.rows)
    if "costs" in arguments.scenarios:
        table("CPU of a signature with a local ES256 key", ("watched", "verified", "us", "more us"), costs())
    if arguments.plot:
        _plot.draw(report.runs, arguments.plot)
        print(f"\n{arguments.plot}")
    return 1 if report.goals.missed else 0


if __name__ == "__main__":
    sys.exit(main())
