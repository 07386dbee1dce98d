"""The usage log on its way to the database: queued, priced, written and added up, behind requests.

A row waits for no price list: it is written without a price, and gets it later. While a database
server is away, rows wait in files.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from functools import partial

from proxy.background import Background
from proxy.settings import SettingsError
from proxy.store.base import Columns
from proxy.store.database import Database
from proxy.store.thread import StoreThread
from proxy.store.usage.prices import Price, PriceList
from proxy.store.usage.rows import MAX_QUEUED, UsageQueue, UsageRow
from proxy.store.usage.waiting import WaitingRows

log = logging.getLogger("pointsman.store")

TICKS_A_SUM = 120
"""The usage log is summed once a minute, and at each tick while there is more of it."""
MAX_BATCH = 500

Priced = Sequence[tuple[UsageRow, Price]]


class UsageLog(UsageQueue):
    """What of it is in memory only. `waiting` are the files of who has no file for a database."""

    def __init__(
        self,
        store: StoreThread,
        prices: PriceList,
        background: Background,
        waiting: WaitingRows | None,
    ) -> None:
        super().__init__()
        self.prices = prices
        self.query = store.query
        self.may_wait = waiting is not None
        self._store = store
        self._background = background
        self._waiting = waiting
        self._doubtful = 0
        self._late: deque[UsageRow] = deque(maxlen=MAX_QUEUED)
        self._listing: asyncio.Task[object] | None = None
        self._until_sum = TICKS_A_SUM
        self._is_summed = False

    async def price(self, row: UsageRow) -> Price:
        if self.prices.price(row.provider, row.model, row.tokens, row.at).is_late:
            await asyncio.shield(self.listed())
        [(_, price)] = await self._store.quietly(lambda _: self._priced([row]))
        return price

    def listed(self) -> asyncio.Task[object]:
        """Ends when the price lists are there, for which no row waits."""
        if self._listing is None:
            load = partial(asyncio.to_thread, self.prices.load)
            self._listing = self._background.start("reading the price lists", load)
        return self._listing

    async def flush(self) -> None:
        """Write what is there now: under load there would always be another row."""
        left = len(self)
        while left > 0 and self:
            left -= await self._store.do(self._append_batch)
        if self._waiting is not None and self.may_wait:
            await self._store.do(partial(_write, self._waiting))
            self.may_wait = False
            self._is_summed = False

    async def price_late(self) -> None:
        """Give a price to rows that were written before the lists were there."""
        if self._late and self.prices.is_loaded:
            await self._store.do(self._price_batch)
        elif self._late:
            self.listed()

    async def finish(self) -> None:
        """Give every row its price that was written without one."""
        if self._late:
            await asyncio.to_thread(self.prices.load)
            await self._store.do(self._price_batch)

    async def sum_up(self) -> None:
        """Now and then, add up what has come to the usage log since."""
        self._until_sum -= 1
        if self._until_sum <= 0 and not self._is_summed:
            self._is_summed = True
            if await self._store.do(lambda database: database.sum_up()):
                self._is_summed = False
            else:
                self._until_sum = TICKS_A_SUM

    async def set_aside(self) -> bool:
        """Keep in files what waits for a database server; whether nothing is in memory only."""
        if self._waiting is None:
            return False
        try:
            await self._store.quietly(partial(self._move, self._waiting))
        except (OSError, SettingsError) as error:
            log.warning("usage is kept in memory alone: %s", error)
        return not self

    def _append_batch(self, database: Database) -> int:
        """All of it in the store's thread, since whoever waits for it may be cancelled."""
        priced, is_again = self._batch(), self._doubtful > 0
        if priced:
            self._doubtful = len(priced)  # until it is known: the answer to a commit may get lost
            database.append(_columns(priced), is_again=is_again)
            self._leave(priced)
        return len(priced)

    def _move(self, waiting: WaitingRows, _database: Database) -> None:
        while priced := self._batch():
            self.may_wait = True
            if not waiting.put(_columns(priced), alone=self._doubtful > 0):
                return
            self._leave(priced)

    def _batch(self) -> Priced:
        """The oldest rows; those that may have been written before stay by themselves."""
        return self._priced(self.oldest(self._doubtful or MAX_BATCH))

    def _leave(self, priced: Priced) -> None:
        self._doubtful = 0
        self._is_summed = False
        self.written(len(priced))
        self._late += [row for row, price in priced if price.is_late]
        self._count([one for one in priced if not one[1].is_late])

    def _price_batch(self, database: Database) -> None:
        priced = self._priced(list(self._late))
        database.price(_columns(priced))
        for _ in priced:
            self._late.popleft()
        self._is_summed = False
        self._count(priced)

    def _priced(self, rows: Sequence[UsageRow]) -> Priced:
        price = self.prices.price
        return [(row, price(row.provider, row.model, row.tokens, row.at)) for row in rows]

    def _count(self, priced: Priced) -> None:
        self.prices.count([(row.provider, price) for row, price in priced])


def _columns(priced: Priced) -> list[Columns]:
    return [row.columns(price) for row, price in priced]


def _write(waiting: WaitingRows, database: Database) -> None:
    try:
        waiting.write(partial(database.append, is_again=True))
    except (OSError, SettingsError) as error:
        log.warning("usage that waits in files is not written: %s", error)
