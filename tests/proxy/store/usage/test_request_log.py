"""The usage log in the database: written by either writer, kept within bounds, never in the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from proxy.store.base import StoreError
from proxy.store.database import Database
from proxy.store.engines.migrate import HEAD, SCRIPTS
from proxy.store.engines.server import Server
from proxy.store.storage import Storage
from proxy.store.usage import request_log
from tests.proxy.store.kit import kept
from tests.proxy.store.usage.test_rows import row

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{path}")
    opened.open()
    yield opened
    opened.close()


def columns(**given: Any) -> dict[str, object]:
    return row(**given).columns()


def ids(reader: Database) -> list[str]:
    found = reader.rows("SELECT request_id FROM requests WHERE status = :s ORDER BY id", {"s": 200})
    return [one[0] for one in found]


# The schema


def shape(path: Path) -> dict[str, Any]:
    """The tables of a database as SQLAlchemy sees them."""
    engine = sa.create_engine(f"sqlite:///{path}")
    inspector = sa.inspect(engine)
    found = {
        table: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)],
            inspector.get_pk_constraint(table)["constrained_columns"],
            sorted((one["name"], one["column_names"]) for one in inspector.get_indexes(table)),
        )
        for table in inspector.get_table_names()
    }
    engine.dispose()
    return found


def migrated(path: Path, revision: str) -> None:
    """A database that came to `revision` by the migrations alone."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def test_new_tables_are_those_that_the_migrations_make(database: Database, path: Path) -> None:
    old = path.with_name("old.db")
    migrated(old, "head")

    fresh, grown = shape(path), shape(old)
    assert fresh["requests"] == grown["requests"]
    assert fresh.keys() == grown.keys()


def test_a_database_of_the_first_schema_gets_the_log(path: Path) -> None:
    migrated(path, "0001")

    opened = Database(f"sqlite:///{path}")
    opened.open()
    opened.append([columns()])

    assert ids(opened) == ["req-1"]
    assert opened.rows("SELECT version_num FROM alembic_version", {}) == [(HEAD,)]
    opened.close()
    assert path.with_name("store.db.backup-0001").exists()


# Writing


def test_both_writers_write_the_same(database: Database, path: Path) -> None:
    log = by_sqlmodel(path)

    same = columns()
    database.append([same])
    log.append([same])

    first, second = database.rows("SELECT * FROM requests ORDER BY id", {})
    assert first[1:] == second[1:]
    assert [type(one) for one in first] == [type(one) for one in second]
    log.close()


def test_a_locked_file_is_told_apart(database: Database, path: Path) -> None:
    log = Database(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StoreError, match="locked by another program"):
        log.append([columns()])

    other.execute("ROLLBACK")
    log.append([columns()])
    assert ids(database) == ["req-1"]
    other.close()
    log.close()


# Bounds


def by_sqlmodel(path: Path) -> Database:
    database = Database("sqlite://")
    database._driver = Server(f"sqlite:///{path}")
    return database


@pytest.fixture(params=["library", "sqlmodel"])
def writer(request: Any, database: Database, path: Path) -> Iterator[Database]:
    if request.param == "library":
        yield database
    else:
        log = by_sqlmodel(path)
        yield log
        log.close()


def test_rows_are_forgotten_when_they_are_old(writer: Database, database: Database) -> None:
    day_s = 86_400
    for name, at in (("old", 0), ("young", 89 * day_s), ("new", 91 * day_s)):
        writer.append([columns(request_id=name, at=at)])

    assert ids(database) == ["young", "new"]


@pytest.mark.parametrize("leap", [91, 400])
def test_a_clock_that_leaps_ahead_forgets_nothing(
    writer: Database, database: Database, leap: int
) -> None:
    day_s = 86_400
    good = [columns(request_id=f"day {day}", at=day * day_s) for day in range(20)]
    writer.append(good)

    for minute in range(60):
        writer.append([columns(request_id="odd", at=(19 + leap) * day_s + minute * 60)])
    writer.append([columns(request_id="right again", at=19 * day_s + 60)])

    found = [name for name in ids(database) if name != "odd"]
    assert found == [*(row["request_id"] for row in good), "right again"]


def test_after_a_long_pause_rows_are_forgotten_from_the_second_day_on(
    writer: Database, database: Database
) -> None:
    day_s = 86_400
    for name, day in (("before", 0), ("first", 200), ("second", 201.5)):
        writer.append([columns(request_id=name, at=day * day_s)])

    assert ids(database) == ["first", "second"]


def test_the_first_rows_are_forgotten_when_there_are_too_many(
    writer: Database, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "MAX_ROWS", 5)
    monkeypatch.setattr(request_log, "STEP", 2)

    writer.append([columns(request_id=name) for name in "abcdefgh"])
    assert ids(database) == list("cdefgh")
    writer.append([columns(request_id="i")])
    assert ids(database) == list("efghi")


# Behind the running server


@pytest.fixture
def storage(path: Path) -> Storage:
    return kept(f"sqlite:///{path}").storage


async def test_many_rows_are_written_in_batches(storage: Storage, database: Database) -> None:
    for number in range(1201):
        storage.usage.put(row(request_id=str(number)))
    await storage.flush()

    assert ids(database) == [str(number) for number in range(1201)]
    assert not storage.usage
    await storage.close()


async def test_rows_wait_for_a_lock_to_be_released(
    storage: Storage, database: Database, path: Path
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    storage.usage.put(row())

    with pytest.raises(StoreError):
        await storage.flush()
    assert (len(storage.usage), storage.usage.dropped) == (1, 0)
    assert storage.problem is not None and "locked" in storage.problem

    other.execute("ROLLBACK")
    other.close()
    await storage.flush()
    assert ids(database) == ["req-1"]
    assert storage.problem is None
    await storage.close()


async def test_what_is_read_comes_from_the_file(storage: Storage) -> None:
    count = "SELECT COUNT(*) FROM requests"
    assert await storage.query(lambda tables: list(tables.rows(count))) == []
    storage.usage.put(row())
    await storage.flush()

    assert await storage.query(lambda tables: list(tables.rows(count))) == [(1,)]
    await storage.close()
