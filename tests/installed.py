"""Fails unless the farsign that would be tested is an installed wheel, not the checkout."""

import sys
from pathlib import Path

import farsign

checkout = Path(__file__).resolve().parent.parent / "core"
where = Path(farsign.__file__).resolve()
if checkout in where.parents:
    sys.exit(f"farsign comes from the checkout ({where}), not from a wheel")
print(f"testing {where.parent}")
