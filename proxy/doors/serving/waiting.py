"""A stream that has nothing to say yet: it begins all the same, so that nobody gives it up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Waiting:
    """Says `word` each time it is nudged, one after the other, until it is over."""

    def __init__(self, word: Callable[[], Awaitable[None]]) -> None:
        self._word = word
        self._saying: asyncio.Task[None] | None = None

    def nudge(self) -> None:
        """Say it, unless the last one is still on its way to a client that reads slowly."""
        if self._saying is None or self._saying.done():
            self._saying = asyncio.ensure_future(self._word())

    async def over(self) -> None:
        """Have the last word said to its end: what comes next must not come in between."""
        if self._saying is not None:
            await asyncio.wait([self._saying])
            self._saying.exception()  # a client that has left is noticed by what comes next

    def drop(self) -> None:
        """Nobody hears it any more."""
        if self._saying is not None:
            self._saying.cancel()
