"""The database behind the running server: read at the start, written behind, by one thread.

A request never waits for it: preferences, signatures and cooldowns are used from memory. SQLModel
comes in with `proxy.store.database`, in that thread, when there is something to write.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from adapters.memory import LruMemory
from proxy.background import Background
from proxy.candidate import Candidate
from proxy.routing.candidates import Preference
from proxy.store.migrate import NewerSchemaError
from proxy.store.preferences import Preferences, StoredPreference
from proxy.store.prices import PriceList
from proxy.store.request_log import Columns, Query, RequestLog
from proxy.store.rows import UsageQueue
from proxy.store.setbacks import Setbacks
from proxy.store.snapshot import (
    Cooldown,
    SnapshotError,
    SqliteReader,
    StoreError as StoreError,
    named,
    sqlite_path,
)

if TYPE_CHECKING:
    from proxy.store.database import Database

log = logging.getLogger("pointsman.store")

TICK_S = 0.5
SPARE_FILES = 16
FIRST_READ_S = 10.0
"""The longest that a request waits for what the database holds, at the start.

Long enough to load SQLModel and migrate on a slow machine: who goes on without the choice that is
stored may ask a cloud where the user has chosen none.
"""
MAX_SIGNATURES = 4096
MAX_BATCH = 500
T = TypeVar("T")


class Reader(Protocol):
    """What is read: by the standard library from SQLite, else by the writer itself."""

    def version(self) -> object: ...
    def preferences(self) -> list[StoredPreference]: ...
    def signatures(self, most: int) -> dict[str, str]: ...
    def cooldowns(self) -> list[Cooldown]: ...
    def rows(self, sql: str, values: Columns) -> Sequence[Sequence[Any]]: ...


class Storage:
    """Keeps memory and database in step. `problem` says what is wrong now, or is None."""

    def __init__(
        self,
        url: str,
        preferences: Preferences,
        signatures: LruMemory,
        setbacks: Setbacks,
        prices: PriceList | None = None,
        background: Background | None = None,
    ) -> None:
        self._url = url
        self._preferences = preferences
        self._signatures = signatures
        self._setbacks = setbacks
        self.prices = prices or PriceList()
        self.usage = UsageQueue()
        self._background = background or Background()
        self._saved_setbacks: frozenset[Cooldown] = frozenset()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._database: Database | None = None
        self._unloadable = ""
        self._path = path = sqlite_path(url)
        self._file = SqliteReader(path) if path else None
        self._log = RequestLog(path) if path else None
        self._seen_version: object = None
        self._ticking: asyncio.Task[None] | None = None
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

    async def open(self) -> None:
        """Load what was stored. Raises NewerSchemaError; `problem` tells of all else."""
        self._preferences.store = self
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
        self._go_on()

    def _go_on(self) -> None:
        self._ticking = self._background.start("saving", self._tick)

    async def close(self) -> None:
        """Save what is still in memory only, and close."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
            try:
                await self.flush()
            except StoreError as error:
                log.warning("%s: the last second is lost", error)
            except Exception:
                log.exception("saving failed inside the proxy: the last second is lost")
        for file in (self._file, self._log):
            if file is not None:
                self._thread.submit(file.close)
        if self._database is not None:  # last, as only a writer tidies up SQLite's side files
            self._thread.submit(self._database.close)
        self._thread.shutdown(wait=True)

    async def save_preference(self, row: StoredPreference) -> StoredPreference:
        """Written for good when this returns. Raises StoreError."""
        return await self._write(lambda database: database.save_preference(row))

    async def remove_preference(self, row_id: str) -> None:
        """Gone for good when this returns. Raises StoreError."""
        await self._write(lambda database: database.remove_preference(row_id))

    async def save_verdict(self, verdict: Sequence[tuple[Candidate, bool]]) -> None:
        """Written for good when this returns. Raises StoreError."""
        await self._write(lambda database: database.save_verdict(verdict))

    async def query(self, work: Callable[[Query], T]) -> T:
        """What `work` makes of what it reads. Raises StoreError, which is nobody else's problem."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: self._read_now(lambda reader: work(reader.rows))
        )

    async def _write(self, work: Callable[[Database], T]) -> T:
        return await self._in_thread(lambda: work(self._opened()))

    async def _read(self, work: Callable[[Reader], T]) -> T:
        return await self._in_thread(lambda: self._read_now(work))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except StoreError as error:
            self.problem = str(error)
            raise

    def _read_now(self, work: Callable[[Reader], T]) -> T:
        if self._file is not None:
            try:
                return work(self._file)
            except SnapshotError:
                pass  # the writer migrates the file, or moves it aside, or knows what is wrong
        return work(self._opened())

    def _opened(self) -> Database:
        if self._database is not None and self._database.is_gone:
            self._database.close()
            self._database = None
        if self._database is None:
            database = self._library()(self._url)
            try:
                database.open()
            except NewerSchemaError as error:
                if not self._may_answer.is_set():
                    raise
                raise StoreError(str(error)) from error  # too late to refuse to start
            self._database = database
        return self._database

    def _library(self) -> type[Database]:
        """SQLModel's side. A load that breaks off halfway is mended by no other try."""
        if self._unloadable:
            raise StoreError(self._unloadable)
        if "proxy.store.database" not in sys.modules:
            _check_files()
        try:
            from proxy.store.database import Database
        except Exception as error:
            what = type(error).__name__
            self._unloadable = f"SQLModel could not be loaded ({what}): restart pointsman"
            raise StoreError(self._unloadable) from error
        return Database

    async def _load(self) -> None:
        self._signatures.fill(await self._read(lambda reader: reader.signatures(MAX_SIGNATURES)))
        self._saved_setbacks = frozenset(await self._read(lambda reader: reader.cooldowns()))
        self._setbacks.restore(self._saved_setbacks)
        await self._follow()
        self._is_loaded = True

    async def _follow(self) -> None:
        """Take over the preferences if another process has changed them."""
        version = await self._read(lambda reader: reader.version())
        if version != self._seen_version:
            self._preferences.replace(await self._read(lambda reader: reader.preferences()))
            self._seen_version = version

    async def flush(self) -> None:
        """Write what is in memory only. Raises StoreError."""
        if self.problem is not None:
            await self._write(lambda database: database.touch())
        if not self._is_loaded:
            await self._load()  # before it is written over
        await self._flush_setbacks()
        await self._flush_signatures()
        await self._flush_usage()
        self.problem = None

    async def _flush_setbacks(self) -> None:
        """Save what stands against providers, if it is other than what is saved."""
        rows = self._setbacks.rows()
        if rows == self._saved_setbacks:
            return
        fresh, gone = rows - self._saved_setbacks, self._saved_setbacks - rows
        await self._write(lambda database: database.save_cooldowns(list(fresh), list(gone)))
        self._saved_setbacks = rows

    async def _flush_signatures(self) -> None:
        fresh = self._signatures.take_new()
        if not fresh:
            return
        try:
            await self._write(lambda database: database.save_signatures(fresh))
        except StoreError:
            self._signatures.give_back(fresh)
            raise

    async def _flush_usage(self) -> None:
        while self.usage:
            await self._in_thread(self._append_batch)

    def _append_batch(self) -> None:
        """All of it in the store's thread, since whoever waits for it may be cancelled."""
        fresh = self.usage.oldest(MAX_BATCH)
        if not fresh:
            return
        priced = [
            (row, self.prices.price(row.provider, row.model, row.tokens, row.at)) for row in fresh
        ]
        self._append([row.columns(price) for row, price in priced])
        self.usage.written(len(fresh))
        self.prices.count([(row.provider, price) for row, price in priced])

    def _append(self, rows: Sequence[Columns]) -> None:
        if self._log is not None:
            try:
                self._log.append(rows)
            except SnapshotError:
                pass  # the writer migrates or mends the file, or knows what is wrong
            else:
                return
        self._opened().append(rows)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            known = self.problem
            try:
                await self.flush()
                await self._follow()
            except StoreError as error:
                if known is None:
                    log.warning("%s: nothing is saved until that is mended", error)
            except Exception:
                # Whatever it was, later changes have to be saved and seen.
                log.exception("saving failed inside the proxy")
                self.problem = "saving failed inside the proxy; its log has the details"


def _check_files() -> None:
    """Raise StoreError unless there is room for the files that are read to load a library."""
    spare: list[int] = []
    try:
        for _ in range(SPARE_FILES):
            spare.append(os.open(os.devnull, os.O_RDONLY))  # noqa: PERF401 - those before a failure
    except OSError as error:
        raise StoreError("too many files are open to load the database's library") from error
    finally:
        for one in spare:
            os.close(one)
