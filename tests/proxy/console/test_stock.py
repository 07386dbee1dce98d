"""What is kept for clients: how much there is, and what its owner is told where it is away."""

from __future__ import annotations

import pytest

from proxy.console.stock import Stock
from proxy.errors import ApiError
from proxy.store.base import StoreError

pytestmark = pytest.mark.anyio


class Place:
    """Holds `count` values of ten bytes, unless its database is away."""

    def __init__(self, count: int, *, is_away: bool = False) -> None:
        self.count = count
        self._is_away = is_away

    async def amount(self) -> tuple[int, int]:
        self._look()
        return self.count, self.count * 10

    async def clear(self) -> None:
        self._look()
        self.count = 0

    def _look(self) -> None:
        if self._is_away:
            raise StoreError("the disk is gone")


async def test_it_is_counted_and_forgotten_wherever_it_lies() -> None:
    stock = Stock("memory", [Place(2), Place(3)])

    assert await stock.state() == {"store": "memory", "count": 5, "bytes": 50}
    assert await stock.forget() == {"store": "memory", "count": 0, "bytes": 0}


async def test_the_owner_is_told_where_the_database_is_away() -> None:
    stock = Stock("disk", [Place(2), Place(3, is_away=True)])

    for ask, words in (
        (stock.state, "What is kept cannot be read: the disk is gone."),
        (stock.forget, "Not all of it is forgotten: the disk is gone."),
    ):
        with pytest.raises(ApiError) as met:
            await ask()
        error = met.value
        assert (error.status, error.code, error.message) == (503, "store_unavailable", words)
