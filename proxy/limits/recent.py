"""How many there were lately: a sliding window that stays small however many come. No I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

PARTS = 100


@dataclass(slots=True)
class _Part:
    at: float
    count: int


class Recent:
    """A count over the last `window_s` seconds; some are forgotten a hundredth of it early.

    Times are seconds of one monotonic clock, given by the caller.
    """

    __slots__ = ("_count", "_part_s", "_parts", "_window_s")

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._part_s = window_s / PARTS
        self._parts: deque[_Part] = deque()
        self._count = 0

    def add(self, now: float) -> None:
        parts = self._parts
        if parts and now - parts[-1].at < self._part_s:
            parts[-1].count += 1
        else:
            self._forget(now)
            parts.append(_Part(now, 1))
        self._count += 1

    def count(self, now: float) -> int:
        """How many there were in the window that ends now."""
        self._forget(now)
        return self._count

    def clear(self) -> None:
        self._parts.clear()
        self._count = 0

    def _forget(self, now: float) -> None:
        while self._parts and self._parts[0].at <= now - self._window_s:
            self._count -= self._parts.popleft().count
