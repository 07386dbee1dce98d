"""The database behind the running server: read at the start, written behind, by one thread.

A request never waits for it: preferences, signatures and cooldowns are used from memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from adapters.memory import LruMemory
from proxy.background import Background
from proxy.routing.planning.preference import Preference
from proxy.settings import SettingsError, own_folder
from proxy.store.base import Columns, NewerSchemaError, StoreError, Tables, named, sqlite_path
from proxy.store.database import Changed, Database
from proxy.store.kept import setbacks, signatures
from proxy.store.kept.preferences import Preferences
from proxy.store.kept.setbacks import Cooldown, Setbacks
from proxy.store.keys.mark import Mark
from proxy.store.keys.team_keys import TeamKey, TeamKeys
from proxy.store.usage.prices import Price, PriceList
from proxy.store.usage.rows import MAX_QUEUED, UsageQueue, UsageRow
from proxy.store.usage.waiting import WaitingRows

log = logging.getLogger("pointsman.store")

TICK_S = 0.5
LOOK_S = 0.2
"""So often one of several servers looks whether the owner has chosen at another."""
TICKS_A_SUM = 120
"""The usage log is summed once a minute, and at each tick while there is more of it."""
FIRST_READ_S = 10.0
"""The longest that a request waits for what the database holds, at the start.

Long enough to load SQLModel and migrate on a slow machine: who goes on without the choice that is
stored may ask a cloud where the user has chosen none.
"""
MAX_SIGNATURES = 4096
MAX_BATCH = 500
T = TypeVar("T")


class Storage:
    """Keeps memory and database in step. `problem` says what is wrong now, or is None."""

    def __init__(
        self,
        url: str,
        preferences: Preferences,
        memory: LruMemory,
        against: Setbacks,
        prices: PriceList,
        background: Background,
        team: TeamKeys,
    ) -> None:
        self._team = team
        self._path = sqlite_path(url)
        self._preferences = preferences
        self._signatures = memory
        self._setbacks = against
        self.prices = prices
        self.usage = UsageQueue()
        self._doubtful = 0
        self._late: deque[UsageRow] = deque(maxlen=MAX_QUEUED)
        self._listing: asyncio.Task[object] | None = None
        self._until_sum = TICKS_A_SUM
        self._is_summed = False
        self._waiting = None if self._path else WaitingRows(lambda: own_folder() / "waiting")
        self._may_wait = self._waiting is not None
        self._background = background
        self._saved_setbacks: frozenset[Cooldown] = frozenset()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._database = Database(url)
        self._mark = Mark(url)
        self._team.listen(lambda: self._mark.leave() if self._team.rows else None)
        self._seen_version: object = None
        self._beside: list[asyncio.Task[None]] = []
        self._told = asyncio.Event()
        self._has_looked = False
        self.look_s = None if self._path else LOOK_S
        self._is_loaded = False
        self._may_answer = asyncio.Event()
        self.problem: str | None = None

    async def preference(self, app: str | None) -> Preference:
        """What holds for an app; waits, not long, while the database is being read at the start."""
        if not self._may_answer.is_set():
            await self._first_read()
        return self._preferences.get(app)

    async def loaded(self) -> None:
        """Return once all is in memory that is in the database. Raises StoreError."""
        await self._first_read()
        if not self._may_answer.is_set():
            raise StoreError(str(self.problem))
        if not self._is_loaded:
            await self._load()

    async def _first_read(self) -> None:
        try:
            async with asyncio.timeout(FIRST_READ_S):
                await self._may_answer.wait()
        except TimeoutError:
            if self.problem is None:
                self.problem = f"{named(self._path)} does not answer"
                log.error("%s: going on without it until it does", self.problem)  # noqa: TRY400

    def begin(self) -> None:
        """From now on nobody is let in before it is known whose keys are good."""
        self._team.door.reading = self._first_read
        if self._mark.is_there():
            self._team.door.await_made()

    async def open(self) -> None:
        """Load what was stored. Raises NewerSchemaError; `problem` states all else."""
        try:
            await self._load()
        except StoreError as error:
            log.error("%s: going on without it until that is mended", error)  # noqa: TRY400
        except NewerSchemaError:
            raise
        except Exception:
            self._go_on()  # it is logged and shown; what is chosen is to be saved all the same
            raise
        finally:
            self._may_answer.set()
            self._team.door.reading = None
        self._go_on()

    def _go_on(self) -> None:
        start = self._background.start
        self._beside = [start("saving", self._tick), start("looking", self._look)]

    async def close(self) -> None:
        """Save what is still in memory only, and close."""
        if self._beside:
            for task in self._beside:
                task.cancel()
            await asyncio.gather(*self._beside, return_exceptions=True)
            try:
                await self.flush()
                if self._late:
                    await asyncio.to_thread(self.prices.load)
                    await self._do(self._price_batch)
            except StoreError as error:
                if not await self._set_aside():
                    log.warning("%s: the last second is lost", error)
            except Exception:
                log.exception("saving failed inside the proxy: the last second is lost")
        self._thread.submit(self._database.close)
        self._thread.shutdown(wait=True)

    async def read(self, work: Callable[[Tables], T]) -> T:
        """What `work` makes of the tables, in the store's thread. Raises StoreError."""
        return await self._do(lambda database: database.read(work))

    async def write(self, work: Callable[[Tables], T], *, durable: bool = True) -> T:
        """The same in one transaction; if `durable`, it is on disk when this returns."""
        return await self._do(lambda database: database.write(work, durable=durable))

    async def query(self, work: Callable[[Tables], T]) -> T:
        """What `work` makes of what it reads. Raises StoreError, which is nobody else's problem."""
        return await self._in_thread(lambda: self._database.read(work))

    async def price(self, row: UsageRow) -> Price:
        if self.prices.price(row.provider, row.model, row.tokens, row.at).is_late:
            await asyncio.shield(self._listed())
        [(_, price)] = await self._in_thread(partial(self._priced, [row]))
        return price

    def _listed(self) -> asyncio.Task[object]:
        """Ends when the price lists are there, for which no row waits."""
        if self._listing is None:
            load = partial(asyncio.to_thread, self.prices.load)
            self._listing = self._background.start("reading the price lists", load)
        return self._listing

    def look(self) -> None:
        """Another process has changed the preferences just now: take them over at once."""
        self._told.set()

    async def _do(self, work: Callable[[Database], T]) -> T:
        try:
            return await self._in_thread(lambda: work(self._database))
        except StoreError as error:
            self.problem = str(error)
            raise

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except NewerSchemaError as error:
            if not self._may_answer.is_set():
                raise
            raise StoreError(str(error)) from error  # too late to refuse to start

    async def _load(self) -> None:
        self._signatures.fill(await self.read(partial(signatures.newest, most=MAX_SIGNATURES)))
        self._saved_setbacks = frozenset(await self.read(setbacks.saved))
        self._setbacks.restore(self._saved_setbacks)
        await self._follow()
        self._is_loaded = True

    async def _follow(self) -> None:
        """Take over preferences and keys if another process has changed them."""
        self._take_over(await self._do(self._changed))

    def _changed(self, database: Database) -> Changed | None:
        return database.changed(self._seen_version if self._is_loaded else object())

    def _take_over(self, changed: Changed | None) -> None:
        if changed:
            self._seen_version, rows, made = changed
            self._preferences.replace(rows)
            self._take_keys(made)

    def _take_keys(self, made: Sequence[TeamKey]) -> None:
        self._team.replace(made)
        if not made and self._mark.is_there() and not self._team.door.needed:
            self._team.door.needed = True  # they were lost, not revoked
            log.error(
                "the database has none of the keys that were made: nobody is let in until there is"
                " another (`pointsman keys add`), or %s is removed",
                self._mark,
            )

    async def flush(self) -> None:
        """Write what is in memory only. Raises StoreError."""
        if self.problem is not None:
            await self._do(lambda database: database.touch())
        if not self._is_loaded:
            await self._load()  # before it is written over
        await self._flush_setbacks()
        await self._flush_signatures()
        await self._flush_usage()
        if self._waiting is not None and self._may_wait:
            await self._do(partial(_write, self._waiting))
            self._may_wait = False
            self._is_summed = False
        self.problem = None

    async def sum_up(self) -> None:
        """Now and then, add up what has come to the usage log since. Raises StoreError."""
        self._until_sum -= 1
        if self._until_sum <= 0 and not self._is_summed:
            self._is_summed = True
            if await self._do(lambda database: database.sum_up()):
                self._is_summed = False
            else:
                self._until_sum = TICKS_A_SUM

    async def _flush_setbacks(self) -> None:
        """Save what stands against providers, if it is other than what is saved."""
        rows = self._setbacks.rows()
        if rows == self._saved_setbacks:
            return
        fresh, gone = rows - self._saved_setbacks, self._saved_setbacks - rows
        await self.write(partial(setbacks.save, fresh=fresh, gone=gone))
        self._saved_setbacks = rows

    async def _flush_signatures(self) -> None:
        fresh = self._signatures.take_new()
        if not fresh:
            return
        try:
            await self.write(partial(signatures.save, fresh=fresh))
        except StoreError:
            self._signatures.give_back(fresh)
            raise

    async def _flush_usage(self) -> None:
        """What is there now: under load there would always be another row."""
        left = len(self.usage)
        while left > 0 and self.usage:
            left -= await self._do(self._append_batch)

    def _append_batch(self, database: Database) -> int:
        """All of it in the store's thread, since whoever waits for it may be cancelled."""
        fresh, is_again = self.usage.oldest(self._doubtful or MAX_BATCH), self._doubtful > 0
        if not fresh:
            return 0
        priced = self._priced(fresh)
        self._doubtful = len(fresh)  # until it is known: the answer to a commit may get lost
        database.append([row.columns(price) for row, price in priced], is_again=is_again)
        self._leave(priced)
        return len(fresh)

    async def _price_late(self) -> None:
        """Give a price to rows that were written before the lists were there."""
        if self._late and self.prices.is_loaded:
            await self._do(self._price_batch)
        elif self._late:
            self._listed()

    def _price_batch(self, database: Database) -> None:
        late = list(self._late)
        priced = self._priced(late)
        database.price([row.columns(price) for row, price in priced])
        for _ in late:
            self._late.popleft()
        self._is_summed = False
        self._count(priced)

    def _leave(self, priced: Sequence[tuple[UsageRow, Price]]) -> None:
        self._doubtful = 0
        self._is_summed = False
        self.usage.written(len(priced))
        self._late += [row for row, price in priced if price.is_late]
        self._count([one for one in priced if not one[1].is_late])

    def _count(self, priced: Sequence[tuple[UsageRow, Price]]) -> None:
        self.prices.count([(row.provider, price) for row, price in priced])

    def _priced(self, rows: Sequence[UsageRow]) -> list[tuple[UsageRow, Price]]:
        price = self.prices.price
        return [(row, price(row.provider, row.model, row.tokens, row.at)) for row in rows]

    async def _set_aside(self) -> bool:
        """Keep in files what waits for a database server; whether nothing is in memory only."""
        if self._waiting is None:
            return False
        try:
            await self._in_thread(partial(self._move, self._waiting))
        except (OSError, SettingsError) as error:
            log.warning("usage is kept in memory alone: %s", error)
        return not self.usage

    def _move(self, waiting: WaitingRows) -> None:
        while fresh := self.usage.oldest(self._doubtful or MAX_BATCH):
            priced = self._priced(fresh)
            rows = [row.columns(price) for row, price in priced]
            self._may_wait = True
            if not waiting.put(rows, alone=self._doubtful > 0):
                return
            self._leave(priced)

    async def _look(self) -> None:
        """Beside what is saved, so that nobody goes by an old choice while that takes long."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.look_s):
                    await self._told.wait()
            self._told.clear()
            if self.problem is None:
                with contextlib.suppress(StoreError):  # which the next tick meets, and says
                    self._take_over(await self._in_thread(partial(self._changed, self._database)))
                    self._has_looked = True

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            known = self.problem
            try:
                await self.flush()
                await self._price_late()
                if not self._has_looked:  # or it would have been said that the database is away
                    await self._follow()
                self._has_looked = False
                await self.sum_up()
            except StoreError as error:
                if known is None:
                    log.warning("%s: nothing is saved until that is mended", error)
                await self._set_aside()
            except Exception:
                # Whatever it was, later changes have to be saved and seen.
                log.exception("saving failed inside the proxy")
                self.problem = "saving failed inside the proxy; its log has the details"


def _write(waiting: WaitingRows, database: Database) -> None:
    def put(rows: Sequence[Columns]) -> None:
        database.append(rows, is_again=True)

    try:
        waiting.write(put)
    except (OSError, SettingsError) as error:
        log.warning("usage that waits in files is not written: %s", error)
