"""Endless mutated tokens and key sets, each with its check: what the fuzzer runs a million of, and the tests a few thousand."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator

import fuzzoracle
from fuzzseeds import key_sets, seeds
from mutations import Mutator

Case = tuple[bytes, Callable[[], str]]  # the input, and its check


def tokens(seed: int) -> Iterator[Case]:
    """Endless checks, each of one mutated token."""
    mutator, listed, verifiers = Mutator(seed), seeds(), fuzzoracle.verifiers()
    pick = mutator.random
    for turn in itertools.count():
        mine, other = pick.choice(listed), pick.choice(listed)
        document = fuzzoracle.written_for(turn, mine.token)
        token = (
            mutator.text(document, other.token.encode()) if document else mutator.token(mine.token.encode(), other.token.encode())
        )
        keys = mine.key if pick.random() < 0.7 else pick.choice(verifiers)
        payload = b'{"sub":"42"}' if turn & 1 else b""
        yield token, functools.partial(fuzzoracle.check_token, token, keys, payload, turn)


def documents(seed: int) -> Iterator[Case]:
    mutator, listed = Mutator(seed), key_sets()
    while True:
        document = mutator.key_set(mutator.random.choice(listed), mutator.random.choice(listed))
        yield document, functools.partial(fuzzoracle.check_key_set, document)


def run(cases: Iterator[Case], count: int) -> Counter[str]:
    """Answers and how often each. What should not come out comes out, with a note of what caused it."""
    seen: Counter[str] = Counter()
    for data, check in itertools.islice(cases, count):
        try:
            seen[check()] += 1
        except BaseException as error:
            error.add_note(f"{check} of\n{data!r}")
            raise
    return seen
