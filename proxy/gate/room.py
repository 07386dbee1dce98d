"""Room for so much at a time: requests at work, the memory of bodies. The rest waits in line."""

from __future__ import annotations

import asyncio
from collections import deque

from msgspec import Struct

from proxy.errors import overloaded
from proxy.gate.memory import room_in
from proxy.gate.turns import Turns

MAX_REQUESTS = 1500
MAX_BODY_BYTES_AT_ONCE = 192 * 1024 * 1024
"""The most, where there is memory enough: each byte takes up to four."""
SMALL_BODY_BYTES = 128 * 1024
"""Bodies up to here need no room, so that no slow sender of a large one stands in their way."""
OTHER_FILES = 64
"""For the database, the log, and connections that are idle."""
FILES_A_REQUEST = 3
"""Each takes two, or waits with one."""
MAX_WAITING = 256
MAX_WAIT_S = 10.0


class _Waiting(Struct, eq=False):
    units: int
    client: str
    turn: asyncio.Future[None]


class Room:
    """So many units, lent out first come, first served; no one client gets all of them.

    Who has its share already is passed by others, but by nobody else. The client without a name
    is all of us.
    """

    def __init__(self, size: int, *, max_waiting: int, max_wait_s: float) -> None:
        self._free = self._size = size
        self._share = _share(size)
        self._max_waiting = max_waiting
        self._max_wait_s = max_wait_s
        self._line: deque[_Waiting] = deque()
        self._held: dict[str, int] = {}

    @property
    def taken(self) -> int:
        return self._size - self._free

    @property
    def waiting(self) -> int:
        return len(self._line)

    def most(self, client: str = "") -> int:
        """What a client may have at a time."""
        return self._share if client else self._size

    async def take(self, units: int, client: str = "") -> int:
        """The units taken, at most a share. Raises ApiError 503 when the line is too long."""
        units = min(units, self.most(client))
        if not self._line and self._fits(units, client):
            self._lend(units, client)
            return units
        if len(self._line) >= self._max_waiting:
            raise overloaded()
        if client and self._waiting_of(client) >= _share(self._max_waiting):
            raise overloaded()
        await self._stand_in_line(units, client)
        return units

    def take_now(self, units: int, client: str = "") -> int:
        """The units taken, at once. Raises ApiError 503: who has some already may not wait."""
        if self._line or not self._fits(units, client):
            raise overloaded()
        self._lend(units, client)
        return units

    def give_back(self, units: int, client: str = "") -> None:
        self._free += units
        if client:
            left = self._held.get(client, 0) - units
            if left > 0:
                self._held[client] = left
            else:
                self._held.pop(client, None)
        if self._line:
            self._serve_line()

    def fit(self, size: int) -> None:
        """Become no larger than this, and the line no longer; before anything was taken."""
        self._free = self._size = min(self._size, size)
        self._share = _share(self._size)
        self._max_waiting = min(self._max_waiting, size)

    def _fits(self, units: int, client: str) -> bool:
        return units <= self._free and not (client and self._has_its_share(units, client))

    def _has_its_share(self, units: int, client: str) -> bool:
        return self._held.get(client, 0) + units > self._share

    def _lend(self, units: int, client: str) -> None:
        self._free -= units
        if client:
            self._held[client] = self._held.get(client, 0) + units

    def _waiting_of(self, client: str) -> int:
        return sum(one.client == client for one in self._line)

    async def _stand_in_line(self, units: int, client: str) -> None:
        place = _Waiting(units, client, asyncio.get_running_loop().create_future())
        self._line.append(place)
        self._serve_line()  # those before it may wait for shares of their own
        try:
            async with asyncio.timeout(self._max_wait_s):
                await place.turn
        except BaseException as error:
            if place.turn.done() and not place.turn.cancelled():
                self.give_back(units, client)
            elif place in self._line:
                self._line.remove(place)
                self._serve_line()
            if isinstance(error, TimeoutError):
                raise overloaded() from None
            raise

    def _serve_line(self) -> None:
        for place in list(self._line):
            if place.turn.done():  # it was given up just now
                self._line.remove(place)
            elif place.client and self._has_its_share(place.units, place.client):
                continue
            elif place.units > self._free:
                return
            else:
                self._line.remove(place)
                self._lend(place.units, place.client)
                place.turn.set_result(None)


def _share(size: int) -> int:
    """What one client may have of so many: never all, unless there are very few."""
    return size - size // 8


def files_for(requests: int) -> int:
    return requests * FILES_A_REQUEST + OTHER_FILES


def requests_for(open_files: int) -> int:
    return max(1, (open_files - OTHER_FILES) // FILES_A_REQUEST)


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
        self.turns = Turns()

    def fit(self, open_files: int, memory_bytes: int | None = None) -> None:
        """Let in no more than there are files for, and memory."""
        self.requests.fit(requests_for(open_files))
        if memory_bytes is not None:
            self.bodies.fit(room_in(memory_bytes))


class Place:
    """What one request of a client takes up; all of it is given back by `leave`.

    `held` is the room that its body has.
    """

    __slots__ = ("_admission", "_client", "_entered", "held")

    def __init__(self, admission: Admission, client: str = "") -> None:
        self._admission = admission
        self._client = client
        self.held = 0
        self._entered = 0

    async def turn(self, size: int) -> None:
        """Return when it is the request's turn to have so many bytes of its body looked at."""
        await self._admission.turns.take(size)

    async def hold_body(self, size: int) -> None:
        """So much room for the body, or what it has already. Raises ApiError 503.

        A body that is larger than all there may be has that: one at a time.
        """
        size = min(size, self._admission.bodies.most(self._client))
        if size > self.held:
            bodies = self._admission.bodies
            self.held += await bodies.take(size - self.held, self._client)

    async def weigh_body(self, size: int) -> None:
        """What a body turns out to need once it is here: less, or more. Raises ApiError 503."""
        if size <= self.held or size <= SMALL_BODY_BYTES:
            self.shrink_body(size)
        elif self.held:  # who waited with it would keep others from going on
            bodies = self._admission.bodies
            more = min(size, bodies.most(self._client)) - self.held
            if more > 0:
                self.held += bodies.take_now(more, self._client)
        else:
            await self.hold_body(size)

    def shrink_body(self, size: int) -> None:
        if size < self.held:
            self._admission.bodies.give_back(self.held - size, self._client)
            self.held = size

    async def enter(self) -> None:
        """Begin to work, when it is the request's turn. Raises ApiError 503."""
        self._entered = await self._admission.requests.take(1, self._client)

    def leave(self) -> None:
        if self._entered:
            self._admission.requests.give_back(self._entered, self._client)
        if self.held:
            self.shrink_body(0)
        self._entered = 0
