"""Responses that are kept for those who go on from them: in memory, for a time, up to a size.

What is kept is of no provider: a conversation by ids goes on after the switch is thrown. It is of
the client that made it, by its key. A large request is read in another thread, so that each goes
to the shelves alone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import RLock
from typing import Any, TypeVar

import orjson
from msgspec import Struct, field
from msgspec.structs import replace

from adapters.base import Json
from adapters.wire.aside import LARGE_BYTES, WEIGHT
from adapters.wire.json_size import read_bytes
from adapters.wire.pieces import loads
from adapters.wire.writing import IN_PIECES, weight_of_value
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

    @property
    def id(self) -> str:
        return str(self.response["id"])


class Talk(Struct, frozen=True):
    """A conversation by an id of its own; `items` are by theirs, in order."""

    id: str
    created_at: int
    at: float
    metadata: Mapping[str, Any] = {}
    items: Mapping[str, Json] = {}
    size: int = 0


K = TypeVar("K", bound=Turn | Talk)


class Keeper:
    """What keeps them for longer than memory does; here, nothing."""

    def kept(self, owner: str, one: Turn | Talk) -> None:
        """Keep what is new, or has changed."""

    def gone(self, name: str) -> None:
        """Forget what a client has deleted."""

    async def bring(self, owner: str, names: Iterable[str], items: Iterable[str]) -> None:
        """Have these back in memory, and all before them, as far as they are kept."""

    async def save(self) -> None:
        """Return once nothing is left to be done. Raises ApiError."""


NOBODY = Keeper()


class _Shelf(Struct):
    """What one client has by its ids, the least lately used first."""

    kept: dict[str, Turn | Talk] = field(default_factory=dict)
    items: dict[str, tuple[float, Json]] = field(default_factory=dict)
    size: int = 0

    def add(self, one: Turn | Talk) -> None:
        """Put it last, in the place of what has the same id."""
        self.drop(one.id)
        self.kept[one.id] = one
        self.size += one.size
        for item in _items(one):
            if kind_of(item) != REFERENCE:  # or one could name itself
                self.items[item["id"]] = one.at, item

    def drop(self, name: str) -> bool:
        found = self.kept.pop(name, None)
        if found is None:
            return False
        self.size -= found.size
        for item in _items(found):
            self.items.pop(item["id"], None)
        return True


class Turns:
    """The turns of all clients. Who has most makes room, with the least lately used of them."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        now: Callable[[], float] = time.time,
        most: int = MAX_BYTES,
        longest_s: float = LONGEST_S,
    ) -> None:
        self.clock = clock
        self.now = now
        self.most = most
        self.lock = RLock()
        self.longest_s = longest_s
        self.keeper = NOBODY
        self._shelves: dict[str, _Shelf] = {}

    def of(self, owner: str) -> OwnTurns:
        """Those of one client, which no other one reads, names or deletes."""
        return OwnTurns(self, owner)

    def shelf(self, owner: str) -> _Shelf:
        """What there is of a client; to be kept by `add`."""
        return self._shelves.get(owner) or _Shelf()

    def keep(self, owner: str, one: Turn | Talk) -> None:
        self.take_back(owner, one)
        self.keeper.kept(owner, one)

    def take_back(self, owner: str, one: Turn | Talk) -> None:
        """Have what was kept somewhere else in memory again."""
        with self.lock:
            self._latest(owner).add(one)
            self._make_room()

    async def clear(self) -> None:
        """Forget what is in memory, of all clients."""
        self._shelves.clear()

    async def amount(self) -> tuple[int, int]:
        """How much is in memory: turns and conversations, and their bytes."""
        shelves = self._shelves.values()
        return sum(len(one.kept) for one in shelves), sum(one.size for one in shelves)

    async def bring(self, owner: str, names: Iterable[str], items: Iterable[str] = ()) -> None:
        await self.keeper.bring(owner, names, items)

    async def settled(self) -> None:
        await self.keeper.save()

    async def close(self) -> None:
        with contextlib.suppress(ApiError):  # who keeps them has told of it
            await self.settled()

    def _latest(self, owner: str) -> _Shelf:
        shelf = self._shelves.pop(owner, None) or _Shelf()
        self._shelves[owner] = shelf
        if len(self._shelves) > MAX_OWNERS:
            del self._shelves[next(iter(self._shelves))]
        return shelf

    def _make_room(self) -> None:
        while sum(one.size for one in self._shelves.values()) > self.most:
            largest = max(self._shelves.values(), key=lambda one: one.size)
            largest.drop(next(iter(largest.kept)))


class OwnTurns(Struct, frozen=True):
    """The turns of one client by the ids of their responses."""

    all: Turns
    owner: str

    @property
    def is_on(self) -> bool:
        return self.all.most > 0

    def put(self, previous: str | None, given: Sequence[Json], response: Json, size: int) -> None:
        """Keep a turn; one that is too large for that is forgotten at once."""
        if size <= min(self.all.most, MAX_ONE_BYTES):
            self.all.keep(self.owner, Turn(previous, given, response, size, self.all.clock()))

    def turn(self, response_id: str) -> Turn | None:
        """The turn, from now on the last of its owner's that makes room."""
        found = self._kept(response_id)
        return found if isinstance(found, Turn) else None

    def begin(self, metadata: Json, items: Iterable[Json], size: int = 0) -> Talk:
        size += len(orjson.dumps(metadata))
        now, at = int(self.all.now()), self.all.clock()
        talk = Talk(new_id("conv"), now, at, metadata, _by_id(items), size)
        self.all.keep(self.owner, talk)
        return talk

    def talk(self, name: str) -> Talk:
        """The conversation of this id. Raises ApiError 404."""
        found = self._kept(name)
        if not isinstance(found, Talk):
            raise talk_not_found(name)
        if found.size > MAX_HISTORY_BYTES:
            raise _history_too_large("conversation")
        return found

    def go_on(
        self, name: str, items: Iterable[Json] = (), size: int = 0, **changed: Any
    ) -> Talk | None:
        """Add items that take so much memory to a conversation; None where it is gone meanwhile."""
        with self.all.lock:
            if not isinstance(talk := self._kept(name), Talk):
                return None
            found = {**talk.items, **_by_id(items)}
            size += talk.size
            talk = replace(talk, items=found, size=size, at=self.all.clock(), **changed)
            self.all.keep(self.owner, talk)
        return talk

    def take_out(self, name: str, item_id: str) -> None:
        with self.all.lock:
            talk = self._kept(name)
            if isinstance(talk, Talk) and item_id in talk.items:
                left = {**talk.items}
                size = talk.size - sized(left.pop(item_id))
                self.all.keep(self.owner, replace(talk, items=left, size=size))

    def forget(self, name: str) -> bool:
        """Delete a turn and its items, or a conversation; False where there is none."""
        with self.all.lock:
            is_there = self.all.shelf(self.owner).drop(name)
        if is_there:
            self.all.keeper.gone(name)
        return is_there

    def _kept(self, name: str) -> Turn | Talk | None:
        with self.all.lock:
            shelf = self.all.shelf(self.owner)
            found = shelf.kept.get(name)
            if found is None:
                return None
            if self._is_over(found.at):
                shelf.drop(name)
                return None
            shelf.kept[name] = shelf.kept.pop(name)
            return found

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
        turns = list(chain(self.turn, response_id))
        if sum(turn.size for turn in turns) > MAX_HISTORY_BYTES:
            raise _history_too_large("previous_response_id")
        if not turns or turns[-1].previous is not None:
            raise previous_not_found(response_id)
        return turns

    def _is_over(self, at: float) -> bool:
        return at < self.all.clock() - self.all.longest_s


def sized(value: Any) -> int:
    """About how much memory it takes."""
    if IN_PIECES.get() or WEIGHT.get() > LARGE_BYTES:
        return weight_of_value(value)
    return read_bytes(orjson.dumps(value))


def chain(find: Callable[[str], K | None], name: str) -> Iterator[K]:
    """A turn and those that it goes on from, the latest first, as far as they are found."""
    wanted: str | None = name
    for _ in range(MAX_CHAIN):
        if wanted is None or (found := find(wanted)) is None:
            return
        yield found
        wanted = found.previous if isinstance(found, Turn) else None


def _items(one: Turn | Talk) -> Iterator[Json]:
    """Those of a turn, by which it is known as well; a conversation's are its own affair."""
    if isinstance(one, Turn):
        yield from one.given
        yield from one.response["output"]


def _by_id(items: Iterable[Json]) -> dict[str, Json]:
    return {item["id"]: item for item in items}


def named_in(body: bytes | bytearray) -> tuple[list[str], list[str]]:
    """What a request names of what was kept: responses and conversations, and items."""
    try:
        data = loads(body)
    except orjson.JSONDecodeError:
        return [], []
    if not isinstance(data, dict):
        return [], []
    talk = data.get("conversation")
    named = [data.get("previous_response_id"), talk.get("id") if isinstance(talk, dict) else talk]
    given = data.get("input")
    items = [
        item.get("id")
        for item in (given if isinstance(given, list) else [])
        if isinstance(item, dict) and kind_of(item) == REFERENCE
    ]
    return _texts(named), _texts(items)


def _texts(values: Iterable[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str)]


def as_items(given: str | Sequence[Json]) -> list[Json]:
    """The `input` of a request as items that can be named: each has an id."""
    if isinstance(given, str):
        given = [{"type": "message", "role": "user", "content": given}]
    return [item if _has_id(item) else {**item, "id": new_id("msg")} for item in given]


def _has_id(item: Json) -> bool:
    return isinstance(item.get("id"), str) and bool(item["id"])


def _history_too_large(param: str) -> ApiError:
    limit = MAX_HISTORY_BYTES // 2**20
    return bad_request(
        f"What was said before takes more than {limit} MiB.",
        param=param,
        code="context_length_exceeded",
    )


def previous_not_found(name: str) -> ApiError:
    return bad_request(
        f"Previous response with id '{name[:80]}' not found.",
        param="previous_response_id",
        code="previous_response_not_found",
    )


def talk_not_found(name: str) -> ApiError:
    message = f"Conversation with id '{name[:80]}' not found."
    return ApiError(404, message, param="conversation")


def response_not_found(name: str) -> ApiError:
    return ApiError(404, f"Response with id '{name[:80]}' not found.")
