"""A bounded table in memory: what was used last is kept, and what is new can be saved behind it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping


class LruMemory:
    """At most `size` short texts by key; the one longest unused goes first."""

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        self._table: OrderedDict[str, str] = OrderedDict()
        self._new: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        """The value put last, if it is still there."""
        value = self._table.get(key)
        if value is not None:
            self._table.move_to_end(key)
        return value

    def put(self, key: str, value: str) -> None:
        """Remember `value`, forgetting the oldest if there is no room."""
        self._new[key] = value
        self._keep(key, value)
        if len(self._new) > self._size:
            del self._new[next(iter(self._new))]

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
        self._table[key] = value
        self._table.move_to_end(key)
        if len(self._table) > self._size:
            self._table.popitem(last=False)
