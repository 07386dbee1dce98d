"""A bounded table in memory: what was used last is kept."""

from __future__ import annotations

from collections import OrderedDict


class LruMemory:
    """At most `size` short texts by key; the one longest unused goes first."""

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        self._table: OrderedDict[str, str] = OrderedDict()

    def get(self, key: str) -> str | None:
        """The value put last, if it is still there."""
        value = self._table.get(key)
        if value is not None:
            self._table.move_to_end(key)
        return value

    def put(self, key: str, value: str) -> None:
        """Remember `value`, forgetting the oldest if there is no room."""
        self._table[key] = value
        self._table.move_to_end(key)
        if len(self._table) > self._size:
            self._table.popitem(last=False)
