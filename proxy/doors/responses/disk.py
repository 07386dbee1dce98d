"""Responses and conversations that outlive the process: behind what is in memory, in the database.

What is in memory is read from there alone, so that a door need not wait; what a request will want
is brought there before it is read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

from msgspec import Struct

from adapters.base import Json
from adapters.wire.aside import LARGE_BYTES
from adapters.wire.pieces import loads
from adapters.wire.writing import IN_PIECES, dumps_text
from proxy.background import Background
from proxy.doors.responses.in_memory import (
    MAX_BYTES,
    MAX_HISTORY_BYTES,
    Keeper,
    Talk,
    Turn,
    Turns,
    chain,
    sized,
)
from proxy.doors.responses.items import REFERENCE, kind_of
from proxy.errors import ApiError
from proxy.store.base import Store, StoreError, Tables
from proxy.store.kept import responses as table
from proxy.store.kept.responses import KeptRow

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_S = 30 * 24 * 3600.0
SETTLED = 1 / 30
"""The part of that after which a row's time is believed, and with it that others are old."""
PAUSES_S = (0.05, 0.1, 0.2, 0.0)
"""Another server writes behind its answer: what is not there yet is looked for again."""
MAX_WAITING = 1000
MAX_WAITING_BYTES = 4 * MAX_BYTES
"""Rows that wait for a database that cannot be written to: the oldest are given up."""


class Disk(Keeper):
    """Writes behind what `turns` are told, and brings back what they no longer have.

    Where other servers share the database, it is the truth: what is in memory may have been changed
    or deleted at another, and what is not there yet may be about to be written.
    """

    def __init__(
        self,
        turns: Turns,
        store: Store,
        background: Background,
        *,
        most: int,
        shares: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._shares = shares
        self._sleep = sleep
        self._turns = turns
        self._store = store
        self._background = background
        self._most = most
        self._fresh: dict[str, _Fresh | None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def kept(self, owner: str, one: Turn | Talk) -> None:
        self._put(one.id, _Fresh(owner, one, int(self._turns.now() * 1000)))

    def gone(self, name: str) -> None:
        self._put(name, None)

    async def bring(self, owner: str, names: Iterable[str], items: Iterable[str] = ()) -> None:
        """Have these in memory, and all that stood before them; what is nowhere is left out."""
        self._loop = asyncio.get_running_loop()
        if not self._shares:
            await self._bring(owner, names, items)
            return
        names = list(names)
        await self._drop_changed(owner, names)
        for pause_s in PAUSES_S:
            await self._bring(owner, names, items)
            if all(name in self._turns.shelf(owner).kept for name in names):
                return
            await self._sleep(pause_s)

    async def _drop_changed(self, owner: str, names: Iterable[str]) -> None:
        """Forget what others may have changed since it was read: it is read again."""
        kept, since = self._turns.shelf(owner).kept, self._since_ms()
        old = [name for name in names if name in kept]
        if not old:
            return
        try:
            await self._save()
            left = await self._store.read(lambda it: table.there(it, owner, old, since_ms=since))
        except StoreError:
            return
        with self._turns.lock:
            for name in old:
                if name not in left or isinstance(kept.get(name), Talk):
                    self._turns.shelf(owner).drop(name)

    async def _bring(self, owner: str, names: Iterable[str], items: Iterable[str]) -> None:
        shelf = self._turns.shelf(owner)
        wanted = [lost for name in names if (lost := _first_missing(shelf.kept, name))]
        items = [item for item in items if item not in shelf.items]
        if not wanted and not items:
            return
        since = self._since_ms()
        try:
            await self._save()
            found = await self._store.read(
                lambda it: _chains(it, owner, wanted, items, since, self._was_at)
            )
        except StoreError:
            return  # the database tells of it; what is wanted is not found then
        for one in found:
            if one.id not in self._turns.shelf(owner).kept:
                self._turns.take_back(owner, one)

    def _was_at(self, at_ms: int) -> float:
        """What the clock showed then."""
        return self._turns.clock() - max(0.0, self._turns.now() - at_ms / 1000)

    async def save(self) -> None:
        """Write what is not written yet. Raises ApiError."""
        try:
            await self._save()
        except StoreError as error:
            raise ApiError(
                503, f"{error}: nothing is kept or deleted until that is mended."
            ) from None

    async def _save(self) -> None:
        while self._fresh:
            fresh = dict(self._fresh)  # at once, whatever another thread does
            await self._store.write(partial(self._write, fresh))
            with self._turns.lock:
                for name, row in fresh.items():
                    if name in self._fresh and self._fresh[name] is row:
                        del self._fresh[name]

    def _write(self, fresh: Mapping[str, _Fresh | None], tables: Tables) -> None:
        table.delete(tables, fresh)
        rows = [one.row() for one in fresh.values() if one is not None]
        ages = {"since_ms": self._since_ms(), "settled_ms": self._since_ms(SETTLED)}
        table.save(tables, rows, **ages, most=self._most)

    def _since_ms(self, part: float = 1) -> int:
        """When that part of the time began for which they are kept."""
        return int((self._turns.now() - part * self._turns.longest_s) * 1000)

    async def clear(self) -> None:
        """Forget all of it, for good, in memory too. Raises StoreError."""
        await self._turns.clear()
        self._fresh.clear()
        await self._store.write(table.clear)

    async def amount(self) -> tuple[int, int]:
        """How many there are, and of how many characters. Raises StoreError."""
        found: tuple[int, int] = await self._store.read(table.amount)
        return found

    def _put(self, name: str, one: _Fresh | None) -> None:
        with self._turns.lock:
            self._fresh.pop(name, None)
            self._fresh[name] = one
            size = sum(each.size for each in self._fresh.values() if each is not None)
            while len(self._fresh) > MAX_WAITING or size > MAX_WAITING_BYTES:
                given_up = self._fresh.pop(next(iter(self._fresh)))
                size -= 0 if given_up is None else given_up.size
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # the end of a large answer is made in a thread
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        """Write what there is to write, behind what is at work."""
        self._background.start_once("keeping responses", self._save_behind)

    async def _save_behind(self) -> None:
        with contextlib.suppress(StoreError):  # the database tells of it; the next kept tries again
            await self._save()


class _Fresh(Struct, frozen=True):
    """What is to be written, as it was then: its text is made where nobody waits for it."""

    owner: str
    one: Turn | Talk
    at_ms: int

    @property
    def size(self) -> int:
        return self.one.size

    def row(self) -> KeptRow:
        return _beside(self.size, row_of, self.owner, self.one, self.at_ms)


def _beside(size: int, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """What `work` gives in the database's thread, beside the loop that waits for it."""
    here = copy_context()
    here.run(IN_PIECES.set, size > LARGE_BYTES)
    return here.run(work, *given, **named)


def row_of(owner: str, one: Turn | Talk, at_ms: int) -> KeptRow:
    """What is written of it."""
    if isinstance(one, Talk):
        talk = {
            "created_at": one.created_at,
            "metadata": one.metadata,
            "items": list(one.items.values()),
        }
        return KeptRow(one.id, owner, at_ms, dumps_text(talk))
    turn = {"previous": one.previous, "given": one.given, "response": one.response}
    items = [*one.given, *one.response["output"]]
    ids = [item["id"] for item in items if kind_of(item) != REFERENCE]
    return KeptRow(one.id, owner, at_ms, dumps_text(turn), ids)


def kept_of(name: str, body: str, at: float) -> Turn | Talk:
    told: Json = loads(body)
    if "items" in told:
        items = {item["id"]: item for item in told["items"]}
        return Talk(name, told["created_at"], at, told["metadata"], items, sized(told["items"]))
    return Turn(told["previous"], told["given"], told["response"], sized(told), at)


def _first_missing(kept: Mapping[str, Turn | Talk], name: str) -> str | None:
    """The first of a chain that is not in memory."""
    wanted: str | None = name
    for one in chain(kept.get, name):
        wanted = one.previous if isinstance(one, Turn) else None
    return wanted


def _chains(
    tables: Tables,
    owner: str,
    names: Sequence[str],
    items: Sequence[str],
    since_ms: int,
    was_at: Callable[[int], float],
) -> Sequence[Turn | Talk]:
    """What has these names, what holds these items, and all before that."""
    found: dict[str, Turn | Talk] = {}

    def find(name: str) -> Turn | Talk | None:
        row = None if name in found else table.find(tables, owner, name, since_ms=since_ms)
        if row is None:
            return None
        at_ms, body = row
        return _beside(len(body), kept_of, name, body, was_at(at_ms))

    holders = (table.holder(tables, owner, item) for item in items)
    for name in (*names, *filter(None, holders)):
        size = 0
        for one in chain(find, name):
            found[one.id] = one
            size += one.size
            if size > MAX_HISTORY_BYTES:
                break
    return list(found.values())
