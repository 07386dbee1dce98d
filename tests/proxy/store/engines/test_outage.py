"""PostgreSQL goes away and comes back: every row of the usage log is written, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.store.base import NewerSchemaError, StoreError
from proxy.store.engines import patience
from proxy.store.engines.server import Server
from tests.proxy.store.kit import kept, opened, running, until
from tests.proxy.store.postgres_kit import Cluster
from tests.proxy.store.usage.test_rows import row as usage_row

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick")]


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.url(cluster.new_database())


def written(url: str) -> list[str]:
    with opened(url) as database:
        found = database.rows("SELECT request_id FROM requests WHERE 1 = :x ORDER BY 1", {"x": 1})
        return [str(name) for (name,) in found]


def named(number: int) -> Any:
    return usage_row(request_id=f"req-{number:04}")


async def test_rows_that_come_meanwhile_are_in_files_and_outlive_the_process(
    cluster: Cluster, url: str, own_folder: Path
) -> None:
    killed = kept(url)
    await killed.storage.open()
    cluster.stop()
    try:
        await until(lambda: killed.storage.problem)
        for number in range(700):
            killed.storage.usage.put(named(number))
        await until(lambda: not killed.storage.usage)
        assert killed.storage._beside
        for task in killed.storage._beside:
            task.cancel()
        assert len(list((own_folder / "waiting").iterdir())) >= 2
    finally:
        cluster.start()
    async with running(url) as one:
        await until(lambda: one.storage.problem is None and not one.storage.usage.may_wait)
    assert written(url) == [f"req-{number:04}" for number in range(700)]
    assert list((own_folder / "waiting").iterdir()) == []


async def test_a_restart_under_load_loses_and_doubles_nothing(cluster: Cluster, url: str) -> None:
    count = 0
    async with running(url) as one:

        async def load() -> None:
            nonlocal count
            while True:
                one.storage.usage.put(named(count))
                count += 1
                await asyncio.sleep(0.001)

        loading = asyncio.create_task(load())
        await until(lambda: count > 50)
        await asyncio.to_thread(cluster.stop)
        await until(lambda: one.storage.problem)
        before = count
        await until(lambda: count > before + 50)
        await asyncio.to_thread(cluster.start)
        await until(lambda: one.storage.problem is None)
        loading.cancel()
    assert written(url) == [f"req-{number:04}" for number in range(count)]


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(url)
    server.open()
    monkeypatch.setattr(patience, "LONGEST_S", 0.2)
    with pytest.raises(StoreError, match="does not answer"):
        server.read(lambda tables: tables.rows("SELECT pg_sleep(600)"))
    assert server.read(lambda tables: tables.rows("SELECT 1")) == [(1,)]
    server.close()


@pytest.mark.parametrize("is_longer", [False, True])
async def test_an_answer_that_got_lost_after_the_commit_doubles_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch, is_longer: bool
) -> None:
    lost = 2 if is_longer else 1
    write = Server.write

    def losing(self: Server, work: Callable[[Any], Any], **given: Any) -> Any:
        nonlocal lost
        done = write(self, work, **given)
        if "append" in str(work) and lost:
            lost -= 1
            raise StoreError("the answer is lost")
        return done

    async with running(url) as one:
        monkeypatch.setattr(Server, "write", losing)
        for number in range(3):
            one.storage.usage.put(named(number))
        await until(lambda: lost == 0 and one.storage.problem is None)
        for number in range(3, 6):
            one.storage.usage.put(named(number))
    assert written(url) == [f"req-{number:04}" for number in range(6)]


async def test_a_server_that_runs_goes_on_beside_a_newer_schema(cluster: Cluster, url: str) -> None:
    async with running(url) as old:
        await old.switch("far")
        with cluster.connect(url.partition("@/")[2].partition("?")[0]) as newer:
            for table in ("user_preferences", "requests", "signatures", "cooldowns"):
                newer.execute(f"ALTER TABLE {table} ADD COLUMN tomorrow TEXT")  # type: ignore[arg-type]
            newer.execute("UPDATE alembic_version SET version_num = '9999'")
        await old.switch("near")
        old.storage.usage.put(named(1))
        old.signatures.put("call_1", "signature")
        await old.storage.flush()
        with cluster.connect(url.partition("@/")[2].partition("?")[0]) as newer:
            newer.execute(
                "UPDATE user_preferences SET default_llm_provider = 'far', updated_at = now()"
            )
            assert newer.execute("SELECT request_id FROM requests").fetchall() == [("req-0001",)]
        await until(lambda: old.provider == "far")
        assert old.storage.problem is None
    late = kept(url)
    with pytest.raises(NewerSchemaError, match="9999"):
        await late.storage.open()
    await late.storage.close()
