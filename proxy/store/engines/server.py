"""Every database that is no SQLite file, PostgreSQL above all: by SQLModel's tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event, insert, text, update
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from proxy.store.base import BUSY_TIMEOUT_MS, Columns, StoreError, Tables
from proxy.store.engines.migrate import migrate
from proxy.store.engines.mishaps import told
from proxy.store.engines.tables import TABLES

T = TypeVar("T")

CONNECT_TIMEOUT_S = 3
PSYCOPG = ("postgresql://", "postgresql+psycopg")
POOL: Mapping[str, int] = {"pool_size": 1, "max_overflow": 3}
"""One thread uses one connection; a report beside it may take another."""
NOTHING: Columns = {}
ALONE = text("SELECT pg_try_advisory_xact_lock(:lock)")
SUMMING = 0x706F696E75
"""The advisory lock under which PostgreSQL's usage log is summed."""
SETTLE_MS = 20
"""The longest that the sums wait for who is writing, and others behind them."""
LOCKED = "55P03"
POSTGRESQL = "postgresql"
READING: Mapping[str, Any] = {"isolation_level": "REPEATABLE READ"}
"""Else each statement would see another moment."""


class ServerTables:
    """The tables of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Columns = NOTHING) -> Sequence[Sequence[Any]]:
        return list(self._connection.execute(text(sql), dict(values)))

    def find(self, table: str, rest: str = "", values: Columns = NOTHING) -> list[dict[str, Any]]:
        kinds = {column.name: column.type for column in TABLES.tables[table].columns}
        names = ", ".join(kinds)  # a newer version may have added others
        query = text(f"SELECT {names} FROM {table} {rest}").columns(**kinds)  # noqa: S608 - names of our own
        found = self._connection.execute(query, dict(values)).mappings()
        return [{name: _in_utc(value) for name, value in row.items()} for row in found]

    def put(self, table: str, rows: Sequence[Columns]) -> None:
        """Write rows; those of a table whose keys the database gives, all in one step."""
        into: Table = TABLES.tables[table]
        keys = [column.name for column in into.primary_key]
        fresh = [dict(row) for row in rows if not self._has_changed(into, keys, row)]
        if fresh:
            self._connection.execute(insert(into), fresh)

    def run(self, sql: str, values: Columns = NOTHING) -> None:
        self._connection.execute(text(sql), dict(values))

    def settled(self, table: str) -> int | None:
        """The number of the newest row; numbers are given before they are seen by others.

        So nobody may be writing for a moment, which ends with the savepoint.
        """
        query = text(f"SELECT MAX(id) FROM {table}")  # noqa: S608 - names of our own
        if self._connection.dialect.name != POSTGRESQL:
            return self._connection.execute(query).scalar_one() or 0
        if not self._connection.execute(ALONE, {"lock": SUMMING}).scalar_one():
            return None
        try:
            with self._connection.begin_nested() as moment:
                self._connection.execute(text(f"SET LOCAL lock_timeout = {SETTLE_MS}"))
                self._connection.execute(text(f"LOCK TABLE {table} IN SHARE MODE"))
                newest: int = self._connection.execute(query).scalar_one() or 0
                moment.rollback()
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) == LOCKED:
                return None
            raise
        return newest

    def _has_changed(self, table: Table, keys: Sequence[str], row: Columns) -> bool:
        """Whether there was a row of this key, and it is this one now."""
        if not row.keys() >= set(keys):
            return False
        is_it = [table.columns[key] == row[key] for key in keys]
        done = self._connection.execute(update(table).where(*is_it).values(dict(row)))
        return done.rowcount > 0


def _in_utc(value: Any) -> Any:
    """Moments come in the time zone of the server, or in none: they were written in UTC."""
    if not isinstance(value, datetime):
        return value
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Server:
    """A database by its URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine | None = None

    def open(self) -> None:
        self.read(lambda _: None)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def version(self) -> object:
        """When each preference was changed last, and which keys there are with what they may."""
        return self.read(lambda tables: frozenset(map(tuple, (*_changes(tables), *_keys(tables)))))

    def read(self, work: Callable[[Tables], T]) -> T:
        return self._use(work, READING)

    def write(self, work: Callable[[Tables], T], *, durable: bool = True) -> T:
        return self._use(work, NOTHING)

    def _use(self, work: Callable[[Tables], T], options: Mapping[str, Any]) -> T:
        with told(None, also=(SQLAlchemyError,)):
            if self._engine is None:
                self._engine = _opened(self._url)
            if self._engine.dialect.name != POSTGRESQL:
                options = NOTHING
            with self._engine.connect().execution_options(**options) as one, one.begin():
                return work(ServerTables(one))


def _changes(tables: Tables) -> Sequence[Sequence[Any]]:
    return tables.rows("SELECT id, updated_at FROM user_preferences")


def _keys(tables: Tables) -> Sequence[Sequence[Any]]:
    told = tables.rows(
        "SELECT id, revoked_ms, role, requests_per_minute, tokens_per_minute, day_nano_usd,"
        " month_nano_usd, models, providers FROM team_keys"
    )
    return [[*map(str, row)] for row in told]


def _opened(url: str) -> Engine:
    given: dict[str, Any] = {}
    if url.startswith(PSYCOPG):
        given = {"connect_args": {"connect_timeout": CONNECT_TIMEOUT_S}, **POOL}
    try:
        engine = create_engine(url, pool_pre_ping=True, **given)
    except ArgumentError as error:
        raise StoreError("POINTSMAN_DATABASE_URL is not the URL of a database") from error
    if engine.dialect.name == POSTGRESQL:
        event.listen(engine, "connect", _set_up_postgresql)
    try:
        with engine.begin() as connection:
            migrate(connection, TABLES)
    except BaseException:
        engine.dispose()
        raise
    if url.startswith(PSYCOPG):
        engine.dispose()  # what brings the tables up to date may be silent for long, no other
        event.listen(engine, "do_connect", _patiently)
    return engine


def _patiently(_dialect: object, _record: object, args: Any, named: Any) -> Any:
    from proxy.store.engines.patience import Patient

    return Patient.connect(*args, **named)


def _set_up_postgresql(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {BUSY_TIMEOUT_MS}")
    connection.commit()
