"""What a server would know at its start, for commands that need none: nothing is asked or changed.

Only `keep` writes: a choice that the next start finds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from functools import cached_property
from typing import TYPE_CHECKING, Self, TypeVar

from adapters.base import Json
from proxy.app import Parts, create_app, in_order
from proxy.console.change import app_row_id, changed
from proxy.settings import Settings
from proxy.store.migrate import NewerSchemaError
from proxy.store.preferences import Preferences, StoredPreference
from proxy.store.request_log import Query
from proxy.store.rows import UsageQueue
from proxy.store.setbacks import Setbacks
from proxy.store.snapshot import SnapshotError, SqliteReader, StoreError, sqlite_path
from proxy.store.storage import Reader

if TYPE_CHECKING:
    from proxy.store.database import Database

T = TypeVar("T")


@asynccontextmanager
async def offline(settings: Settings) -> AsyncIterator[Parts]:
    """The parts of a server that listens nowhere; `storage.problem` tells what was unreadable."""
    parts: Parts = create_app(settings).state.parts
    async with in_order(parts):
        try:
            _load(settings.store_url, parts.preferences, parts.setbacks)
        except (StoreError, NewerSchemaError) as error:
            parts.storage.problem = str(error)
        yield parts


def keep(settings: Settings, app: str | None, change: Json) -> None:
    """Write a change into the database. Raises StoreError, NewerSchemaError and ApiError."""
    from proxy.store.database import Database

    row_id = app_row_id(app)
    with closing(Database(settings.store_url)) as database:
        database.open()
        rows = {row.id: row for row in database.preferences()}
        row = rows.get(row_id) or StoredPreference(row_id)
        database.save_preference(changed(row, change, settings.providers))


class LogReader:
    """The usage log of a server that does not run, for `proxy.console.ledger.Ledger`."""

    def __init__(self, settings: Settings) -> None:
        self.usage = UsageQueue(0)
        self._settings = settings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    async def query(self, work: Callable[[Query], T]) -> T:
        """What `work` makes of the log. Raises StoreError."""
        try:
            return work(self._reader.rows)
        except SnapshotError as error:
            raise StoreError(f"the database cannot be read: {error}") from error

    @cached_property
    def _reader(self) -> SqliteReader | Database:
        if path := sqlite_path(self._settings.store_url):
            return SqliteReader(path)
        from proxy.store.database import Database

        database = Database(self._settings.store_url)
        database.open()
        return database


def _load(url: str, preferences: Preferences, setbacks: Setbacks) -> None:
    path = sqlite_path(url)
    if path is None:
        from proxy.store.database import Database

        with closing(Database(url)) as database:
            database.open()
            _take(database, preferences, setbacks)
        return
    # Read as it is: whoever only looks should neither migrate a file nor move a broken one aside.
    with closing(SqliteReader(path)) as file:
        try:
            _take(file, preferences, setbacks)
        except SnapshotError as error:
            raise StoreError(f"the database {path} cannot be read: {error}") from error


def _take(reader: Reader, preferences: Preferences, setbacks: Setbacks) -> None:
    preferences.replace(reader.preferences())
    setbacks.restore(reader.cooldowns())
