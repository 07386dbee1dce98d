"""The database behind the running server: memory and rows in step, whatever befalls the file."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pytest

from proxy.store import storage
from proxy.store.base import StoreError, Tables, sqlite_path
from proxy.store.database import Database
from proxy.store.engines import mishaps
from proxy.store.kept import preferences, setbacks, signatures
from proxy.store.kept.preferences import StoredPreference
from tests.proxy.store.kit import (
    FULL_ROW,
    PATIENCE_S,
    Kept,
    kept as prepared,
    names,
    open_,
    opened,
    running,
    until,
    usage_count,
)
from tests.proxy.store.postgres_kit import Cluster
from tests.proxy.store.usage.test_rows import row as usage_row

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick")]


@contextmanager
def locked(path: Path, mode: str = "EXCLUSIVE") -> Iterator[None]:
    """While another program holds the file, in the mode EXCLUSIVE against readers too."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA locking_mode={mode}")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("UPDATE alembic_version SET version_num = version_num")
        yield
        connection.execute("COMMIT")


# What outlives the process


async def test_everything_outlives_the_process(url: str) -> None:
    async with running(url) as first:
        await first.switch("far")
        await first.choose(FULL_ROW)
        first.signatures.put("call_1", "signature")
        first.spend_the_day("near", "near-1")
        first.spend_the_day("far", None)

    async with running(url) as second:
        assert second.provider == "far"
        assert second.preferences.get("notes").models["near"] == "tiny"
        assert second.signatures.get("call_1") == "signature"
        assert second.spent == {("near", "near-1"), ("far", None)}


async def test_what_was_removed_stays_removed(url: str) -> None:
    async with running(url) as first:
        await first.choose(FULL_ROW)
        first.preferences.replace(
            await first.storage.write(partial(preferences.remove, row_id="notes"))
        )

    async with running(url) as second:
        assert second.preferences.rows() == []


async def test_a_quota_that_another_process_has_spent_stays(url: str) -> None:
    async with running(url) as one, running(url) as two:
        for kept, provider in ((one, "near"), (two, "far")):
            kept.spend_the_day(provider, None)
            await kept.storage.flush()

    async with running(url) as third:
        assert third.spent == {("near", None), ("far", None)}


async def test_a_quota_that_is_back_is_forgotten(url: str) -> None:
    async with running(url) as first:
        first.spend_the_day("near", "near-1")
        await first.storage.flush()
        first.health.forget("near")

    async with running(url) as second:
        assert second.spent == set()


async def test_nothing_is_made_where_nothing_is_chosen(path: Path) -> None:
    async with running(f"sqlite:///{path}") as kept:
        await kept.storage.flush()
        assert kept.storage.problem is None

    assert names(path.parent) == set()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////a/b.db", Path("/a/b.db")),
        ("sqlite:///b.db", Path("b.db")),
        ("sqlite+pysqlite:///b.db", Path("b.db")),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("postgresql+psycopg://ann@/b", None),
    ],
)
def test_only_sqlite_has_a_file(url: str, path: Path | None) -> None:
    assert sqlite_path(url) == path


@pytest.mark.parametrize(
    "name", ["x.db?timeout=5", "a%20b.db", "c%3Fd.db?timeout=5&cached_statements=9", "e+f#g.db"]
)
async def test_both_ways_find_the_same_file(tmp_path: Path, name: str) -> None:
    async with running(f"sqlite:///{tmp_path / name}") as kept:
        kept.storage.usage.put(usage_row())
        await kept.storage.flush()
        await kept.switch("far")
        found = {one.removesuffix("-wal").removesuffix("-shm") for one in names(tmp_path)}

    plain = name if "#" in name else unquote(name.partition("?")[0])
    assert found == {plain}
    assert usage_count(tmp_path / plain) == 1
    assert (tmp_path / plain).stat().st_mode & 0o777 == 0o600


# Several processes on one database


async def test_a_switch_in_one_process_is_seen_by_the_others(url: str) -> None:
    async with running(url) as one, running(url) as two, running(url) as three:
        for kept, provider in ((one, "far"), (two, "near"), (three, "far")):
            await kept.switch(provider)
            await until(lambda p=provider: {k.provider for k in (one, two, three)} == {p})


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_switch_is_seen_while_saving_takes_its_time(
    url: str, monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    one, two = prepared(url), prepared(url)
    two.storage.look_s = None if is_told else 0.01
    async with open_(one), open_(two):
        with monkeypatch.context() as patched:
            patched.setattr(two.storage, "flush", never)
            for provider in ("far", "near", "far"):
                await one.switch(provider)
                if is_told:
                    two.storage.look()
                await until(lambda p=provider: two.provider == p)


async def test_who_looks_for_choices_leaves_it_to_saving_to_say_what_is_wrong_and_when_no_more(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = 0

    def fails(*_: object) -> None:
        nonlocal looks
        looks += 1
        raise StoreError("it is gone")

    one = prepared(url)
    one.storage.look_s = 0.001
    async with open_(one):
        with monkeypatch.context() as patched:
            patched.setattr(Database, "changed", fails)
            patched.setattr(Database, "touch", fails)
            await until(lambda: looks > 3 and one.storage.problem)
            await until(lambda: "nothing is saved until that is mended" in caplog.text)
        caplog.set_level("INFO")
        await until(lambda: "all is saved" in caplog.text)
    assert caplog.text.count("nothing is saved") == 1


async def test_changes_of_several_processes_all_stand(url: str) -> None:
    async with running(url) as one, running(url) as two:
        rows = [StoredPreference(f"app{number}", provider="far") for number in range(20)]
        await asyncio.gather(
            *((one, two)[number % 2].choose(row) for number, row in enumerate(rows))
        )
        for kept in (one, two):
            kept.storage.usage.put(usage_row())
            await until(lambda k=kept: len(k.preferences.rows()) == 20)
            await kept.storage.flush()
            assert kept.storage.problem is None

    with opened(url) as database:
        assert len(database.rows("SELECT id FROM requests WHERE 1 = :x", {"x": 1})) == 2


# Without an answer


async def test_who_waits_for_a_database_that_does_not_answer_goes_on(
    file: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    newest = signatures.newest

    def late(tables: Tables, most: int) -> dict[str, str]:
        answers.wait(PATIENCE_S)
        return newest(tables, most)

    monkeypatch.setattr(signatures, "newest", late)
    monkeypatch.setattr(storage, "FIRST_READ_S", 0.05)
    kept = prepared(file)
    opening = asyncio.create_task(kept.storage.open())
    try:
        assert (await kept.storage.preference(None)).provider == "near"
        assert kept.storage.problem == f"the database {path} does not answer"
        with pytest.raises(StoreError, match="does not answer"):
            await kept.storage.loaded()  # without which a choice would be written over
    finally:
        answers.set()
    await opening
    await kept.storage.loaded()
    await until(lambda: kept.storage.problem is None)
    assert kept.provider == "far"
    await kept.storage.close()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
async def test_what_is_no_file_is_not_waited_for(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "x.db")
    async with asyncio.timeout(PATIENCE_S), running(f"sqlite:///{tmp_path / 'x.db'}") as kept:
        assert (await kept.storage.preference(None)).provider == "near"
        assert "is not a file" in str(kept.storage.problem)


# Without its library


@pytest.fixture
def without_library(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """Storage on PostgreSQL, for which SQLModel has to be loaded."""
    monkeypatch.delitem(sys.modules, "proxy.store.engines.server", raising=False)
    yield prepared(cluster.url(cluster.new_database()))


async def test_while_too_many_files_are_open_the_library_waits(
    without_library: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    kept = without_library
    with monkeypatch.context() as patch:
        patch.setattr(mishaps.os, "open", full)
        await kept.storage.open()
        with pytest.raises(StoreError, match="too many files are open"):
            await kept.switch("near")
        assert "proxy.store.engines.server" not in sys.modules
    await kept.switch("near")
    await kept.storage.close()


async def test_a_library_that_was_loaded_half_is_not_tried_again(
    without_library: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = without_library
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "proxy.store.engines.server", None)
        await kept.storage.open()
        with pytest.raises(StoreError, match="restart pointsman"):
            await kept.switch("near")
    kept.storage.usage.put(usage_row())
    with pytest.raises(StoreError, match="restart pointsman"):
        await kept.storage.flush()
    assert "restart pointsman" in str(kept.storage.problem)
    assert (await kept.storage.preference(None)).provider == "near"
    await kept.storage.close()


# Locked


async def test_while_the_file_is_locked_requests_go_on(file: str, path: Path) -> None:
    async with running(file) as kept:
        with locked(path, "NORMAL"):
            kept.storage.usage.put(usage_row())
            kept.signatures.put("call_2", "another")
            with pytest.raises(StoreError, match="locked by another program"):
                await kept.switch("near")
            await until(lambda: kept.storage.problem)
            assert "locked by another program" in str(kept.storage.problem)
            assert (await kept.storage.preference(None)).provider == "far"

        await until(lambda: kept.storage.problem is None)
        assert len(kept.storage.usage) == 0
        await kept.switch("near")

    assert usage_count(path) == 2
    with opened(file) as database:
        assert set(database.read(partial(signatures.newest, most=9))) == {"call_1", "call_2"}
        assert [row.provider for row in database.read(preferences.stored)] == ["near"]


async def test_a_lock_at_the_start_keeps_nothing_back_for_good(file: str, path: Path) -> None:
    async with running(file) as first:
        first.spend_the_day("far", "far-1")

    with locked(path):
        second_run = running(file)
        second = await second_run.__aenter__()
        assert "locked by another program" in str(second.storage.problem)
        assert (await second.storage.preference(None)).provider == "near"
        second.spend_the_day("near", "near-1")
    try:
        await until(lambda: second.storage.problem is None)
        assert second.provider == "far"
        assert second.signatures.get("call_1") == "signature"
        assert second.spent == {("far", "far-1"), ("near", "near-1")}
    finally:
        await second_run.__aexit__(None, None, None)

    with opened(file) as database:
        assert {(row[0], row[1]) for row in database.read(setbacks.saved)} == second.spent


# Full


async def fill_disk(kept: Kept, *, full: bool) -> None:
    """Let the file not grow beyond what it has, or again; each connection has its own limit."""
    [[pages]] = await kept.storage.query(lambda tables: tables.rows("PRAGMA page_count"))
    limit = pages if full else 1_000_000
    await kept.storage.query(lambda tables: tables.rows(f"PRAGMA max_page_count={limit}"))


async def test_on_a_full_disk_requests_go_on(file: str, path: Path) -> None:
    big = StoredPreference(provider="near", models={"near": "x" * 100_000})
    async with running(file) as kept:
        await kept.switch("far")
        await fill_disk(kept, full=True)

        with pytest.raises(StoreError, match=r"the disk with the database .* is full"):
            await kept.choose(big)
        assert "is full" in str(kept.storage.problem)
        assert (await kept.storage.preference(None)).provider == "far"

        await fill_disk(kept, full=False)
        await kept.choose(big)
        await until(lambda: kept.storage.problem is None)

    with opened(file) as database:
        assert [row.models for row in database.read(preferences.stored)] == [big.models]
