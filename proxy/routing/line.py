"""Waiting for a turn: first come, first served, for each set of candidates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

MAX_WAITING = 256


class Lines:
    """A line for each key that somebody waits for. Who is cancelled has left it."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, asyncio.Lock] = {}
        self._waiting: dict[Hashable, int] = {}

    def is_empty(self, key: Hashable) -> bool:
        """Whether nobody waits: then a newcomer passes no one."""
        return key not in self._locks

    def is_full(self, key: Hashable) -> bool:
        """Whether one more would be too many."""
        return self._waiting.get(key, 0) >= MAX_WAITING

    @asynccontextmanager
    async def head(self, key: Hashable) -> AsyncIterator[None]:
        """Come to the head of the line, and leave it at the end."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key], self._locks[key]
