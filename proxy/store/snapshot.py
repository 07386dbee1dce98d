"""What a SQLite database holds, read with nothing but the standard library.

An idle server only reads, and should not carry SQLModel (22 MB, most of a second) for that. What
is written, and every other kind of database, goes through `database.py`, which owns the schema.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from proxy import private
from proxy.store.migrate import HEAD
from proxy.store.preferences import StoredPreference

Cooldown = tuple[str, str, datetime, str]
"""(provider, model, until, reason)."""


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL, as SQLAlchemy finds it, or None for any other database."""
    scheme, _, rest = url.partition(":///")
    name = unquote(rest.partition("?")[0])
    return Path(name) if scheme.startswith("sqlite") and name not in ("", ":memory:") else None


class StoreError(Exception):
    """The database cannot do what it should; the text tells the user what is wrong with it."""


def named(path: Path | None) -> str:
    """How messages name it; `path` is the SQLite file, if it is one."""
    return f"the database {path}" if path else "the database"


def locked(path: Path | None) -> StoreError:
    """The error while another program holds the database."""
    return StoreError(f"{named(path)} is locked by another program")


class SnapshotError(Exception):
    """The file cannot be read so: it is of another version, locked, or broken."""


UNWRITABLE = frozenset({"SQLITE_CANTOPEN", "SQLITE_READONLY_DIRECTORY"})
"""What SQLite says of a file beside which it cannot write."""
BROKEN = (OSError, UnicodeDecodeError, sqlite3.Error)
"""What using a file can raise; an error's text cannot be decoded where it quotes broken names."""


def file_id(path: Path) -> int | None:
    """What tells a file from another one that took its place; None without a file."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def keep_private(path: Path) -> None:
    """Let nobody else read or write the file and those that SQLite puts beside it with its mode.

    Raises OSError where somebody else may have put them there.
    """
    private.check_folder(path.parent)
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        private.keep_private(path.with_name(name))


class SqliteFile:
    """A connection to the file that is there now, of the schema `HEAD`; for one thread at a time.

    What is raised is `BROKEN` or SnapshotError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._file_id: int | None = None

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _is_there(self) -> bool:
        """Whether there is a file; a connection to one that was there before is closed."""
        found = file_id(self._path)
        if found is not None and not self._path.is_file():
            raise SnapshotError("it is no file")
        if found != self._file_id:
            self.close()
            self._file_id = found
        return found is not None

    def _open(self, how: str) -> sqlite3.Connection:
        keep_private(self._path)
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?{how}",
            uri=True,
            timeout=0.25,
            isolation_level=None,
            check_same_thread=False,  # one thread uses it, another one may close it at the end
        )
        try:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        except sqlite3.Error:
            connection.close()
            raise
        if found != [(HEAD,)]:
            connection.close()
            raise SnapshotError("its schema is of another version")
        return connection


class SqliteReader(SqliteFile):
    """The read half of `proxy.store.database.Database`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._is_frozen = False

    def version(self) -> tuple[int, int] | None:
        """Something that differs after another connection has written; None without a file."""
        found = self._query("PRAGMA data_version")
        return (self._file_id, found[0][0]) if self._file_id and found else None

    def preferences(self) -> list[StoredPreference]:
        """Every row of the preference table."""
        rows = self._query(
            "SELECT id, default_llm_provider, models, aliases, fallback, rate_preset,"
            " local_only, split, created_at, updated_at FROM user_preferences"
        )
        with _readable():
            return [_preference(*row) for row in rows]

    def signatures(self, most: int) -> dict[str, str]:
        """The newest signatures by call id, oldest first."""
        rows = self._query(
            "SELECT call_id, value FROM signatures ORDER BY created_at DESC LIMIT ?", (most,)
        )
        return dict(reversed(rows))

    def cooldowns(self) -> list[Cooldown]:
        """(provider, model, until, reason) of each cooldown that was saved."""
        rows = self._query("SELECT provider, model, until, reason FROM cooldowns")
        with _readable():
            return [
                (provider, model, _moment(until), reason) for provider, model, until, reason in rows
            ]

    def rows(self, sql: str, values: Mapping[str, object]) -> list[Any]:
        """What a SELECT with named parameters finds."""
        return self._query(sql, values)

    def _query(self, sql: str, values: Mapping[str, object] | tuple[object, ...] = ()) -> list[Any]:
        try:
            if not self._is_there():
                return []
            if self._connection is None:
                self._connection = self._connect()
            return self._connection.execute(sql, values).fetchall()
        except BROKEN as error:
            self.close()
            raise SnapshotError(str(error)) from error
        finally:
            if self._is_frozen:
                self.close()

    def _connect(self) -> sqlite3.Connection:
        try:
            self._is_frozen = False
            return self._open("mode=ro")
        except sqlite3.OperationalError as error:
            has_log = self._path.with_name(f"{self._path.name}-wal").exists()
            if error.sqlite_errorname not in UNWRITABLE or has_log:
                raise
        # Even to read, SQLite wants to write beside the file. Where nobody can, nothing changes.
        self._is_frozen = True
        return self._open("immutable=1")


@contextmanager
def _readable() -> Iterator[None]:
    """What cannot be what was written has been damaged, in a file that is whole otherwise."""
    try:
        yield
    except (AttributeError, TypeError, ValueError) as error:
        raise SnapshotError(str(error)) from error


def _preference(
    row_id: str,
    provider: str | None,
    models: str,
    aliases: str,
    fallback: str,
    rate_preset: str | None,
    local_only: int | None,
    split: str | None,
    created_at: str,
    updated_at: str,
) -> StoredPreference:
    return StoredPreference(
        id=row_id,
        provider=provider,
        models=dict(json.loads(models)),
        aliases={name: dict(models) for name, models in json.loads(aliases).items()},
        fallback=tuple(json.loads(fallback)),
        rate_preset=rate_preset,
        local_only=None if local_only is None else bool(local_only),
        split=dict(json.loads(split)) if split else {},
        created_at=_moment(created_at),
        updated_at=_moment(updated_at),
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
