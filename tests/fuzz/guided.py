"""Coverage-guided fuzzing with atheris: ``python tests/fuzz/guided.py [libFuzzer options]``, such as ``-runs=1000000``.

It starts from the published vectors and this repository's own tokens, and changes them with the mutation fuzzer's operators
or, by turns, with libFuzzer's own. An input is one byte that chooses a target, and what that target reads. A finding ends the run
and is written to crash-...; give that file as the argument to repeat it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

with atheris.instrument_imports(include=["farsign"]):
    import farsign._jose.remote_key_set  # noqa: F401 - instrumented, like all that it imports
    from farsign import jwk, jws, jwt  # noqa: F401 - as above

import fuzzoracle
from fuzzseeds import key_sets, seeds
from mutations import Mutator

TOKEN, KEY_SET = b"t", b"k"


def one_input(data: bytes) -> None:
    target, rest = data[:1], data[1:]
    if target == KEY_SET:
        fuzzoracle.check_key_set(rest)
        return
    verifiers = fuzzoracle.verifiers()
    for turn, keys in enumerate((verifiers[len(rest) % len(verifiers)], verifiers[0])):
        fuzzoracle.check_token(rest, keys, b"", turn + len(rest))


def changed(data: bytes, most: int, seed: int) -> bytes:
    """libFuzzer asks for a mutation of its input: every other one is ours."""
    mutator, target, rest = Mutator(seed), data[:1], data[1:]
    if seed & 1:
        return bytes(atheris.Mutate(data, most))
    if target == KEY_SET:
        return (target + mutator.text(rest, mutator.random.choice(key_sets())))[:most]
    return (TOKEN + mutator.token(rest, mutator.random.choice(seeds()).token.encode()))[:most]


def main() -> None:
    with tempfile.TemporaryDirectory() as corpus:
        for number, start in enumerate(
            (*(TOKEN + seed.token.encode() for seed in seeds()), *(KEY_SET + text for text in key_sets()))
        ):
            (Path(corpus) / str(number)).write_bytes(start)
        atheris.Setup([*sys.argv, "-max_len=16384", corpus], one_input, custom_mutator=changed)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
