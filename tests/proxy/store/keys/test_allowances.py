"""What a key may still spend: day by day, by one server or several."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from adapters.base import Usage
from proxy.background import Background
from proxy.clocks import Clocks
from proxy.errors import ApiError
from proxy.routing.answers.receipt import Receipt
from proxy.store.base import StoreError, Tables
from proxy.store.keys.allowances import Allowances
from proxy.store.keys.team_keys import TeamKeys, fresh
from proxy.store.usage.prices import NANO, Price
from proxy.store.usage.rows import UsageRow, usage_row
from tests.proxy.kit import request
from tests.proxy.store.usage.test_rows import NEAR, answered, row

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 30, 12).astimezone().timestamp()
DAY_S = 86_400


class Books:
    """Every request costs a dollar; the log has `logged` of them, unless it cannot be read."""

    def __init__(self, logged: int | None = 0) -> None:
        self.logged = logged

    async def query(self, work: Callable[[Tables], Any]) -> Any:
        if self.logged is None:
            raise StoreError("the database is away")
        return {"anna": {"cost_nano_usd": self.logged * NANO}}

    async def price(self, _row: UsageRow) -> Price:
        await asyncio.sleep(0)
        return Price(NANO, billed=True)


async def opened(books: Books, now: list[float] | None = None, **limits: Any) -> Allowances:
    team = TeamKeys()
    at = [NOON] if now is None else now
    found = Allowances(team, books, lambda _: 1, Background(), Clocks(wall=lambda: at[0]))
    team.replace([fresh("anna", **limits)[0]])
    return found


async def asked(allowances: Allowances) -> None:
    lease = await allowances.enter("anna", request())
    allowances.settle(lease, row(answered(NEAR)))


async def test_a_day_is_over_at_midnight_and_a_month_goes_on() -> None:
    now = [NOON]
    limits = {"day_nano_usd": 2 * NANO, "month_nano_usd": 3 * NANO}
    allowances = await opened(Books(), now, **limits)
    for _ in range(2):
        await asked(allowances)
    with pytest.raises(ApiError, match="a day"):
        await asked(allowances)

    now[0] += DAY_S  # it is the first of December
    for _ in range(2):
        await asked(allowances)
    now[0] += DAY_S
    await asked(allowances)
    now[0] += DAY_S
    with pytest.raises(ApiError, match="a month"):
        await asked(allowances)


async def test_what_the_log_has_counts_and_counts_once_it_can_be_read() -> None:
    books = Books(logged=None)
    allowances = await opened(books, day_nano_usd=2 * NANO)
    await asked(allowances)

    books.logged = 2
    with pytest.raises(ApiError, match=r"has spent \$2\.00"):
        await asked(allowances)


async def test_several_servers_count_together_and_alone_what_they_could_not_tell() -> None:
    counters: dict[str, int] = {}
    is_away = False

    async def spend(counter: str, amount: int, known: int) -> int | None:
        if is_away:
            return None
        counters[counter] = counters.get(counter, known) + amount
        return counters[counter]

    both = [await opened(Books(), day_nano_usd=4 * NANO) for _ in range(2)]
    for one in both:
        one.spend = spend
    await asked(both[0])
    await asked(both[1])
    assert [await one.spent("anna", "day") for one in both] == [2 * NANO] * 2

    is_away = True
    await asked(both[0])
    assert await both[0].spent("anna", "day") == 3 * NANO
    assert await both[1].spent("anna", "day") == 2 * NANO
    is_away = False
    assert await both[0].spent("anna", "day") == 3 * NANO
    await asked(both[1])
    for one in reversed(both):
        assert await one.spent("anna", "day") == 4 * NANO
        with pytest.raises(ApiError, match="a day"):
            await asked(one)


async def test_what_was_asked_of_nobody_is_no_request() -> None:
    allowances = await opened(Books(), requests_per_minute=1, day_nano_usd=NANO)
    unasked = usage_row(
        Receipt(usage=Usage(9, 9)),
        request_id="r",
        at=NOON,
        app="anna",
        asked="default",
        is_stream=False,
        status=404,
        error=None,
        bytes_in=1,
        bytes_out=1,
    )
    for _ in range(3):
        allowances.settle(await allowances.enter("anna", request()), unasked)

    await asked(allowances)
    with pytest.raises(ApiError):
        await asked(allowances)
