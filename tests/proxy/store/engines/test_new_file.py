"""A new SQLite file: the same without SQLModel as with it, whoever else begins it, too."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.dialects.sqlite import dialect

from proxy.store.database import Database
from proxy.store.engines.tables import TABLES
from proxy.store.kept import preferences
from proxy.store.schema import SCHEMA, columns
from tests.proxy.store.kit import FULL_ROW, opened, running
from tests.proxy.store.schema import dump, schema
from tests.proxy.store.usage.test_rows import row

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "store.db"


@pytest.fixture
def log(path: Path) -> Iterator[Database]:
    log = Database(f"sqlite:///{path}")
    yield log
    log.close()


def modes(path: Path) -> dict[str, int]:
    """Who may do what with the folder and what is in it."""
    found = (path.parent, *path.parent.iterdir())
    return {one.name: stat.S_IMODE(one.stat().st_mode) for one in found}


def test_the_schema_is_the_one_that_the_store_makes(path: Path) -> None:
    with opened(f"sqlite:///{path}"):
        pass

    assert SCHEMA.read_text() == schema(), "uv run python -m tests.proxy.store.schema"
    assert dump(path) == schema()


def test_a_new_file_is_its_owners_alone_and_never_waits_for_readers(
    path: Path, log: Database
) -> None:
    log.append([row().columns()])

    side_files = {"store.db-wal": 0o600, "store.db-shm": 0o600}
    assert modes(path) == {"folder": 0o700, "store.db": 0o600} | side_files
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_store_takes_the_file_over(path: Path, log: Database) -> None:
    log.append([row().columns()])

    with opened(f"sqlite:///{path}") as database:
        database.write(partial(preferences.save, row=FULL_ROW))
        database.append([row().columns()])
        assert database.rows("SELECT COUNT(*) FROM requests", {}) == [(2,)]
    assert [one.name for one in path.parent.glob("*backup*")] == []


def test_each_column_and_its_type_is_read_off_the_schema() -> None:
    for table in TABLES.tables.values():
        kinds = columns(table.name)
        assert list(kinds) == [column.name for column in table.columns]
        for column in table.columns:
            assert kinds[column.name] == str(column.type.compile(dialect())), column


def test_what_another_process_has_begun_is_gone_on_with(path: Path, log: Database) -> None:
    path.parent.mkdir(mode=0o700)
    path.touch()

    log.append([row().columns()])

    assert log.rows("SELECT COUNT(*) FROM requests", {}) == [(1,)]


def test_tables_that_came_in_between_are_not_made_again(path: Path, log: Database) -> None:
    log.open()
    log._driver._mend()  # type: ignore[union-attr] # as one that saw none of them a moment ago

    assert dump(path) == schema()


async def test_where_no_file_can_be_made_the_store_tells_why(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file in the place of a folder")

    async with running(f"sqlite:///{taken / 'store.db'}") as kept:
        kept.storage.usage.put(row())
        with pytest.raises(Exception, match="cannot be used"):
            await kept.storage.flush()
