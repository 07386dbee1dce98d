"""Answers that are given again to who asks exactly the same, as rows: each whole, by its key.

The key is a digest: what was asked is nowhere. What is deleted is written over, where SQLite keeps
it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, get_args

import msgspec

from adapters.base import Event
from proxy.background import Background
from proxy.routing.cache import LARGEST_SHARE, Kept
from proxy.store.base import Store, StoreError, Tables
from proxy.store.kept.amounts import amount, forget_oldest

TABLE = "answers"
MAX_KEY = 64
UNREADABLE = (msgspec.MsgspecError, KeyError, TypeError, ValueError)
"""What reading a row raises that something else has written."""
KINDS: Mapping[str, type[Any]] = {kind.__name__: kind for kind in get_args(Event)}


class OnDisk:
    """At most `room` characters of answers, each for `ttl_s` seconds; the oldest are forgotten.

    `wall` is Unix seconds: what is kept outlives the process. It is written behind the request.
    """

    def __init__(
        self,
        store: Store,
        background: Background,
        room: int,
        ttl_s: float,
        wall: Callable[[], float],
    ) -> None:
        self.room = room
        self._store = store
        self._background = background
        self._fresh: dict[bytes, Kept] = {}
        self._ttl_s = ttl_s
        self._wall = wall

    async def get(self, key: bytes) -> Kept | None:
        """The answer; None also where the database cannot be read, which reports it itself."""
        if key in self._fresh:
            return self._fresh[key]
        since_ms = int((self._wall() - self._ttl_s) * 1000)
        try:
            body = await self._store.read(partial(find, key=key, since_ms=since_ms))
        except StoreError:
            return None
        with contextlib.suppress(*UNREADABLE):
            return None if body is None else kept_of(body)
        return None

    def put(self, key: bytes, kept: Kept) -> None:
        self._fresh[key] = kept
        self._background.start_once("keeping answers", self.close)

    async def close(self) -> None:
        """Write what is not written yet; what cannot be is given up."""
        while self._fresh:
            key, kept = next(iter(self._fresh.items()))
            with contextlib.suppress(StoreError):  # the database tells of it
                await self._write(key, kept)
            if self._fresh.get(key) is kept:
                del self._fresh[key]

    async def _write(self, key: bytes, kept: Kept) -> None:
        body = body_of(kept)
        if len(body) > self.room // LARGEST_SHARE:
            return
        now_ms = int(self._wall() * 1000)
        row = {"name": key.hex(), "at_ms": now_ms, "size": len(body), "body": body}
        since_ms = now_ms - int(self._ttl_s * 1000)
        work = partial(save, row=row, since_ms=since_ms, most=self.room)
        await self._store.write(work, durable=False)

    async def amount(self) -> tuple[int, int]:
        return await self._store.read(partial(amount, table=TABLE))

    async def clear(self) -> None:
        self._fresh.clear()
        await self._store.write(lambda tables: tables.run("DELETE FROM answers"))


def find(tables: Tables, *, key: bytes, since_ms: int) -> str | None:
    """The body of a row that is not older."""
    sql = "SELECT body FROM answers WHERE name = :name AND at_ms > :since"
    found = tables.rows(sql, {"name": key.hex(), "since": since_ms})
    return str(found[0][0]) if found else None


def save(tables: Tables, *, row: Mapping[str, Any], since_ms: int, most: int) -> None:
    """Write a row; forget those that are older, and the oldest above `most` characters."""
    tables.put(TABLE, [row])
    tables.run("DELETE FROM answers WHERE at_ms <= :since", {"since": since_ms})
    forget_oldest(tables, TABLE, most, _forget)


def _forget(tables: Tables, name: str) -> None:
    tables.run("DELETE FROM answers WHERE name = :name", {"name": name})


def body_of(kept: Kept) -> str:
    """What is written of an answer: each event behind the name of its kind."""
    batches = [[(type(event).__name__, event) for event in batch] for batch in kept.batches]
    told = (batches, kept.prompt_guess, kept.provider, kept.model, kept.warnings)
    return msgspec.json.encode(told).decode()


def kept_of(body: str) -> Kept:
    """What was written of it."""
    batches, *rest = msgspec.json.decode(body)
    return Kept([[msgspec.convert(one, KINDS[kind]) for kind, one in b] for b in batches], *rest)
