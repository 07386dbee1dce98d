"""SQLite by the standard library, which must say the same as SQLModel does."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from proxy.store.base import StoreError
from proxy.store.database import Database
from proxy.store.engines.server import Server
from proxy.store.engines.sqlite import UNWRITABLE, Sqlite
from proxy.store.kept import preferences, setbacks, signatures
from proxy.store.kept.preferences import StoredPreference
from tests.proxy.store.kit import FULL_ROW, opened, version


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store é#?%41.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with opened(f"sqlite:///{path.with_name('store.db')}") as database:
        yield database


@pytest.fixture
def reader(database: Database, tmp_path: Path) -> Iterator[Database]:
    with closing(looking(tmp_path / "store.db")) as reader:
        yield reader


def looking(path: Path) -> Database:
    return Database(f"sqlite:///{quote(str(path))}", looks_only=True)


def by_sqlmodel(path: Path) -> Database:
    database = Database("sqlite://")
    database._driver = Server(f"sqlite:///{path}")
    return database


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


@pytest.mark.parametrize("writes", ["library", "sqlmodel"])
def test_it_reads_what_sqlmodel_reads(database: Database, tmp_path: Path, writes: str) -> None:
    other = by_sqlmodel(tmp_path / "store.db")
    if writes == "sqlmodel":
        database, other = other, database
    reader = other
    database.write(partial(preferences.save, row=StoredPreference(provider="near")))
    database.write(partial(preferences.save, row=FULL_ROW))
    database.write(partial(signatures.save, fresh={"call_1": "one", "call_2": "two"}))
    database.write(partial(signatures.save, fresh={"call_3": "three"}))
    database.write(
        partial(setbacks.save, fresh=[("far", "", datetime(2030, 1, 2, tzinfo=UTC), "day")])
    )

    assert reader.read(preferences.stored) == database.read(preferences.stored)
    assert reader.read(setbacks.saved) == database.read(setbacks.saved)
    assert reader.read(partial(signatures.newest, most=2)) == database.read(
        partial(signatures.newest, most=2)
    )
    assert list(reader.read(partial(signatures.newest, most=9))) == list(
        database.read(partial(signatures.newest, most=9))
    )
    assert [tuple(row) for row in reader.rows("SELECT :x + 1", {"x": 1})] == [(2,)]
    reader.close()


@pytest.mark.parametrize("name", sorted(UNWRITABLE))
def test_a_file_beside_which_nobody_can_write_is_read_all_the_same(
    database: Database, reader: Database, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    database.write(partial(preferences.save, row=StoredPreference(provider="near")))
    database.close()
    really = Sqlite._open

    def refused(self: Sqlite, how: str) -> sqlite3.Connection:
        if how != "immutable=1":
            error = sqlite3.OperationalError("attempt to write a readonly database")
            error.sqlite_errorname = name
            raise error
        return really(self, how)

    monkeypatch.setattr(Sqlite, "_open", refused)

    assert [row.provider for row in reader.read(preferences.stored)] == ["near"]


def test_without_a_file_there_is_nothing_and_none_is_made(path: Path) -> None:
    with closing(looking(path)) as reader:
        assert version(reader) is None
        assert (
            reader.read(preferences.stored),
            reader.read(partial(signatures.newest, most=9)),
            reader.read(setbacks.saved),
        ) == ([], {}, [])

    assert not path.exists()


def test_a_name_may_hold_anything(database: Database, path: Path, tmp_path: Path) -> None:
    database.write(partial(preferences.save, row=FULL_ROW))
    database.close()
    (tmp_path / "store.db").rename(path)

    with closing(looking(path)) as reader:
        assert [row.id for row in reader.read(preferences.stored)] == ["notes"]


def test_the_version_differs_after_another_has_written(
    database: Database, reader: Database
) -> None:
    before = version(reader)
    assert before is not None
    assert version(reader) == before and reader.changed(before) is None

    database.write(partial(preferences.save, row=FULL_ROW))

    assert version(reader) != before


def test_a_file_that_is_new_in_the_place_of_another_is_read(
    database: Database, reader: Database, tmp_path: Path
) -> None:
    database.write(partial(preferences.save, row=FULL_ROW))
    before = version(reader)
    assert [row.id for row in reader.read(preferences.stored)] == ["notes"]
    database.close()
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        if (tmp_path / name).exists():
            (tmp_path / name).rename(tmp_path / f"old-{name}")

    with opened(f"sqlite:///{tmp_path / 'store.db'}") as other:
        other.write(partial(preferences.save, row=StoredPreference(provider="near")))
        assert version(reader) != before
        assert [row.id for row in reader.read(preferences.stored)] == ["default"]


@pytest.mark.parametrize(
    "content", [b"", b"no database", bytes(4096), b"SQLite format 3\0" + bytes(9000)]
)
def test_a_file_of_something_else_is_an_error(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    with closing(looking(path)) as reader:
        for read in (
            partial(version, reader),
            partial(reader.read, preferences.stored),
            partial(reader.read, setbacks.saved),
        ):
            with pytest.raises(StoreError):
                read()
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE user_preferences SET models = '{'",
        "UPDATE user_preferences SET models = '[1]'",
        "UPDATE user_preferences SET models = NULL",
        "UPDATE user_preferences SET aliases = '[]'",
        "UPDATE user_preferences SET fallback = '7'",
        "UPDATE user_preferences SET updated_at = 'soon'",
        "UPDATE user_preferences SET updated_at = x'ff'",
        "UPDATE user_preferences SET id = CAST(x'ff' AS TEXT)",
    ],
)
def test_damaged_rows_are_an_error(
    database: Database, reader: Database, tmp_path: Path, damage: str
) -> None:
    database.write(partial(preferences.save, row=FULL_ROW))
    change(tmp_path / "store.db", "PRAGMA ignore_check_constraints=ON")
    if "NULL" in damage:
        change(tmp_path / "store.db", "ALTER TABLE user_preferences RENAME COLUMN models TO old")
        change(tmp_path / "store.db", "ALTER TABLE user_preferences ADD COLUMN models JSON")
    change(tmp_path / "store.db", damage)

    with pytest.raises(StoreError):
        reader.read(preferences.stored)


def test_a_damaged_cooldown_is_an_error(
    database: Database, reader: Database, tmp_path: Path
) -> None:
    database.write(
        partial(setbacks.save, fresh=[("far", "", datetime(2030, 1, 2, tzinfo=UTC), "day")])
    )
    change(tmp_path / "store.db", "UPDATE cooldowns SET until = 'soon'")

    with pytest.raises(StoreError):
        reader.read(setbacks.saved)


def test_a_locked_file_is_an_error_and_readable_afterwards(
    database: Database, reader: Database, tmp_path: Path
) -> None:
    database.write(partial(preferences.save, row=FULL_ROW))
    database.close()
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("DELETE FROM cooldowns")
        with pytest.raises(StoreError, match="locked"):
            reader.read(preferences.stored)

    assert [row.id for row in reader.read(preferences.stored)] == ["notes"]


WHOLE_LIFE = """
import sys
from datetime import UTC, datetime
from functools import partial
from proxy.store.database import Database
from proxy.store.kept import preferences, setbacks, signatures
from proxy.store.kept.preferences import StoredPreference
from tests.proxy.store.usage.test_rows import row

database = Database("sqlite:///" + sys.argv[1])
database.write(partial(preferences.save, row=StoredPreference(provider="near")))
database.write(partial(signatures.save, fresh={"call_1": "one"}))
database.write(partial(setbacks.save, fresh=[("far", "", datetime.now(UTC), "day")]))
database.append([row().columns()])
database.close()
print(len(database.read(preferences.stored)), *{name.split(".")[0] for name in sys.modules})
"""


def test_it_is_used_without_sqlmodel(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WHOLE_LIFE, str(tmp_path / "new.db")],
        capture_output=True,
        text=True,
        check=True,
    )

    count, *loaded = done.stdout.split()
    assert count == "1"
    assert not {"sqlmodel", "sqlalchemy", "alembic"} & set(loaded)
