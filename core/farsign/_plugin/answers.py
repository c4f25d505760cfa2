"""What a provider's answers mean, as a table: the first row that fits says the class, and what to do where that can be said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from farsign.errors import ProviderError


class Row(NamedTuple):
    status: int
    text: str  # a regular expression, searched in what the provider said; "" fits all
    error: type[ProviderError]
    next_step: str = ""


def first(table: Sequence[Row], status: int, told: str, flags: re.RegexFlag = re.NOFLAG) -> Row | None:
    return next((row for row in table if row.status == status and re.search(row.text, told, flags)), None)
