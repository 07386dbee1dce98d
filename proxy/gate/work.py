"""One request's time: when it has to end, and that it ends when its client leaves."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

TICK_S = 0.05
"""How late a request may be ended at most."""


class Rounds:
    """Looks after all requests under way in one go, which costs each of them no timer of its own.

    It goes its rounds only while there are any.
    """

    def __init__(self) -> None:
        self._works: set[Work] = set()
        self._next: asyncio.TimerHandle | None = None

    def add(self, work: Work) -> None:
        self._works.add(work)
        if self._next is None:
            self._next = work.loop.call_later(TICK_S, self._go, work.loop)

    def discard(self, work: Work) -> None:
        self._works.discard(work)

    def _go(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for work in self._works:
            if now >= work.ends_at:
                work.stop_late()
            if now >= work.nudges_at:
                work.nudge(now)
        self._next = loop.call_later(TICK_S, self._go, loop) if self._works else None


class Work:
    """The task that made it, cancelled when its time is up or its client has left.

    `weight` is about how many bytes it works on, 0 for few.

    Where that surfaces as a CancelledError, `undo_late` or `undo_left` takes the cancellation back
    if that was its reason, so that the task may go on, and tells whether it was.
    """

    __slots__ = (
        *("_is_late", "_is_left", "_is_over", "_nudge", "_rounds", "_task"),
        *("ends_at", "loop", "nudges_at", "weight"),
    )

    def __init__(self, rounds: Rounds) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - ASGI servers run applications in tasks
        self.loop = task.get_loop()
        self.ends_at = math.inf
        self.nudges_at = math.inf
        self.weight = 0
        self._task = task
        self._is_late = False
        self._is_left = False
        self._is_over = False
        self._rounds = rounds
        rounds.add(self)

    def end_in(self, seconds: float) -> None:
        """End it then, counted from now; infinite for never."""
        self.ends_at = self.loop.time() + seconds

    def nudge_every(self, seconds: float, nudge: Callable[[], None]) -> None:
        """Have `nudge` called each time so long has gone by, until `nudges_at` is infinite."""
        self._nudge = seconds, nudge
        self.nudges_at = self.loop.time() + seconds

    def nudge(self, now: float) -> None:
        seconds, nudge = self._nudge
        self.nudges_at = now + seconds
        nudge()

    def stop_late(self) -> None:
        self.ends_at = math.inf
        self._is_late = True
        self._task.cancel()

    def stop_left(self) -> None:
        """Nobody is there any more who could be answered."""
        if not self._is_left and not self._is_over:
            self._is_left = True
            self._task.cancel()

    @property
    def is_late(self) -> bool:
        """Whether that its time is up is what it was cancelled for."""
        return self._is_late and not self._is_left

    def undo_late(self) -> bool:
        """Take back that its time was up; False where that is not all it was cancelled for."""
        if not self.is_late:
            return False
        self._is_late = False
        return self._task.uncancel() == 0

    def undo_left(self) -> bool:
        """Take back that its client left; False where somebody else has cancelled it, too."""
        if not self._is_left:
            return False
        if self._is_late:
            self._task.uncancel()
        return self._task.uncancel() == 0

    def close(self) -> None:
        """It has ended by itself; nothing cancels it any more."""
        self._is_over = True
        self._rounds.discard(self)


def forget(error: BaseException) -> None:
    """Let go of where it was raised.

    One that was raised in several places at once may be its own context: that circle would hold
    all frames on its way, the request's body too, until the collector comes by.
    """
    error.__traceback__ = error.__context__ = None
