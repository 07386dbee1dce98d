"""Slows those who guess: from one address a few tokens at once, then one a second."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException

FREE = 20
"""So many may be wrong before anyone has to wait."""
EVERY_S = 1.0
LONGEST_S = 5.0
"""Nobody is held longer; who would have to be is turned away unheard."""
MAX_ADDRESSES = 1000


class Brake:
    """A place in line for each token that is shown; a right one gives its place back.

    The wait comes before either answer, so that how long it takes tells nothing of the token.
    """

    def __init__(
        self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._paid_until: dict[str, float] = {}

    async def turn(self, address: str) -> None:
        """Return when a token from there may be answered. Raises 429 if that would take long."""
        now = self._clock()
        paid_until = max(self._paid_until.get(address, now), now)
        wait_s = paid_until + EVERY_S - now - FREE * EVERY_S
        if wait_s > LONGEST_S:
            headers = {"retry-after": str(math.ceil(wait_s))}
            raise HTTPException(429, "Too many wrong tokens came from there: wait.", headers)
        self._make_room(address, now)
        self._paid_until[address] = paid_until + EVERY_S
        if wait_s > 0:
            await self._sleep(wait_s)

    def was_right(self, address: str) -> None:
        self._paid_until[address] = self._paid_until.get(address, 0.0) - EVERY_S

    def _make_room(self, address: str, now: float) -> None:
        """Who has waited long enough is forgotten, else who is nearest to it."""
        if len(self._paid_until) < MAX_ADDRESSES or address in self._paid_until:
            return
        self._paid_until = {who: until for who, until in self._paid_until.items() if until > now}
        if len(self._paid_until) >= MAX_ADDRESSES:
            del self._paid_until[min(self._paid_until, key=self._paid_until.__getitem__)]
