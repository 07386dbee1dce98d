"""Room for so much at a time: requests at work, bytes of large bodies. The rest waits in line."""

from __future__ import annotations

import asyncio
from collections import deque

from proxy.errors import overloaded

MAX_REQUESTS = 1500
MAX_BODY_BYTES_AT_ONCE = 192 * 1024 * 1024
"""A body is in memory about three times until its request has been sent on."""
SMALL_BODY_BYTES = 128 * 1024
"""Bodies up to here need no room, so that no slow sender of a large one stands in their way."""
OTHER_FILES = 64
"""For the database, the log, and connections that are idle."""
MAX_WAITING = 256
MAX_WAIT_S = 10.0


class Room:
    """So many units, lent out first come, first served."""

    def __init__(self, size: int, *, max_waiting: int, max_wait_s: float) -> None:
        self._free = self._size = size
        self._max_waiting = max_waiting
        self._max_wait_s = max_wait_s
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def taken(self) -> int:
        """The units that are lent out."""
        return self._size - self._free

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._line)

    async def take(self, units: int) -> int:
        """The units taken, at most all there are. Raises ApiError 503 when the line is too long."""
        units = min(units, self._size)
        if not self._line and units <= self._free:
            self._free -= units
            return units
        if len(self._line) >= self._max_waiting:
            raise overloaded()
        await self._stand_in_line(units)
        return units

    def give_back(self, units: int) -> None:
        """Make room for those who wait."""
        self._free += units
        self._serve_line()

    def fit(self, size: int) -> None:
        """Become no larger than this, and the line no longer; before anything was taken."""
        self._free = self._size = min(self._size, size)
        self._max_waiting = min(self._max_waiting, size)

    async def _stand_in_line(self, units: int) -> None:
        turn = asyncio.get_running_loop().create_future()
        place = (units, turn)
        self._line.append(place)
        try:
            async with asyncio.timeout(self._max_wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give_back(units)
            elif place in self._line:
                self._line.remove(place)
                self._serve_line()
            if isinstance(error, TimeoutError):
                raise overloaded() from None
            raise

    def _serve_line(self) -> None:
        while self._line and (self._line[0][0] <= self._free or self._line[0][1].done()):
            units, turn = self._line.popleft()
            if not turn.done():  # else it was given up just now
                self._free -= units
                turn.set_result(None)


class Admission:
    """Lets requests in as far as there is room for them."""

    def __init__(
        self,
        *,
        max_requests: int = MAX_REQUESTS,
        max_body_bytes: int = MAX_BODY_BYTES_AT_ONCE,
        max_waiting: int = MAX_WAITING,
        max_wait_s: float = MAX_WAIT_S,
    ) -> None:
        self.requests = Room(max_requests, max_waiting=max_waiting, max_wait_s=max_wait_s)
        self.bodies = Room(max_body_bytes, max_waiting=max_waiting, max_wait_s=max_wait_s)

    def fit(self, open_files: int) -> None:
        """Let in no more than there are files for: each request takes two, or waits with one."""
        self.requests.fit(max(1, (open_files - OTHER_FILES) // 3))


class Place:
    """What one request takes up; all of it is given back by `leave`."""

    __slots__ = ("_admission", "_body_bytes", "_entered")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._body_bytes = 0
        self._entered = 0

    async def hold_body(self, size_bytes: int) -> None:
        """Room for a large body before it is read. Raises ApiError 503."""
        self._body_bytes = await self._admission.bodies.take(size_bytes)

    def shrink_body(self, size_bytes: int) -> None:
        """Give back what the body has turned out not to need."""
        if size_bytes < self._body_bytes:
            self._admission.bodies.give_back(self._body_bytes - size_bytes)
            self._body_bytes = size_bytes

    async def enter(self) -> None:
        """Begin to work, when it is the request's turn. Raises ApiError 503."""
        self._entered = await self._admission.requests.take(1)

    def leave(self) -> None:
        """Give everything back."""
        if self._entered:
            self._admission.requests.give_back(self._entered)
        if self._body_bytes:
            self._admission.bodies.give_back(self._body_bytes)
        self._entered = self._body_bytes = 0
