"""Responses that are kept for those who go on from them: in memory, for a day, up to a size.

What is kept is of no provider: a conversation by ids goes on after the switch is thrown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from adapters.base import Json
from proxy.doors.responses.items import not_found
from proxy.doors.responses.objects import new_id
from proxy.errors import ApiError, bad_request

MAX_BYTES = 64 * 1024 * 1024
MAX_ONE_BYTES = 16 * 1024 * 1024
LONGEST_S = 24 * 3600.0
MAX_CHAIN = 1000


class Turn(Struct, frozen=True):
    """What a response was asked, without what came before it, and what it answered."""

    previous: str | None
    given: Sequence[Json]
    response: Json
    size: int
    at: float


class Turns:
    """Turns by the ids of their responses, the least lately used of which make room."""

    def __init__(self, clock: Callable[[], float], *, most: int = MAX_BYTES) -> None:
        self._clock = clock
        self._most = most
        self._turns: dict[str, Turn] = {}
        self._items: dict[str, Json] = {}
        self._size = 0

    @property
    def is_on(self) -> bool:
        """Whether anything is kept at all."""
        return self._most > 0

    def put(self, previous: str | None, given: Sequence[Json], response: Json, size: int) -> None:
        """Keep a turn; one that is too large for that is forgotten at once."""
        if size > min(self._most, MAX_ONE_BYTES):
            return
        turn = Turn(previous, given, response, size, self._clock())
        self._turns[response["id"]] = turn
        self._items.update((item["id"], item) for item in _items(turn))
        self._size += size
        while self._size > self._most:
            self.forget(next(iter(self._turns)))

    def turn(self, response_id: str) -> Turn | None:
        """The turn, from now on the last that makes room."""
        self._end_old()
        turn = self._turns.pop(response_id, None)
        if turn is not None:
            self._turns[response_id] = turn
        return turn

    def forget(self, response_id: str) -> bool:
        """Delete a turn and its items; False where there is none."""
        turn = self._turns.pop(response_id, None)
        if turn is None:
            return False
        self._size -= turn.size
        for item in _items(turn):
            self._items.pop(item["id"], None)
        return True

    def item(self, _path: str, name: str) -> Json:
        """The item of this id. Raises ApiError 404."""
        self._end_old()
        if (found := self._items.get(name)) is None:
            raise not_found(name)
        return found

    def history(self, response_id: str) -> list[Json]:
        """All that was said up to a response and by it, in order. Raises ApiError 400."""
        turns: list[Turn] = []
        wanted: str | None = response_id
        while wanted is not None:
            turn = self.turn(wanted)
            if turn is None or len(turns) == MAX_CHAIN:
                raise previous_not_found(response_id)
            turns.append(turn)
            wanted = turn.previous
        return [item for turn in reversed(turns) for item in _items(turn)]

    def _end_old(self) -> None:
        oldest = self._clock() - LONGEST_S
        for response_id in [name for name, turn in self._turns.items() if turn.at < oldest]:
            self.forget(response_id)


def _items(turn: Turn) -> Iterator[Json]:
    yield from turn.given
    yield from turn.response["output"]


def as_items(given: str | Sequence[Json]) -> list[Json]:
    """The `input` of a request as items that can be named: each has an id."""
    if isinstance(given, str):
        given = [{"type": "message", "role": "user", "content": given}]
    return [item if item.get("id") else {**item, "id": new_id("msg")} for item in given]


def previous_not_found(name: str) -> ApiError:
    """400 for a response that is not kept, or no longer."""
    return bad_request(
        f"Previous response with id '{name[:80]}' not found.",
        param="previous_response_id",
        code="previous_response_not_found",
    )


def response_not_found(name: str) -> ApiError:
    """404 for the same where it is asked for by its path."""
    return ApiError(404, f"Response with id '{name[:80]}' not found.")
