"""The mutation fuzzer: ``python tests/fuzz/mutate.py --tokens 1000000 --key-sets 100000 [--seed N] [--stdlib]``.

Good tokens and key sets, published ones among them, are changed and given to every function that verifies or parses. It prints how they
answered and ends with 1 at the first crash, foreign exception or wrong acceptance, showing what caused it.
--stdlib: read JSON and base64url without msgspec and pybase64.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

if "--stdlib" in sys.argv:
    sys.modules.update(msgspec=None, pybase64=None)  # type: ignore[arg-type]  # which makes importing them fail
sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

from fuzzcases import documents, run, tokens
from fuzzoracle import told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--key-sets", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--stdlib", action="store_true")
    arguments = parser.parse_args()
    for what, cases, count in (("token", tokens, arguments.tokens), ("key set", documents, arguments.key_sets)):
        start = time.perf_counter()
        seen = run(cases(arguments.seed), count)
        print(
            f"{seen.total():,} mutated {what}s in {time.perf_counter() - start:.0f} s: 0 crashes, 0 foreign exceptions, 0 wrongly accepted"
        )
        print(f"  {told(seen)}")


if __name__ == "__main__":
    main()
