"""All tests of the suite in one class."""

from __future__ import annotations

from ._changes import ChangeTests
from ._concurrency import ConcurrencyTests
from ._failures import FailureTests
from ._leaks import LeakTests
from ._secrecy import SecrecyTests
from ._signing import SigningTests


class SignerConformance(SigningTests, ChangeTests, FailureTests, ConcurrencyTests, LeakTests, SecrecyTests):
    """Fill in ``algorithms`` and ``make_key``; see Harness for what else a backend can offer."""
