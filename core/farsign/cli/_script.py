"""Faults over time, for ``farsign emulate --script FILE|-``: a line orders a fault, ``clear`` ends all, ``wait 5s`` waits.

    throttle:sign:3         # as --fault takes it
    wait 10s
    error:sign:disabled
    wait 1m
    clear

A file is read and checked before anything runs. From standard input lines count as they come, so that a test in any language can steer
an emulator; a line that means nothing is told and passed over.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from farsign.errors import ConfigurationError

from ._terminal import duration, read

if TYPE_CHECKING:
    from farsign.testing.emulator import Faults


class Step(NamedTuple):
    """Seconds to wait, then a fault to order, or "clear"; either may be nothing."""

    wait: float = 0.0
    order: str = ""


def read_script(source: str, faults: Sequence[Faults] = ()) -> Iterable[Step]:
    """``faults``: of those for whom it is. Raises ConfigurationError, naming the line."""
    if source == "-":
        return _as_they_come(faults)
    return [_step(line, number, faults) for number, line in _lines(read(source).decode("utf-8", "replace").splitlines())]


def follow(steps: Iterable[Step], faults: Sequence[Faults]) -> None:
    """On a thread of its own, which is never waited for."""
    threading.Thread(target=_follow, args=(steps, faults), name="farsign-script", daemon=True).start()


def _follow(steps: Iterable[Step], faults: Sequence[Faults]) -> None:
    for step in steps:
        time.sleep(step.wait)
        if step.order == "clear":
            for each in faults:
                each.clear()
        elif step.order:
            place(step.order, faults)


def check(text: str, faults: Sequence[Faults]) -> Sequence[Faults]:
    """Those that have the operation. Raises ConfigurationError for what is no fault, or of an operation that none of them has."""
    from farsign.testing.emulator import parse

    operation = parse(text).operation
    having = [each for each in faults if each.operations is None or operation in each.operations]
    if faults and not having:
        known = " ".join(dict.fromkeys(name for each in faults for name in each.operations or ()))
        raise ConfigurationError(f"{text!r}: no operation {operation!r} here", next_step=f"name one of {known}")
    return having


def place(text: str, faults: Sequence[Faults]) -> None:
    """Order a fault of all that have its operation. Raises ConfigurationError as ``check`` does."""
    for each in check(text, faults):
        each.order(text)


def _as_they_come(faults: Sequence[Faults]) -> Iterator[Step]:
    """Through a reader of its own: sys.stdin's lock, held by a thread that waits, would end the interpreter with a fatal error."""
    with open(os.dup(0), encoding="utf-8", errors="replace") as commands:
        for number, line in _lines(commands):
            try:
                yield _step(line, number, faults)
            except ConfigurationError as error:
                print(error.diagnostics(), file=sys.stderr, flush=True)


def _lines(text: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text, 1):
        if content := line.partition("#")[0].strip():
            yield number, content


def _step(line: str, number: int, faults: Sequence[Faults]) -> Step:
    word, *rest = line.split()
    try:
        if word == "wait" and len(rest) == 1:
            return Step(wait=duration(rest[0]))
        if line != "clear":
            check(line, faults)
    except (ConfigurationError, argparse.ArgumentTypeError) as error:
        step = getattr(error, "next_step", "write wait 5s")
        raise ConfigurationError(f"line {number}: {error}", next_step=f"{step}; or clear, or wait 5s") from None
    return Step(order=line)
