"""Of a long row of cases `.ci/run` tries each; by hand, some from all over are tried."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")
MOST = 32
ALL = bool(os.environ.get("CI"))


def spread(cases: Iterable[T], most: int = MOST, *, everything: bool = ALL) -> list[T]:
    """The cases, or `most` of them in their order: the first, the last, and others as far apart."""
    found = list(cases)
    if everything or len(found) <= most:
        return found
    steps = max(most - 1, 1)
    return [found[round(at * (len(found) - 1) / steps)] for at in range(most)]
