"""SQLite, read and written by nothing but the standard library.

SQLModel costs 22 MB and most of a second. It is needed here only where a file of an older version
is brought to today's schema; `schema.sql`, of which a new one is made, is written from its tables.
"""

from __future__ import annotations

import errno
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from proxy.store.base import Columns, StoreError, Tables, named
from proxy.store.engines import migrate
from proxy.store.engines.file import connection_to, file_id, keep_private, prepare
from proxy.store.engines.mishaps import told
from proxy.store.schema import SCHEMA, columns

T = TypeVar("T")

UNWRITABLE = frozenset({"SQLITE_CANTOPEN", "SQLITE_READONLY_DIRECTORY"})
"""What SQLite says of a file beside which it cannot write."""
PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL")
"""What is wrong with the world and not with the file, or with how it was opened."""
BROKEN = (OSError, UnicodeDecodeError, sqlite3.Error)
"""What using a file can raise; an error's text cannot be decoded where it quotes broken names."""
CACHE_KIB = 512
"""A fourth of what SQLite would take; to write at the end of a table is no slower for it."""
AT_ONCE = 50


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


_READ: Mapping[str, Callable[[Any], Any]] = {
    "BOOLEAN": bool,
    "DATETIME": _moment,
    "JSON": json.loads,
}
_WRITTEN: Mapping[str, Callable[[Any], Any]] = {"DATETIME": _text, "JSON": json.dumps}
"""By the type of a column, where Python's value and SQLite's differ."""
NOTHING: Columns = {}


class SqliteTables:
    """The tables of one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._columns: dict[str, Mapping[str, str]] = {}

    def rows(self, sql: str, values: Columns = NOTHING) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, values).fetchall()

    def find(self, table: str, rest: str = "", values: Columns = NOTHING) -> list[dict[str, Any]]:
        found = self.connection.execute(f"SELECT * FROM {table} {rest}", values)  # noqa: S608 - names of our own
        names = [one[0] for one in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found]
        return list(map(dict, self._turned(rows, table, _READ)))

    def put(self, table: str, rows: Sequence[Columns]) -> None:
        """Write rows, many in one statement: between two, other threads get the interpreter.

        What is left over goes row by row: a statement for each count of rows would be kept, too,
        at 100 KB each.
        """
        rows = self._turned(rows, table, _WRITTEN)
        whole = len(rows) - len(rows) % AT_ONCE
        for first in range(0, whole, AT_ONCE):
            values = [value for row in rows[first : first + AT_ONCE] for value in row.values()]
            self.connection.execute(_insert(table, rows[0], AT_ONCE), values)
        if rest := [list(row.values()) for row in rows[whole:]]:
            self.connection.executemany(_insert(table, rows[0], 1), rest)

    def run(self, sql: str, values: Columns = NOTHING) -> None:
        self.connection.execute(sql, values)

    def settled(self, table: str) -> int | None:
        """The number of the newest row: while one process writes, no other does."""
        [[newest]] = self.rows(f"SELECT MAX(id) FROM {table}")  # noqa: S608 - names of our own
        return newest or 0

    def _turned(
        self, rows: Sequence[Columns], table: str, ways: Mapping[str, Callable[[Any], Any]]
    ) -> Sequence[Columns]:
        """The rows with those values turned that are of a type that has a way."""
        if table not in self._columns:
            self._columns[table] = columns(table)
        kinds = self._columns[table].items()
        turned = {name: ways[kind] for name, kind in kinds if kind in ways}
        if not turned:
            return rows
        return [
            {**row, **{at: way(row[at]) for at, way in turned.items() if row[at] is not None}}
            for row in rows
        ]


class NoTables(SqliteTables):
    """Those of a file that is not there."""

    def __init__(self) -> None: ...

    def rows(self, _sql: str, _values: Columns = NOTHING) -> list[tuple[Any, ...]]:
        return []

    def find(
        self, _table: str, _rest: str = "", _values: Columns = NOTHING
    ) -> list[dict[str, Any]]:
        return []


def _insert(table: str, row: Columns, count: int) -> str:
    places = f"({', '.join('?' * len(row))})"
    names = ", ".join(row)
    return f"INSERT OR REPLACE INTO {table} ({names}) VALUES {', '.join([places] * count)}"  # noqa: S608 - names of our own


class Sqlite:
    """A file, connected to while it is the one that is there; `looks_only` never changes it.

    Where a use fails, the file is made, mended or brought to today's schema, and used once more.
    """

    def __init__(self, path: Path, *, looks_only: bool = False) -> None:
        self._path = path
        self._looks_only = looks_only
        self._tables: SqliteTables | None = None
        self._file_id: int | None = None
        self._is_frozen = False
        self._is_durable: bool | None = None
        self._connections = 0

    def open(self) -> None:
        self.write(lambda _: None)

    def close(self) -> None:
        if self._tables is not None:
            self._tables.connection.close()
            self._tables = None
            self._is_durable = None

    def version(self) -> object:
        found = self.read(lambda tables: tables.rows("PRAGMA data_version"))
        return (self._connections, found[0][0]) if found else None

    def read(self, work: Callable[[Tables], T]) -> T:
        """What `work` makes of the tables; without a file, they are empty."""

        def whole(tables: SqliteTables) -> T:
            if isinstance(tables, NoTables):
                return work(tables)
            with tables.connection:
                tables.run("BEGIN")
                return work(tables)

        return self._use(whole, writes=False)

    def write(self, work: Callable[[Tables], T], *, durable: bool = True) -> T:
        """The same in one transaction. What is not durable, only a power cut undoes."""

        def whole(tables: SqliteTables) -> T:
            if self._is_durable is not durable:
                tables.run("PRAGMA journal_mode=WAL")
                tables.run(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                self._is_durable = durable
            with tables.connection:
                tables.run("BEGIN IMMEDIATE")
                return work(tables)

        return self._use(whole, writes=True)

    def _use(self, work: Callable[[SqliteTables], T], *, writes: bool) -> T:
        with told(self._path):
            try:
                return self._once(work, writes=writes)
            except BROKEN as error:
                if getattr(error, "sqlite_errorname", "").startswith(PASSING):
                    raise
                self.close()
                if self._looks_only:
                    raise StoreError(f"{named(self._path)} cannot be read: {error}") from error
            self._mend()
            return self._once(work, writes=writes)

    def _once(self, work: Callable[[SqliteTables], T], *, writes: bool) -> T:
        try:
            return work(self._connected(writes=writes))
        finally:
            if self._is_frozen:
                self.close()

    def _connected(self, *, writes: bool) -> SqliteTables:
        found = file_id(self._path)
        if found != self._file_id:
            self.close()
            self._file_id = found
        if found is None and not writes:
            return NoTables()
        if self._tables is None:
            self._is_frozen = False
            try:
                connection = self._open("mode=ro" if self._looks_only else "mode=rw")
            except sqlite3.OperationalError as error:
                has_log = self._path.with_name(f"{self._path.name}-wal").exists()
                if writes or has_log or error.sqlite_errorname not in UNWRITABLE:
                    raise
                # Even to read, SQLite wants to write beside the file. Where nobody can, nothing
                # changes.
                connection = self._open("immutable=1")
                self._is_frozen = True
            self._tables = SqliteTables(connection)
            self._tables.run(f"PRAGMA cache_size=-{CACHE_KIB}")
            # What was deleted may be what somebody has said.
            self._tables.run("PRAGMA secure_delete=ON")
            self._connections += 1
        return self._tables

    def _open(self, how: str) -> sqlite3.Connection:
        """A connection to a file of today's schema. What is raised is `BROKEN`."""
        if not self._path.is_file():
            raise IsADirectoryError(errno.EISDIR, "no file")
        keep_private(self._path)
        with ExitStack() as stack:
            connection = connection_to(self._path, "mode=ro" if how == "mode=rw" else how)
            stack.callback(connection.close)
            if migrate.version_of(connection) != migrate.HEAD:
                raise sqlite3.DatabaseError("its schema is of another version")
            if how != "mode=rw":
                stack.pop_all()
                return connection
        return connection_to(self._path, how)

    def _mend(self) -> None:
        """Whatever is wrong with the file: see to it, or raise what keeps from that."""
        prepare(self._path)
        with closing(connection_to(self._path, "mode=rw")) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                if (found := migrate.version_of(connection)) is None:
                    for statement in SCHEMA.read_text("utf-8").split(";"):
                        connection.execute(statement)
        if found not in (None, migrate.HEAD):
            migrate.check_known(found)
            migrate.migrate_file(self._path)
