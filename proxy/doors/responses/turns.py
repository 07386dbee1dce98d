"""Responses that are kept for those who go on from them: in memory, for a day, up to a size.

What is kept is of no provider: a conversation by ids goes on after the switch is thrown. It is of
the client that made it, by its key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct, field

from adapters.base import Json
from proxy.doors.responses.items import REFERENCE, kind_of, not_found
from proxy.doors.responses.objects import new_id
from proxy.errors import ApiError, bad_request

MAX_BYTES = 64 * 1024 * 1024
"""In memory, where what was read takes more than its text."""
MAX_ONE_BYTES = 16 * 1024 * 1024
MAX_HISTORY_BYTES = 32 * 1024 * 1024
MAX_OWNERS = 1000
LONGEST_S = 24 * 3600.0
MAX_CHAIN = 1000


class Turn(Struct, frozen=True):
    """What a response was asked, without what came before it, and what it answered."""

    previous: str | None
    given: Sequence[Json]
    response: Json
    size: int
    at: float


class _Shelf(Struct):
    """What one client has, the least lately used first."""

    turns: dict[str, Turn] = field(default_factory=dict)
    items: dict[str, tuple[float, Json]] = field(default_factory=dict)
    size: int = 0

    def add(self, turn: Turn) -> None:
        self.turns[turn.response["id"]] = turn
        self.size += turn.size
        for item in _items(turn):
            if kind_of(item) != REFERENCE:  # or one could name itself
                self.items[item["id"]] = turn.at, item

    def drop(self, response_id: str) -> bool:
        turn = self.turns.pop(response_id, None)
        if turn is None:
            return False
        self.size -= turn.size
        for item in _items(turn):
            self.items.pop(item["id"], None)
        return True


class Turns:
    """The turns of all clients. Who has most makes room, with the least lately used of them."""

    def __init__(self, clock: Callable[[], float], *, most: int = MAX_BYTES) -> None:
        self.clock = clock
        self.most = most
        self._shelves: dict[str, _Shelf] = {}

    def of(self, owner: str) -> OwnTurns:
        """Those of one client, which no other one reads, names or deletes."""
        return OwnTurns(self, owner)

    def shelf(self, owner: str) -> _Shelf:
        """What there is of a client; to be kept by `add`."""
        return self._shelves.get(owner) or _Shelf()

    def add(self, owner: str, turn: Turn) -> None:
        """Keep a turn; one that is too large for that is forgotten at once."""
        if turn.size > min(self.most, MAX_ONE_BYTES):
            return
        shelf = self._shelves.pop(owner, None) or _Shelf()
        self._shelves[owner] = shelf
        shelf.add(turn)
        if len(self._shelves) > MAX_OWNERS:
            del self._shelves[next(iter(self._shelves))]
        while sum(one.size for one in self._shelves.values()) > self.most:
            largest = max(self._shelves.values(), key=lambda one: one.size)
            largest.drop(next(iter(largest.turns)))


class OwnTurns(Struct, frozen=True):
    """The turns of one client by the ids of their responses."""

    all: Turns
    owner: str

    @property
    def is_on(self) -> bool:
        """Whether anything is kept at all."""
        return self.all.most > 0

    def put(self, previous: str | None, given: Sequence[Json], response: Json, size: int) -> None:
        """Keep a turn, if there is room for it."""
        self.all.add(self.owner, Turn(previous, given, response, size, self.all.clock()))

    def turn(self, response_id: str) -> Turn | None:
        """The turn, from now on the last of its owner's that makes room."""
        shelf = self.all.shelf(self.owner)
        turn = shelf.turns.get(response_id)
        if turn is None:
            return None
        if self._is_over(turn.at):
            shelf.drop(response_id)
            return None
        shelf.turns[response_id] = shelf.turns.pop(response_id)
        return turn

    def forget(self, response_id: str) -> bool:
        """Delete a turn and its items; False where there is none."""
        return self.all.shelf(self.owner).drop(response_id)

    def item(self, _path: str, name: str) -> Json:
        """The item of this id. Raises ApiError 404."""
        at, found = self.all.shelf(self.owner).items.get(name, (0.0, None))
        if found is None or self._is_over(at):
            raise not_found(name)
        return found

    def history(self, response_id: str) -> list[Json]:
        """All that was said up to a response and by it, in order. Raises ApiError 400."""
        turns = self._chain(response_id)
        return [item for turn in reversed(turns) for item in _items(turn)]

    def size_of_history(self, response_id: str) -> int:
        """How much memory it takes. Raises ApiError 400."""
        return sum(turn.size for turn in self._chain(response_id))

    def _chain(self, response_id: str) -> list[Turn]:
        turns: list[Turn] = []
        size = 0
        wanted: str | None = response_id
        while wanted is not None:
            turn = self.turn(wanted)
            if turn is None or len(turns) == MAX_CHAIN:
                raise previous_not_found(response_id)
            turns.append(turn)
            size += turn.size
            if size > MAX_HISTORY_BYTES:
                raise _history_too_large()
            wanted = turn.previous
        return turns

    def _is_over(self, at: float) -> bool:
        return at < self.all.clock() - LONGEST_S


def _items(turn: Turn) -> Iterator[Json]:
    yield from turn.given
    yield from turn.response["output"]


def as_items(given: str | Sequence[Json]) -> list[Json]:
    """The `input` of a request as items that can be named: each has an id."""
    if isinstance(given, str):
        given = [{"type": "message", "role": "user", "content": given}]
    return [item if _has_id(item) else {**item, "id": new_id("msg")} for item in given]


def _has_id(item: Json) -> bool:
    return isinstance(item.get("id"), str) and bool(item["id"])


def _history_too_large() -> ApiError:
    limit = MAX_HISTORY_BYTES // 2**20
    return bad_request(
        f"What was said before takes more than {limit} MiB.",
        param="previous_response_id",
        code="context_length_exceeded",
    )


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
