"""All tests of the suite in one class."""

from __future__ import annotations

from ._changes import ChangeTests
from ._concurrency import ConcurrencyTests
from ._failures import FailureTests
from ._secrecy import SecrecyTests
from ._signing import SigningTests


class SignerConformance(SigningTests, ChangeTests, FailureTests, ConcurrencyTests, SecrecyTests):
    """Fill in ``algorithms`` and ``make_key``; see Harness for what else a backend can offer."""
