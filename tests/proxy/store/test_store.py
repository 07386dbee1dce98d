"""The tables and their one writer, on SQLite and on PostgreSQL."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.base import Usage
from proxy.store.base import StoreError
from proxy.store.database import Database
from proxy.store.kept import preferences, setbacks, signatures
from proxy.store.kept.preferences import StoredPreference
from tests.proxy.store.kit import FULL_ROW, opened, version
from tests.proxy.store.usage.test_rows import NEAR, answered, row as usage_row

LATER = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with opened(url) as database:
        yield database


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def rows_of(database: Database) -> dict[str, StoredPreference]:
    return {row.id: row for row in database.read(preferences.stored)}


# Preferences


@pytest.mark.parametrize(
    "row",
    [StoredPreference(), StoredPreference(provider="far"), FULL_ROW, replace(FULL_ROW, id="日本")],
    ids=["empty", "default", "full", "unicode"],
)
def test_a_row_comes_back_as_it_was_written(
    database: Database, url: str, row: StoredPreference
) -> None:
    [saved] = database.write(partial(preferences.save, row=row))

    assert replace(saved, created_at=None, updated_at=None) == row
    with opened(url) as other:
        assert other.read(preferences.stored) == [saved]


def test_each_app_has_a_row_of_its_own(database: Database) -> None:
    database.write(partial(preferences.save, row=StoredPreference(provider="near")))
    database.write(partial(preferences.save, row=FULL_ROW))
    database.write(partial(preferences.remove, row_id="default"))
    database.write(partial(preferences.remove, row_id="never there"))

    assert list(rows_of(database)) == ["notes"]


def test_a_change_keeps_the_time_of_the_beginning(database: Database) -> None:
    [first] = database.write(partial(preferences.save, row=StoredPreference(provider="near")))
    [second] = database.write(partial(preferences.save, row=replace(first, provider="far")))

    assert first.created_at and first.updated_at and second.updated_at
    assert second.created_at == first.created_at
    assert second.updated_at > first.updated_at
    assert first.created_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("change", ["new", "changed", "removed"])
def test_the_version_tells_of_every_change(database: Database, url: str, change: str) -> None:
    for row_id in ("default", "notes"):
        database.write(partial(preferences.save, row=StoredPreference(row_id, provider="near")))
    before = version(database)
    assert version(database) == before

    with opened(url) as other:
        if change == "removed":
            other.write(partial(preferences.remove, row_id="default"))
        else:
            row_id = "mail" if change == "new" else "default"
            other.write(partial(preferences.save, row=StoredPreference(row_id, provider="far")))
    assert version(database) != before


def test_the_version_tells_of_a_change_by_a_clock_that_is_behind(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.write(partial(preferences.save, row=StoredPreference("notes", provider="near")))
    database.write(partial(preferences.save, row=StoredPreference(provider="near")))
    before = version(database)

    class Slow(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime(2020, 1, 1, tzinfo=UTC)

    monkeypatch.setattr(preferences, "datetime", Slow)
    with opened(url) as other:
        other.write(partial(preferences.save, row=StoredPreference("notes", provider="far")))
    assert version(database) != before


# Signatures and cooldowns


def test_signatures_come_back_newest_last(database: Database) -> None:
    for name in ("first", "second", "third"):
        database.write(partial(signatures.save, fresh={name: f"signature of {name}"}))
    database.write(partial(signatures.save, fresh={"first": "another one"}))

    assert database.read(partial(signatures.newest, most=2)) == {
        "third": "signature of third",
        "first": "another one",
    }
    assert list(database.read(partial(signatures.newest, most=9))) == ["second", "third", "first"]


def test_the_oldest_signatures_are_forgotten(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signatures, "MAX_SIGNATURES", 3)

    for number in range(6):
        database.write(partial(signatures.save, fresh={f"call_{number}": "s"}))

    assert list(database.read(partial(signatures.newest, most=9))) == ["call_3", "call_4", "call_5"]


@pytest.mark.parametrize(
    ("call_id", "value"),
    [("x" * 129, "s"), ("a\x00b", "s"), ("a", "s\x00"), ("\ud800", "s"), ("a", "\udfff")],
    ids=["too long", "NUL in the id", "NUL", "half a character as id", "half a character"],
)
def test_what_no_database_takes_does_not_keep_the_rest_back(
    database: Database, call_id: str, value: str
) -> None:
    database.write(partial(signatures.save, fresh={call_id: value, "call_1": "good"}))

    assert database.read(partial(signatures.newest, most=9)) == {"call_1": "good"}


def test_a_signature_may_be_long(database: Database) -> None:
    database.write(partial(signatures.save, fresh={"x" * 128: "s" * 1_000_000}))

    assert len(database.read(partial(signatures.newest, most=1))["x" * 128]) == 1_000_000


def test_a_cooldown_that_is_gone_is_forgotten_and_no_other(database: Database) -> None:
    first, second = ("far", "", LATER, "day"), ("near", "m", LATER, "day")
    third = ("far", "m", LATER, "day")
    database.write(partial(setbacks.save, fresh=[first, second]))
    database.write(partial(setbacks.save, fresh=[third, first], gone=[second]))

    assert sorted(database.read(setbacks.saved)) == [first, third]
    database.write(partial(setbacks.save, fresh=[], gone=[first, second, third]))
    assert database.read(setbacks.saved) == []


def test_a_cooldown_that_another_process_has_made_longer_stays(database: Database) -> None:
    longer = ("far", "", LATER + timedelta(hours=1), "day")
    database.write(partial(setbacks.save, fresh=[longer]))
    database.write(partial(setbacks.save, fresh=[], gone=[("far", "", LATER, "day")]))

    assert database.read(setbacks.saved) == [longer]


def test_usage_rows_are_appended_and_read(database: Database) -> None:
    database.append([usage_row(request_id=name).columns() for name in "ab"])

    found = database.rows("SELECT request_id FROM requests WHERE status = :s", {"s": 200})
    assert sorted(one[0] for one in found) == ["a", "b"]


@pytest.mark.parametrize(
    "told",
    [
        {"asked": "a\x00b"},
        {"asked": "\ud800"},
        {"app": "a\x00b" * 99},
        {"receipt": answered(NEAR, finish="x" * 99, upstream_id="\udfff\x00")},
        {"receipt": answered(NEAR, usage=Usage(2**31, 2**63, reasoning=2**64, cached=-1))},
        {"bytes_in": 2**40},
    ],
    ids=["NUL", "half a character", "a long app", "odd texts", "large numbers", "much"],
)
def test_a_row_that_tells_odd_things_is_taken(database: Database, told: dict[str, Any]) -> None:
    database.append([usage_row(**told).columns()])


# Opening


def test_it_is_nothing_new_to_open_it_again(url: str) -> None:
    for provider in ("near", "far"):
        with opened(url) as database:
            database.write(
                partial(preferences.save, row=StoredPreference(provider, provider=provider))
            )

    with opened(url) as database:
        assert set(rows_of(database)) == {"near", "far"}
        database.touch()


def test_many_may_open_a_new_database_at_once(url: str) -> None:
    wrong: list[Exception] = []
    gate = threading.Barrier(4)

    def work(name: str) -> None:
        gate.wait()
        try:
            with opened(url) as database:
                database.write(partial(preferences.save, row=StoredPreference(name)))
        except StoreError as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    with opened(url) as database:
        assert set(rows_of(database)) == set("abcd")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("nonsense", "POINTSMAN_DATABASE_URL is not the URL of a database"),
        ("postgresql+psycopg://ann@/x?host=/nowhere", "cannot be reached"),
        (
            "postgresql+psycopg://ann@127.0.0.1:9/x",
            "the database cannot be reached: nobody listens at its address",
        ),
        ("mysql+pymysql://ann@127.0.0.1/x", "needs a driver that is not installed: pymysql"),
        ("postgresql+nothing://ann@/x", "POINTSMAN_DATABASE_URL is not the URL of a database"),
        (f"sqlite:///{__file__}/x.db", "a file stands where its folder should be"),
        ("sqlite:////", "is not a file: name one with POINTSMAN_DATABASE_URL"),
        (f"sqlite:///{Path(__file__).parent}/{'x' * 300}", "its name is too long"),
    ],
)
def test_a_database_that_cannot_be_is_told_in_words(wrong: str, told: str) -> None:
    database = Database(wrong)

    with pytest.raises(StoreError, match=told):
        database.open()
    database.close()


# SQLite's file


def test_sqlite_is_set_up_for_one_writer_and_many_readers(file: Path) -> None:
    names = ("journal_mode", "busy_timeout", "synchronous")
    with opened(f"sqlite:///{file}") as database:
        told = database.write(
            lambda tables: {name: tables.rows(f"PRAGMA {name}")[0][0] for name in names}
        )
    assert told == {"journal_mode": "wal", "busy_timeout": 250, "synchronous": 2}


def test_the_file_is_nobody_elses_to_read(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "store.db"

    with opened(f"sqlite:///{path}") as database:
        database.write(partial(preferences.save, row=FULL_ROW))
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}

    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_closed_to_them(file: Path) -> None:
    file.touch(mode=0o644)

    with opened(f"sqlite:///{file}"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "column", ["models = '{'", "models = '[1]'", "aliases = '7'", "updated_at = 'soon'"]
)
def test_a_damaged_row_is_an_error_in_words(file: Path, column: str) -> None:
    with opened(f"sqlite:///{file}") as database:
        database.write(partial(preferences.save, row=StoredPreference(provider="far")))
        database.write(lambda tables: tables.run(f"UPDATE user_preferences SET {column}"))

        with pytest.raises(StoreError, match="holds what this program did not write"):
            database.read(preferences.stored)
