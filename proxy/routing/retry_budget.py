"""How much may be tried again: a share of what is asked, or retries would become a storm. No I/O.

Going on to a healthy provider needs no budget: it adds no load to the one that failed.
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.limits.recent import Recent

WINDOW_S = 10.0
SHARE = 0.2
AT_LEAST = 3


class RetryBudget:
    """Retries at the same place: at most a fifth of the requests of the last ten seconds, or 3."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._requests = Recent(WINDOW_S)
        self._retries = Recent(WINDOW_S)

    def request(self) -> None:
        self._requests.add(self._clock())

    def spend(self) -> bool:
        """Take one retry out of the budget; False if there is none left."""
        now = self._clock()
        if self._retries.count(now) >= max(AT_LEAST, SHARE * self._requests.count(now)):
            return False
        self._retries.add(now)
        return True
