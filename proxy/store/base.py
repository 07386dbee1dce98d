"""What every kind of database gives, and what is wrong where one does not. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote

T = TypeVar("T")
Columns = Mapping[str, Any]
"""A row by the names of its columns."""

BUSY_TIMEOUT_MS = 250
"""The longest that anything waits for another program's lock."""


class StoreError(Exception):
    """The database cannot do what it should; the text tells the user what is wrong with it."""


class NewerSchemaError(Exception):
    """The database is a newer version's or another program's, which this one must not touch."""


class Tables(Protocol):
    """The tables, while something is read or written. SQL is plain enough for every database.

    Parameters are named (`:name`), texts or numbers. The values of rows are as Python has them:
    moments know their time zone, and what is JSON is lists and dicts.
    """

    def rows(self, sql: str, values: Columns = ...) -> Sequence[Sequence[Any]]:
        """What a SELECT finds, as the database has it."""

    def find(self, table: str, rest: str = ..., values: Columns = ...) -> list[dict[str, Any]]:
        """Whole rows of a table; `rest` is what follows FROM."""

    def put(self, table: str, rows: Sequence[Columns]) -> None:
        """Write rows that name the same columns, in place of those that have the same key."""

    def run(self, sql: str, values: Columns = ...) -> None:
        """Run any other statement."""

    def settled(self, table: str) -> int | None:
        """The number of the newest row, below which no other comes any more: 0 without rows.

        None where somebody else asks for it, or is writing just now.
        """


class Store(Protocol):
    """The database as others reach it: in a thread of its own. Both raise StoreError."""

    async def read(self, work: Callable[[Tables], T]) -> T:
        """What `work` makes of the tables."""

    async def write(self, work: Callable[[Tables], T], *, durable: bool = ...) -> T:
        """The same in one transaction; if `durable`, it is on disk when this returns."""


class Driver(Protocol):
    """One kind of database, used from one thread at a time. All raise StoreError.

    Connected at the first use, and again where that was lost; brought to today's schema then, which
    raises NewerSchemaError where it cannot be.
    """

    def open(self) -> None:
        """Make what is not there yet. Without it, nothing is made until something is written."""

    def close(self) -> None: ...

    def version(self) -> object:
        """Something that differs after another process has changed a preference or a key."""

    def read(self, work: Callable[[Tables], T]) -> T:
        """What `work` makes of the tables, as they are at one moment.

        It may be called twice, where the first use fails.
        """

    def write(self, work: Callable[[Tables], T], *, durable: bool = ...) -> T:
        """The same in one transaction; if `durable`, it is on disk when this returns."""


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL, as SQLAlchemy finds it, or None for any other database."""
    scheme, _, rest = url.partition(":///")
    name = unquote(rest.partition("?")[0])
    return Path(name) if scheme.startswith("sqlite") and name not in ("", ":memory:") else None


def named(path: Path | None) -> str:
    """How messages name it; `path` is the SQLite file, if it is one."""
    return f"the database {path}" if path else "the database"
