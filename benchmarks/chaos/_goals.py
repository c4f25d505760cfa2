"""What was promised, beside what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ._load import Outcome
from ._scenarios import FATES, POLICIES, Outage, Region

RETRIES: Final = 0.27  # per signature at 20 %; the arithmetic expects 0.25
FLAKY: Final = "one place flaky, 60 % 503"
SWITCHES: Final = {**dict.fromkeys(FATES, 2), FLAKY: 4}  # there and back; a flaky one may look well for a while
LATE: Final = 0.05  # seconds that ending a wait may take; five times that where a thousand tasks share one core


@dataclass
class Goals:
    """``rows``: backend, what, goal, figure, "met" or "MISSED"."""

    rows: list[tuple[object, ...]] = field(default_factory=list)

    def add(self, scheme: str, what: str, goal: str, figure: str, *, met: bool) -> None:
        self.rows.append((scheme, what, goal, figure, "met" if met else "MISSED"))

    @property
    def missed(self) -> int:
        return sum(row[-1] == "MISSED" for row in self.rows)

    def faulty(self, scheme: str, mode: str, percent: int, outcome: Outcome, clean: Outcome) -> None:
        lost = sum(outcome.lost.values())
        name = f"{percent} % faults, {mode}"
        if percent:
            self._typed(scheme, name, outcome)
        if percent == 20:
            self.add(scheme, name, "0 lost, 0 wrong", f"{lost} lost, {outcome.wrong} wrong", met=not lost and not outcome.wrong)
            most = RETRIES * outcome.count
            retries = outcome.wire_calls - outcome.count
            self.add(scheme, name, f"<= {most:.0f} retries", str(retries), met=retries <= most)
            ratio = outcome.quantile(0.5) / clean.quantile(0.5)
            self.add(scheme, name, "p50 <= 1.1 x clean", f"{ratio:.2f} x", met=ratio <= 1.1)
        if percent == 50:
            most = POLICIES[mode].timeout + LATE * (5 if mode == "tasks" else 1)
            worst = max(outcome.seconds)
            self.add(scheme, name, f"each ends in {most:.2f} s", f"{worst:.2f} s", met=worst <= most)

    def outage(self, scheme: str, outage: Outage) -> None:
        ratio = outage.outcome.wire_calls / outage.outcome.count
        self._typed(scheme, "full outage", outage.outcome)
        self.add(scheme, "full outage", "<= 1.05 wire calls each", f"{ratio:.3f}", met=ratio <= 1.05)
        took = outage.while_open
        self.add(scheme, "breaker open", "fails in < 50 ms", f"{took * 1e3:.1f} ms at worst", met=took < 0.05)
        slowest = max(outage.recoveries)
        self.add(scheme, f"recovery, {len(outage.recoveries)} times", "<= 6 s", f"{slowest:.1f} s at worst", met=slowest <= 6.0)

    def region(self, scheme: str, fate: str, region: Region) -> None:
        lost = sum(region.outcome.lost.values())
        self.add(scheme, fate, "0 lost, 0 wrong", f"{lost} lost, {region.outcome.wrong} wrong",
                 met=not lost and not region.outcome.wrong)  # fmt: skip
        most = SWITCHES[fate]
        self.add(scheme, fate, f"<= {most} switches", str(region.switches), met=region.switches <= most)

    def throttled(self, scheme: str, outcome: Outcome) -> None:
        self._typed(scheme, "quota 100/s, offered 300/s", outcome)
        self.add(scheme, "quota 100/s, offered 300/s", ">= 95/s", f"{outcome.good:.1f}/s", met=outcome.good >= 95.0)

    def lying(self, scheme: str, outcome: Outcome) -> None:
        self._typed(scheme, "20 % lies", outcome)
        self.add(scheme, "20 % lies", "0 wrong", f"{outcome.wrong} wrong", met=not outcome.wrong)

    def _typed(self, scheme: str, what: str, outcome: Outcome) -> None:
        """An error that is none of farsign's is one that no caller was told of."""
        names = "".join(f", {name}" for name in outcome.untyped)
        self.add(scheme, what, "0 untyped errors", f"{sum(outcome.untyped.values())}{names}", met=not outcome.untyped)
