"""What an owner sees of answers that are kept for who asks the same again, and has forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from proxy.errors import ApiError
from proxy.routing.cache import Shelf
from proxy.store.base import StoreError


class KeptAnswers:
    """Those on all `shelves`: on disk some may be left of a time when they were kept there."""

    def __init__(self, where: str, shelves: Sequence[Shelf]) -> None:
        self._where = where
        self._shelves = shelves

    async def state(self) -> dict[str, Any]:
        """Where they are kept, how many, and how large they are. Raises ApiError."""
        try:
            amounts = [await shelf.amount() for shelf in self._shelves]
        except StoreError as error:
            raise ApiError(503, str(error)) from None
        count, size = map(sum, zip(*amounts, strict=True))
        return {"store": self._where, "count": count, "bytes": size}

    async def forget(self) -> dict[str, Any]:
        """Forget all, for good. Raises ApiError."""
        try:
            for shelf in self._shelves:
                await shelf.clear()
        except StoreError as error:
            raise ApiError(503, f"{error}: nothing is forgotten until that is mended.") from None
        return await self.state()
