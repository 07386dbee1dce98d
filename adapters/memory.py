"""A bounded table in memory: what was used last is kept, and what is new can be saved behind it."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Mapping

MAX_CHARS = 16 * 1024 * 1024
MAX_ENTRY_CHARS = 1024 * 1024


class LruMemory:
    """At most `size` texts by key, and so many characters; the one longest unused goes first.

    `tell` hears of each that is put.
    """

    tell: Callable[[str, str], None] | None = None

    def __init__(self, size: int = 4096, *, max_chars: int = MAX_CHARS) -> None:
        self._size = size
        self._max_chars = max_chars
        self._chars = 0
        self._table: OrderedDict[str, str] = OrderedDict()
        self._new: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        """The value put last, if it is still there."""
        value = self._table.get(key)
        if value is not None:
            with contextlib.suppress(KeyError):  # asked for aside, while the loop makes room
                self._table.move_to_end(key)
        return value

    def put(self, key: str, value: str) -> None:
        """Remember `value`, forgetting the oldest if there is no room; one too large is let go."""
        if len(key) + len(value) > min(MAX_ENTRY_CHARS, self._max_chars):
            return
        self._new[key] = value
        self._keep(key, value)
        if self.tell:
            self.tell(key, value)

    def fill(self, table: Mapping[str, str]) -> None:
        """Take over what was saved before; what has been put since then stands over it."""
        for key, value in table.items():
            if key not in self._table:
                self._keep(key, value)

    def take_new(self) -> dict[str, str]:
        """What has been put since this was last called."""
        new, self._new = self._new, {}
        return new

    def give_back(self, untaken: Mapping[str, str]) -> None:
        """What `take_new` gave could not be saved: it is new still."""
        self._new = {**untaken, **self._new}

    def _keep(self, key: str, value: str) -> None:
        self._chars += len(key) + len(value) - self._size_of(key)
        self._table[key] = value
        self._table.move_to_end(key)
        while len(self._table) > self._size or self._chars > self._max_chars:
            oldest = next(iter(self._table))
            self._chars -= self._size_of(oldest)
            del self._table[oldest]
            self._new.pop(oldest, None)

    def _size_of(self, key: str) -> int:
        value = self._table.get(key)
        return 0 if value is None else len(key) + len(value)
