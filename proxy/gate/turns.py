"""How much of all bodies is looked at in one turn of the loop: a crowd of them holds nobody up."""

from __future__ import annotations

import asyncio
from collections import deque

TURN_BYTES = 128 * 1024
"""Less than a millisecond's work of text and pictures, three of what is worst."""


class Turns:
    """So many bytes a turn of the loop; the rest comes in later ones, first come, first served.

    Whoever comes while a turn has bytes left gets what it asks for, be it more.
    """

    def __init__(self, most: int = TURN_BYTES) -> None:
        self._left = self._most = most
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._is_used = False

    async def take(self, size: int) -> None:
        """Return in a turn that has room for `size` bytes."""
        loop = asyncio.get_running_loop()
        if not self._is_used:
            self._is_used = True
            loop.call_soon(self._next, loop)
        if self._left > 0 and not self._line:
            self._left -= size
            return
        turn = loop.create_future()
        self._line.append((size, turn))
        await turn

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin a turn, for those in line first."""
        self._is_used = bool(self._line)
        self._left = self._most
        while self._line and self._left > 0:
            size, turn = self._line.popleft()
            if not turn.done():  # its client is still there
                turn.set_result(None)
                self._left -= size
        if self._is_used:
            loop.call_soon(self._next, loop)
