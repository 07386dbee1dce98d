"""What an owner sees of what is kept for clients, and has forgotten: responses, answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from proxy.console.unsaved import or_say, reading


class Keeping(Protocol):
    """One place of it. Both raise StoreError."""

    async def amount(self) -> tuple[int, int]: ...
    async def clear(self) -> None: ...


class Stock:
    """All that is kept of one kind, in whatever `places`; `where` is what is set.

    On disk some may be left of a time when it was kept there.
    """

    def __init__(self, where: str, places: Sequence[Keeping]) -> None:
        self._where = where
        self._places = places

    async def state(self) -> dict[str, Any]:
        """Where it is kept, how much, and how large it is. Raises ApiError."""
        with reading("What is kept"):
            amounts = [await place.amount() for place in self._places]
        count, size = map(sum, zip(*amounts, strict=True))
        return {"store": self._where, "count": count, "bytes": size}

    async def forget(self) -> dict[str, Any]:
        with or_say("Not all of it is forgotten"):
            for place in self._places:
                await place.clear()
        return await self.state()
