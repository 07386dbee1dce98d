"""How much may be tried again: a share of what is asked, lest retries become a storm. Pure.

Going on to a healthy provider needs no budget: it adds no load to the one that failed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

WINDOW_S = 10.0
SHARE = 0.2
AT_LEAST = 3


class RetryBudget:
    """Retries at the same place: at most a fifth of the requests of the last ten seconds, or 3."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._requests: deque[float] = deque()
        self._retries: deque[float] = deque()

    def request(self) -> None:
        """Count a request."""
        self._requests.append(self._clock())
        self._forget()

    def spend(self) -> bool:
        """Take one retry out of the budget; False if there is none left."""
        self._forget()
        if len(self._retries) >= max(AT_LEAST, SHARE * len(self._requests)):
            return False
        self._retries.append(self._clock())
        return True

    def _forget(self) -> None:
        oldest = self._clock() - WINDOW_S
        for times in (self._requests, self._retries):
            while times and times[0] <= oldest:
                times.popleft()
