"""What is kept of each matter, whatever the database: one thread uses it, in no request's way."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from proxy.store.base import Columns, Driver, StoreError, Tables, sqlite_path
from proxy.store.engines.migrate import TOUCH
from proxy.store.engines.mishaps import check_files
from proxy.store.engines.sqlite import Sqlite
from proxy.store.kept import preferences
from proxy.store.kept.preferences import StoredPreference
from proxy.store.keys import team_keys
from proxy.store.keys.team_keys import TeamKey
from proxy.store.usage import request_log, sums

T = TypeVar("T")
Changed = tuple[object, Sequence[StoredPreference], Sequence[TeamKey]]
"""A version of the preferences and keys, and what they are."""


class Database:
    """The one way in, for the functions of each matter.

    Every method blocks, and raises StoreError or NewerSchemaError. Who `looks_only` leaves a SQLite
    file as it is, whatever that is.
    """

    def __init__(self, url: str, *, looks_only: bool = False) -> None:
        path = sqlite_path(url)
        self._url = url
        self._driver: Driver | None = Sqlite(path, looks_only=looks_only) if path else None
        self._unloadable = ""

    def open(self) -> None:
        self._opened().open()

    def close(self) -> None:
        if self._driver is not None:
            self._driver.close()

    def read(self, work: Callable[[Tables], T]) -> T:
        return self._opened().read(work)

    def write(self, work: Callable[[Tables], T], *, durable: bool = True) -> T:
        return self._opened().write(work, durable=durable)

    def changed(self, seen: object) -> Changed | None:
        """The preferences and keys, and their version, if that is another than was seen."""
        version = self._opened().version()
        if version == seen:
            return None
        return version, self.read(preferences.stored), self.read(team_keys.stored)

    def touch(self) -> None:
        """Write something that changes nothing: this returns when writing is possible."""
        self.write(lambda tables: tables.run(TOUCH))

    def append(self, rows: Sequence[Columns], *, is_again: bool = False) -> None:
        """Write rows of the usage log, and forget the oldest; `is_again` may have been written."""
        work = request_log.append_once if is_again else request_log.append
        # A second of the log is nothing that every commit should wait for the disk.
        self.write(partial(work, fresh=rows), durable=False)

    def price(self, late: Sequence[Columns]) -> None:
        """Give rows their price that were written without one."""
        self.write(partial(request_log.price, late=late), durable=False)

    def sum_up(self, wall: Callable[[], float] = time.time) -> bool:
        """Add some of the usage log up; whether there may be more of it."""
        return self.write(partial(sums.sum_up, now=wall()), durable=False)

    def rows(self, sql: str, values: Columns) -> Sequence[Sequence[object]]:
        return self.read(lambda tables: tables.rows(sql, values))

    def _opened(self) -> Driver:
        """SQLModel's side comes in with its first use. A load that breaks off halfway is mended by
        no other try.
        """
        if self._driver is not None:
            return self._driver
        if self._unloadable:
            raise StoreError(self._unloadable)
        if "proxy.store.engines.server" not in sys.modules:
            check_files()
        try:
            from proxy.store.engines.server import Server
        except Exception as error:
            what = type(error).__name__
            self._unloadable = f"SQLModel could not be loaded ({what}): restart pointsman"
            raise StoreError(self._unloadable) from error
        self._driver = Server(self._url)
        return self._driver
