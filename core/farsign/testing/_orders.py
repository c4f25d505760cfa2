"""Faults as they are ordered: one line of text, or a ``Fault``.

KIND:OPERATION, what the kind takes, and words in any order; in a name or value %3A is a colon and %2C a comma::

    throttle:sign:3                      the next three signatures are throttled
    error:sign:denied                    from now on; the name is a code of farsign.errors, or the provider's own
    latency:*:0.2    slow_drip:sign:5    seconds; * is every operation
    reset:sign:10%   throttle:sign:30s   one in ten; for half a minute
    rate:sign:100                        what exceeds 100 calls a second is throttled
    throttle:sign:retry_after=2          and the client is told to wait for two seconds
    error:sign:denied:key=auth:scope=eu-west-1    only keys whose name at the provider contains that; only that region
    down:eu-west-1   down   down:30s     every connection to that region is reset; to all; for half a minute
    mix:sign:20%:of=throttle*25,reset*15,latency:1.5*10    of one in five calls one of these strikes, by weight
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from farsign.errors import ConfigurationError

# What an emulator answers wrongly inside a well-formed reply: each must be caught by whoever checks signatures.
LIES: Final = (
    "wrong_signature",  # one bit is not right
    "other_keys_signature",  # valid, by another key of the same kind
    "other_digest",  # valid, by this key, over something else
    "short_signature",  # the last byte is missing
    "oversized",  # followed by 4096 bytes more
    "wrong_key_id",  # the reply names another key or version
)
# What happens to the reply as bytes. Where there is no HTTP, an emulator does what comes nearest.
BROKEN_REPLIES: Final = (
    "reset",  # the connection is reset instead of a reply
    "truncate",  # the reply ends in the middle, then the connection
    "garbage",  # 200 OK, and bytes that mean nothing
    "slow_drip",  # the reply comes byte by byte, over so many seconds
    "stall",  # no reply, and the connection stays open
)
KINDS: Final = ("throttle", "rate", "error", "latency", *BROKEN_REPLIES, *LIES)
WRITTEN: Final = (*KINDS, "down", "mix")


@dataclass(slots=True)
class Fault:
    """One order; it is over when it struck ``times`` calls or after ``seconds``, whichever comes first. None: until cleared."""

    kind: str
    operation: str  # "sign", "describe", a wire name in any case, or "*"
    argument: str | float | None = None  # an error's name, seconds, or calls a second
    times: int | None = None
    seconds: float | None = None
    probability: float = 1.0  # for each call
    key: str = ""  # only keys whose wire name contains this
    scope: str = ""  # only this region or location
    retry_after: float | None = None  # seconds, told to the client
    choices: Mapping[str, float] = field(default_factory=dict)  # of a mix: a fault's text without operation -> weight
    until: float = math.inf  # monotonic; set when ordered
    tokens: float = 0.0  # of a rate: calls that may pass now
    filled: float = -math.inf  # monotonic; when that was so

    def fits(self, names: Collection[str], key: str, scope: str) -> bool:
        wanted = self.operation == "*" or self.operation.lower() in names
        return wanted and self.key in key and self.scope in ("", scope)


class Part(NamedTuple):
    """Of a text: what it looks like, and what is said of it where it is missing."""

    name: str
    pattern: str
    read: Callable[[str], Any]
    only: Collection[str] = WRITTEN  # the kinds that take it


_NUMBER: Final = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
# What follows KIND:OPERATION.
ARGUMENTS: Final = MappingProxyType(
    {
        "error": Part("NAME", "(.+)", unquote),
        "rate": Part("CALLS-A-SECOND", _NUMBER, float),
        "latency": Part("SECONDS", f"{_NUMBER}s?", float),
        "slow_drip": Part("SECONDS", f"{_NUMBER}s?", float),
    }
)
# What may follow then, in any order: a field of ``Fault`` each.
WORDS: Final = MappingProxyType(
    {
        "times": Part("TIMES", "0*([1-9][0-9]{0,8})", int),
        "seconds": Part("SECONDSs", f"{_NUMBER}s", float),
        "probability": Part("PERCENT%", r"(100|[0-9]{1,2}(?:\.[0-9]{1,9})?)%", lambda text: float(text) / 100),
        "retry_after": Part("retry_after=SECONDS", f"retry_after={_NUMBER}", float, ("throttle", "rate", "error")),
        "scope": Part("scope=REGION", "scope=(.+)", unquote),
        "key": Part("key=PART-OF-ITS-NAME", "key=(.+)", unquote),
    }
)
_OF: Final = ":of="
_CHOICE: Final = re.compile(rf"([^*]+)(?:\*{_NUMBER})?")


def parse(text: str) -> Fault:
    """The fault that a text means. Raises ConfigurationError, saying what is wrong, what is expected and what to write."""
    kind, *words = text.partition(_OF)[0].split(":")
    try:
        if kind not in WRITTEN:
            raise ValueError(f"there is no kind {kind!r}")
        return _read(kind, words, text.partition(_OF)[2])
    except ValueError as wrong:
        raise ConfigurationError(f"{text!r} is no fault: {wrong}", next_step=_expected(kind)) from None


def choice(text: str, operation: str) -> Fault:
    """What a mix chooses. Raises ConfigurationError for what does not strike one call at once."""
    kind, _, rest = text.partition(":")
    fault = parse(f"{kind}:{operation}" + (f":{rest}" if rest else ""))
    plain = Fault(fault.kind, operation, fault.argument, retry_after=fault.retry_after)
    if kind not in KINDS or kind == "rate" or fault != plain:
        step = "write KIND, with its NAME or SECONDS and retry_after=, but no down, rate, mix, times, duration, chance, key or scope: these are the mix's"
        raise ConfigurationError(f"{text!r} cannot be one of a mix", next_step=step)
    return fault


def check_choices(choices: Mapping[str, float], operation: str) -> None:
    """Raises ConfigurationError."""
    for text, weight in choices.items():
        choice(text, operation)
        if not 0 < weight < math.inf:
            raise ConfigurationError(f"{text!r} has the weight {weight}", next_step="give each a number above 0")
    if not choices:
        raise ConfigurationError(
            "a mix of nothing", next_step='name what it chooses among, such as {"throttle": 25, "reset": 15}'
        )


def _read(kind: str, words: list[str], choices: str) -> Fault:
    if kind == "down":
        region = "*" if not words or _word(kind, words[0]) else words.pop(0)
        fault = Fault("reset", "*", scope="" if region == "*" else unquote(region))
    elif words and words[0]:
        fault = Fault(kind, words.pop(0))
    else:
        raise ValueError("it names no operation")
    if argument := ARGUMENTS.get(kind):
        fault.argument = _matched(argument, words.pop(0) if words else "")
    elif kind == "throttle":
        fault.kind, fault.argument = "error", "throttled"
    _read_words(fault, kind, words)
    if (kind == "mix") != bool(choices):
        raise ValueError("only a mix has of=" if choices else "a mix says of what")
    if choices:
        fault.choices = _read_choices(choices, fault.operation)
    return fault


def _matched(part: Part, text: str) -> Any:
    found = re.fullmatch(part.pattern, text, re.ASCII)
    if found is None:
        raise ValueError(f"{text!r} is no {part.name}" if text else f"{part.name} is missing")
    return part.read(found[1])


def _read_words(fault: Fault, kind: str, words: list[str]) -> None:
    said = {"scope"} if fault.scope else set[str]()
    for word in words:
        name = _word(kind, word)
        if not name or name in said:
            raise ValueError(f"{word!r} is said twice" if name else f"{word!r} is nothing that {kind} takes")
        said.add(name)
        setattr(fault, name, _matched(WORDS[name], word))


def _word(kind: str, word: str) -> str:
    """The field that it is about; "" if that kind takes no such word."""
    fitting = (name for name, part in WORDS.items() if kind in part.only and re.fullmatch(part.pattern, word, re.ASCII))
    return next(fitting, "")


def _read_choices(text: str, operation: str) -> dict[str, float]:
    found = {}
    for part in text.split(","):
        match = _CHOICE.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is no choice, such as throttle or latency:1.5*10")
        found[match[1]] = float(match[2] or 1)
    check_choices(found, operation)
    return found


def _expected(kind: str) -> str:
    """How that kind is written; of what is none, which there are."""
    if kind not in WRITTEN:
        return f"write KIND:OPERATION, such as throttle:sign:3; kinds: {' '.join(WRITTEN)}"
    argument = ARGUMENTS.get(kind)
    form = "down[:REGION]" if kind == "down" else f"{kind}:OPERATION{':' + argument.name if argument else ''}"
    words = " ".join(part.name for part in WORDS.values() if kind in part.only)
    choices = ", last of=KIND*WEIGHT,KIND*WEIGHT (of=throttle*25,latency:1.5*10)" if kind == "mix" else ""
    return f"write {form}, then with colons between any of {words}{choices}"
