"""The usage log in a SQLite file, written and read with nothing but the standard library.

A server that only answers should not carry SQLModel for it (22 MB, most of a second). Its table is
`database.RequestRow`; the statements here are plain enough for other databases to run them too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from proxy.store.new_file import create_database
from proxy.store.snapshot import BROKEN, SnapshotError, SqliteFile, file_id, locked

COUNT = "SELECT COUNT(*) FROM requests"
FORGET_OLD = (
    "DELETE FROM requests WHERE id IN"
    " (SELECT id FROM requests WHERE at_ms < :oldest_ms AND EXISTS"
    " (SELECT 1 FROM requests WHERE at_ms BETWEEN :since_ms AND :settled_ms)"
    " ORDER BY at_ms LIMIT :step)"
)
FORGET_FIRST = (
    "DELETE FROM requests WHERE id IN (SELECT id FROM requests ORDER BY id LIMIT :excess)"
)

MAX_ROWS = 100_000
DAY_MS = 86_400_000
MAX_AGE_MS = 90 * DAY_MS
AT_ONCE = 50
CACHE_KIB = 512
"""A fourth of what SQLite would take; to write at the end is no slower for it."""
STEP = 1000
"""The most that is forgotten at once, so that no write takes long."""

Columns = Mapping[str, object]
Query = Callable[[str, Columns], Sequence[Sequence[Any]]]
"""Runs one SELECT with named parameters."""


def insert(row: Columns) -> str:
    """The statement that writes rows like this one."""
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    return f"INSERT INTO requests ({names}) VALUES ({values})"  # noqa: S608 - names of our own


def newest_ms(rows: Sequence[Columns]) -> int:
    """The begin of the request that began last."""
    return max(int(str(row["at_ms"])) for row in rows)


def excess(count: int) -> int:
    """How many of `count` rows to forget now."""
    return max(0, min(count - MAX_ROWS, STEP))


def too_old(now_ms: int) -> Columns:
    """What FORGET_OLD takes.

    A clock that has just leapt ahead makes good rows look old. It is believed once the log has a
    row of the month before it that is more than a day old by it.
    """
    return {
        "oldest_ms": now_ms - MAX_AGE_MS,
        "since_ms": now_ms - 30 * DAY_MS,
        "settled_ms": now_ms - DAY_MS,
        "step": STEP,
    }


def _insert(connection: sqlite3.Connection, rows: Sequence[Columns]) -> None:
    """Many in one step: after each, the interpreter goes to and fro between the threads.

    The rest one by one: each other number is another statement, of 100 KB, and all are kept.
    """
    whole = len(rows) - len(rows) % AT_ONCE
    for first in range(0, whole, AT_ONCE):
        values = [value for row in rows[first : first + AT_ONCE] for value in row.values()]
        connection.execute(_statement(rows[0], AT_ONCE), values)
    connection.executemany(_statement(rows[0], 1), [list(row.values()) for row in rows[whole:]])


def _statement(row: Columns, count: int) -> str:
    places = f"({', '.join('?' * len(row))})"
    names = ", ".join(row)
    return f"INSERT INTO requests ({names}) VALUES {', '.join([places] * count)}"  # noqa: S608 - names of our own


class RequestLog(SqliteFile):
    """The log, in a file that is made where there is none."""

    def append(self, rows: Sequence[Columns]) -> None:
        """Write rows and forget the oldest.

        Raises StoreError while another program locks the file, else SnapshotError.
        """
        try:
            if not self._is_there():
                create_database(self._path)
                self._file_id = file_id(self._path)
            connection = self._connection = self._connection or self._connect()
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                _insert(connection, rows)
                connection.execute(FORGET_OLD, too_old(newest_ms(rows)))
                count = connection.execute(COUNT).fetchone()[0]
                connection.execute(FORGET_FIRST, {"excess": excess(count)})
        except BROKEN as error:
            self.close()
            if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise locked(self._path) from error
            raise SnapshotError(str(error)) from error

    def _connect(self) -> sqlite3.Connection:
        connection = self._open("mode=rw")
        # A second of the log is nothing that every commit should wait for the disk.
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        return connection
