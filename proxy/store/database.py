"""What outlives the process: a small database, written by one thread, never in a request's way.

This module imports SQLModel, which costs more than all the rest at start, so it is imported by that
thread, after the server listens. Whatever is wrong with the database, requests go on without it.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Engine,
    Text,
    delete,
    event,
    false,
    func,
    null,
    text,
)
from sqlmodel import Field, Session, SQLModel, col, create_engine, select

from adapters import REGISTRY
from proxy.candidate import Candidate
from proxy.store.migrate import TOUCH, migrate
from proxy.store.mishaps import told
from proxy.store.new_file import prepare_folder
from proxy.store.preferences import DEFAULT, StoredPreference
from proxy.store.request_log import (
    COUNT,
    FORGET_FIRST,
    FORGET_OLD,
    Columns,
    excess,
    insert,
    newest_ms,
    too_old,
)
from proxy.store.snapshot import Cooldown, StoreError, file_id, keep_private, sqlite_path

log = logging.getLogger("pointsman.store")

BUSY_TIMEOUT_MS = 250
CONNECT_TIMEOUT_S = 3
PSYCOPG = ("postgresql://", "postgresql+psycopg")
MAX_SIGNATURES = 20_000
MAX_CALL_ID = 128
MAX_VERDICTS = 20_000
_Moment: Any = DateTime(timezone=True)


class PreferenceRow(SQLModel, table=True):
    """The user's choice (`default`), and one row more for each app that has its own."""

    __tablename__ = "user_preferences"

    id: str = Field(
        default=DEFAULT,
        primary_key=True,
        max_length=128,
        sa_column_kwargs={"server_default": DEFAULT},
    )
    default_llm_provider: str | None = Field(
        default=None, max_length=64, sa_column_kwargs={"server_default": next(iter(REGISTRY))}
    )
    models: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    aliases: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    fallback: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    rate_preset: str | None = Field(default=None, max_length=16)
    created_at: datetime = Field(sa_type=_Moment)
    updated_at: datetime = Field(sa_type=_Moment)
    local_only: bool | None = None
    split: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class SignatureRow(SQLModel, table=True):
    """A thought signature by the tool-call id that clients see."""

    __tablename__ = "signatures"

    call_id: str = Field(primary_key=True, max_length=MAX_CALL_ID)
    value: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=_Moment, index=True)


class CooldownRow(SQLModel, table=True):
    """A provider's model that is out until a moment of the wall clock: a day's quota is used up."""

    __tablename__ = "cooldowns"

    provider: str = Field(primary_key=True, max_length=64)
    model: str = Field(primary_key=True, max_length=128)
    until: datetime = Field(sa_type=_Moment)
    reason: str = Field(sa_type=Text)


class RequestRow(SQLModel, table=True):
    """One request that has ended, as `proxy.store.rows.UsageRow.columns` gives it."""

    __tablename__ = "requests"

    id: int | None = Field(default=None, primary_key=True)
    request_id: str = Field(max_length=128)
    at_ms: int = Field(sa_type=BigInteger, index=True)
    app: str | None = Field(max_length=128)
    asked: str = Field(max_length=128)
    provider: str | None = Field(max_length=64)
    model: str | None = Field(max_length=128)
    first_choice: str | None = Field(max_length=64)
    stream: bool
    status: int
    error: str | None = Field(max_length=128)
    finish: str | None = Field(max_length=32)
    prompt: int
    completion: int
    reasoning: int | None
    cached: int | None
    estimated: bool
    first_s: float | None
    total_s: float
    waited_s: float
    bytes_in: int = Field(sa_type=BigInteger)
    bytes_out: int = Field(sa_type=BigInteger)
    attempts: int
    rotated: bool
    cancelled: bool
    partial: bool
    story: str = Field(sa_type=Text)
    list_nano_usd: int | None = Field(sa_type=BigInteger)
    billed: bool = Field(sa_column_kwargs={"server_default": false()})
    arm: str | None = Field(default=None, max_length=64)


class VerdictRow(SQLModel, table=True):
    """One of several answers to the same prompt, and whether the owner found it the best."""

    __tablename__ = "verdicts"

    id: int | None = Field(default=None, primary_key=True)
    at_ms: int = Field(sa_type=BigInteger, index=True)
    provider: str = Field(max_length=64)
    model: str = Field(max_length=128)
    won: bool


class Database:
    """The tables, used from one thread at a time. Every method blocks; all raise StoreError."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._path = sqlite_path(url)
        self._engine: Engine | None = None
        self._file_id: int | None = None

    def open(self) -> None:
        """Create or migrate the schema; a file that is no database is moved aside, not deleted."""
        with told(self._path):
            if self._path is not None:
                prepare_folder(self._path)
                if not self._path.is_file():
                    raise IsADirectoryError(errno.EISDIR, "no file")
                keep_private(self._path)
                _check_file(self._path)
            self._engine = _engine(self._url)
            try:
                migrate(self._engine, SQLModel.metadata, self._path)
            except BaseException:
                self.close()
                raise
            if self._path is not None:
                self._file_id = file_id(self._path)

    @property
    def is_gone(self) -> bool:
        """Whether the file was taken away, or another one is in its place."""
        with told(self._path):
            return self._path is not None and file_id(self._path) != self._file_id

    def close(self) -> None:
        """Close every connection."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def preferences(self) -> list[StoredPreference]:
        """Every row of the preference table."""
        with self._session() as session:
            return [_stored(row) for row in session.exec(select(PreferenceRow))]

    def save_preference(self, stored: StoredPreference) -> StoredPreference:
        """Write a row, keeping when it was created; it is on disk when this returns."""
        now = datetime.now(UTC)
        with self._session() as session:
            row = session.get(PreferenceRow, stored.id) or PreferenceRow(
                id=stored.id, created_at=now, updated_at=now
            )
            # With null() none is none; with None the column's own default would be written.
            row.default_llm_provider = stored.provider or cast(Any, null())
            row.models = dict(stored.models)
            row.aliases = {name: dict(models) for name, models in stored.aliases.items()}
            row.fallback = list(stored.fallback)
            row.rate_preset = stored.rate_preset
            row.local_only = stored.local_only
            row.split = dict(stored.split) or None
            row.updated_at = now
            session.add(row)
            session.commit()
            return _stored(row)

    def remove_preference(self, row_id: str) -> None:
        """Forget a row."""
        with self._session() as session:
            session.exec(delete(PreferenceRow).where(col(PreferenceRow.id) == row_id))
            session.commit()

    def signatures(self, most: int) -> dict[str, str]:
        """The newest signatures by call id, oldest first."""
        newest = select(SignatureRow).order_by(col(SignatureRow.created_at).desc())
        with self._session() as session:
            rows = list(session.exec(newest.limit(most)))
        return {row.call_id: row.value for row in reversed(rows)}

    def save_signatures(self, signatures: Mapping[str, str]) -> None:
        """Write signatures, and forget the oldest above `MAX_SIGNATURES`."""
        now = datetime.now(UTC)
        with self._session() as session:
            for call_id, value in signatures.items():
                if _fits(call_id, value):
                    session.merge(SignatureRow(call_id=call_id, value=value, created_at=now))
            count = session.exec(select(func.count()).select_from(SignatureRow)).one()
            if count > MAX_SIGNATURES:
                by_age = select(SignatureRow.call_id).order_by(col(SignatureRow.created_at))
                oldest = by_age.limit(count - MAX_SIGNATURES)
                session.exec(delete(SignatureRow).where(col(SignatureRow.call_id).in_(oldest)))
            session.commit()

    def cooldowns(self) -> list[Cooldown]:
        """(provider, model, until, reason) of each cooldown that was saved."""
        with self._session() as session:
            rows = session.exec(select(CooldownRow))
            return [(row.provider, row.model, _in_utc(row.until), row.reason) for row in rows]

    def save_cooldowns(self, fresh: Sequence[Cooldown], gone: Sequence[Cooldown] = ()) -> None:
        """Forget those that are gone and write the others; what another process says stays."""
        with self._session() as session:
            for provider, model, until, _ in gone:
                is_it = (col(CooldownRow.provider) == provider, col(CooldownRow.model) == model)
                session.exec(delete(CooldownRow).where(*is_it, col(CooldownRow.until) <= until))
            for provider, model, until, reason in fresh:
                row = CooldownRow(provider=provider, model=model, until=until, reason=reason)
                session.merge(row)
            session.commit()

    def append(self, rows: Sequence[Columns]) -> None:
        """Write rows of the usage log, and forget the oldest."""
        with self._session() as session:
            connection = session.connection()
            connection.execute(text(insert(rows[0])), [dict(row) for row in rows])
            connection.execute(text(FORGET_OLD), dict(too_old(newest_ms(rows))))
            count = connection.execute(text(COUNT)).scalar_one()
            connection.execute(text(FORGET_FIRST), {"excess": excess(count)})
            session.commit()

    def save_verdict(self, verdict: Sequence[tuple[Candidate, bool]]) -> None:
        """Write whose answer was the best, and forget the oldest above `MAX_VERDICTS`."""
        at_ms = int(datetime.now(UTC).timestamp() * 1000)
        with self._session() as session:
            rows = [
                VerdictRow(at_ms=at_ms, provider=who.provider, model=who.model, won=won)
                for who, won in verdict
            ]
            session.add_all(rows)
            session.flush()
            oldest = (rows[-1].id or 0) - MAX_VERDICTS
            session.exec(delete(VerdictRow).where(col(VerdictRow.id) <= oldest))
            session.commit()

    def rows(self, sql: str, values: Mapping[str, object]) -> list[Any]:
        """What a SELECT with named parameters finds."""
        with self._session() as session:
            return list(session.connection().execute(text(sql), dict(values)))

    def version(self) -> object:
        """Something that differs after another process has changed a preference."""
        with self._session() as session:
            return frozenset(session.exec(select(PreferenceRow.id, PreferenceRow.updated_at)))

    def touch(self) -> None:
        """Write something that changes nothing: this returns when writing is possible."""
        with self._session() as session:
            session.connection().execute(text(TOUCH))
            session.commit()

    @contextmanager
    def _session(self) -> Iterator[Session]:
        if self._engine is None:
            raise StoreError("the database is not open")
        with told(self._path), Session(self._engine) as session:
            yield session


def _stored(row: PreferenceRow) -> StoredPreference:
    return StoredPreference(
        id=row.id,
        provider=row.default_llm_provider,
        models=dict(row.models),
        aliases={name: dict(models) for name, models in row.aliases.items()},
        fallback=tuple(row.fallback),
        rate_preset=row.rate_preset,
        local_only=row.local_only,
        split=dict(row.split or {}),
        created_at=_in_utc(row.created_at),
        updated_at=_in_utc(row.updated_at),
    )


def _fits(call_id: str, value: str) -> bool:
    """Whether a signature is one that any database takes: a provider may say anything."""
    return len(call_id) <= MAX_CALL_ID and call_id.isprintable() and value.isprintable()


def _in_utc(moment: datetime) -> datetime:
    """SQLite keeps no time zone: what comes back without one was written in UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _check_file(path: Path) -> None:
    """Move a file aside that is no database or a broken one: its owner may want to look at it."""
    try:
        with sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000) as connection:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        connection.close()
    except sqlite3.OperationalError:
        return  # locked or unreadable: not broken; opening it will tell
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        verdict = str(error)
    if verdict == "ok":
        return
    aside = path.with_name(f"{path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}")
    log.error("the database is broken (%s): moved to %s, starting a new one", verdict, aside.name)
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        rest = path.with_name(path.name + suffix)
        if rest.exists():
            rest.rename(aside.with_name(aside.name + suffix))
    prepare_folder(path)


def _engine(url: str) -> Engine:
    given = {"connect_timeout": CONNECT_TIMEOUT_S} if url.startswith(PSYCOPG) else {}
    engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"), connect_args=given)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _set_up_postgresql)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # else Python commits before and after a change of tables
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _set_up_postgresql(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {BUSY_TIMEOUT_MS}")
    connection.commit()
