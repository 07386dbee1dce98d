"""The database behind the running server: read at the start, written behind, by one thread.

A request never waits for it: preferences, signatures and cooldowns are used from memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from functools import partial

from adapters.memory import LruMemory
from proxy.background import Background
from proxy.routing.planning.preference import Preference
from proxy.settings import own_folder
from proxy.store.base import NewerSchemaError, StoreError, named, sqlite_path
from proxy.store.database import Changed, Database
from proxy.store.kept import setbacks, signatures
from proxy.store.kept.preferences import Preferences
from proxy.store.kept.setbacks import Cooldown, Setbacks
from proxy.store.keys.mark import Mark
from proxy.store.keys.team_keys import TeamKey, TeamKeys
from proxy.store.thread import StoreThread
from proxy.store.usage.prices import PriceList
from proxy.store.usage.waiting import WaitingRows
from proxy.store.usage_log import UsageLog

log = logging.getLogger("pointsman.store")

TICK_S = 0.5
LOOK_S = 0.2
"""So often one of several servers looks whether the owner has chosen at another."""
FIRST_READ_S = 10.0
"""The longest that a request waits for what the database holds, at the start.

Long enough to load SQLModel and migrate on a slow machine: who goes on without the choice that is
stored may ask a cloud where the user has chosen none.
"""
MAX_SIGNATURES = 4096


class Storage(StoreThread):
    """Keeps memory and database in step."""

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
        super().__init__(url)
        self._path = sqlite_path(url)
        self._preferences = preferences
        self._signatures = memory
        self._setbacks = against
        self._saved_setbacks: frozenset[Cooldown] = frozenset()
        self._team = team
        self._mark = Mark(url)
        self._team.listen(lambda: self._mark.leave() if self._team.rows else None)
        waiting = None if self._path else WaitingRows(lambda: own_folder() / "waiting")
        self.usage = UsageLog(self, prices, background, waiting)
        self._background = background
        self._beside: list[asyncio.Task[None]] = []
        self._seen_version: object = None
        self._is_loaded = False
        self._told = asyncio.Event()
        self._has_looked = False
        self.look_s = None if self._path else LOOK_S

    async def preference(self, app: str | None) -> Preference:
        """What holds for an app; waits, not long, while the database is being read at the start."""
        if not self.may_answer.is_set():
            await self._first_read()
        return self._preferences.get(app)

    async def loaded(self) -> None:
        """Return once all is in memory that is in the database. Raises StoreError."""
        await self._first_read()
        if not self.may_answer.is_set():
            raise StoreError(str(self.problem))
        if not self._is_loaded:
            await self._load()

    async def _first_read(self) -> None:
        try:
            async with asyncio.timeout(FIRST_READ_S):
                await self.may_answer.wait()
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
            self.may_answer.set()
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
                await self.usage.finish()
            except StoreError as error:
                if not await self.usage.set_aside():
                    log.warning("%s: the last second is lost", error)
            except Exception:
                log.exception("saving failed inside the proxy: the last second is lost")
        self.end()

    def look(self) -> None:
        """Another process has changed the preferences just now: take them over at once."""
        self._told.set()

    async def _load(self) -> None:
        self._signatures.fill(await self.read(partial(signatures.newest, most=MAX_SIGNATURES)))
        self._saved_setbacks = frozenset(await self.read(setbacks.saved))
        self._setbacks.restore(self._saved_setbacks)
        await self._follow()
        self._is_loaded = True

    async def _follow(self) -> None:
        """Take over preferences and keys if another process has changed them."""
        self._take_over(await self.do(self._changed))

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
            await self.do(lambda database: database.touch())
        if not self._is_loaded:
            await self._load()  # before it is written over
        await self._flush_setbacks()
        await self._flush_signatures()
        await self.usage.flush()
        if self.problem is not None:
            log.info("the database can be written again: all is saved")
        self.problem = None

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

    async def _look(self) -> None:
        """Beside what is saved, so that nobody goes by an old choice while that takes long."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.look_s):
                    await self._told.wait()
            self._told.clear()
            if self.problem is None:
                with contextlib.suppress(StoreError):  # which the next tick meets, and says
                    self._take_over(await self.quietly(self._changed))
                    self._has_looked = True

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            known = self.problem
            try:
                await self.flush()
                await self.usage.price_late()
                if not self._has_looked:  # or it would have been said that the database is away
                    await self._follow()
                self._has_looked = False
                await self.usage.sum_up()
            except StoreError as error:
                if known is None:
                    log.warning("%s: nothing is saved until that is mended", error)
                await self.usage.set_aside()
            except Exception:
                # Whatever it was, later changes have to be saved and seen.
                log.exception("saving failed inside the proxy")
                self.problem = "saving failed inside the proxy; its log has the details"
