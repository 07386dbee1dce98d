"""What PostgreSQL can do to the store, and SQLite cannot: go away, come back, wait for a lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from proxy.store.base import StoreError
from proxy.store.engines import server as store
from proxy.store.engines.migrate import LOCK
from proxy.store.engines.tables import TABLES
from proxy.store.kept import preferences, signatures
from proxy.store.usage.prices import Price, PriceList
from tests.admin.kit import PREFERENCES, desk
from tests.proxy.store.kit import FULL_ROW, opened, running, until
from tests.proxy.store.postgres_kit import Cluster
from tests.proxy.store.usage.test_rows import NEAR, answered, row as usage_row

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick")]


@pytest.fixture
def name(cluster: Cluster) -> str:
    return cluster.new_database()


@pytest.fixture
def administrator(cluster: Cluster, name: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection beside the server's own."""
    with cluster.connect(name) as connection:
        yield connection


async def test_all_of_the_api_works_on_it(
    cluster: Cluster, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = {"database_url": cluster.url(name)}
    change = {
        "default_llm_provider": "far",
        "models": {"far": "big"},
        "aliases": {"fast": {"near": "tiny"}},
        "fallback": ["near"],
    }
    async with desk(monkeypatch, tmp_path, **given) as first:
        for app in (None, "notes", "日本"):
            assert (await first.put(change, app)).status_code == 200
        assert (await first.ask()).headers["x-pointsman-provider"] == "far"
    async with desk(monkeypatch, tmp_path, **given) as second:
        assert (await second.get(PREFERENCES))["stored"] == {
            **change,
            "rate_preset": None,
            "local_only": None,
            "split": {},
        }
        assert (await second.ask()).headers["x-pointsman-provider"] == "far"
        assert (await second.status())["store"]["problem"] is None


async def test_use_and_costs_are_told_from_it(
    cluster: Cluster, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with desk(monkeypatch, tmp_path, database_url=cluster.url(name)) as owner:
        owner.parts.storage.usage.prices = PriceList({"near": True})
        for _ in range(2):
            await owner.ask()
        await owner.parts.storage.flush()
        listed = usage_row(answered(NEAR), at=time.time()).columns(Price(5 * 10**9, billed=True))
        owner.parts.storage._database.append([listed])

        total = (await owner.get("/admin/api/usage", params={"range": "90d"}))["total"]
        [newest, *others] = await owner.get("/admin/api/requests.json")

    assert (total["requests"], total["unpriced"]) == (3, 2)
    assert total["cost_nano_usd"] == total["list_nano_usd"] == newest["cost_nano_usd"] == 5 * 10**9
    assert [one["cost_nano_usd"] for one in others] == [None, None]


async def test_while_the_server_is_away_requests_go_on(cluster: Cluster, name: str) -> None:
    async with running(cluster.url(name)) as kept:
        await kept.switch("far")
        cluster.stop()
        try:
            kept.storage.usage.put(usage_row())
            kept.signatures.put("call_1", "signature")
            with pytest.raises(StoreError, match="the database cannot be reached"):
                await kept.switch("near")
            await until(lambda: kept.storage.problem)
            assert (await kept.storage.preference(None)).provider == "far"
        finally:
            cluster.start()
        await until(lambda: kept.storage.problem is None)
        await kept.switch("near")

    with opened(cluster.url(name)) as database:
        assert [row.provider for row in database.read(preferences.stored)] == ["near"]
        assert database.read(partial(signatures.newest, most=9)) == {"call_1": "signature"}
        assert len(database.rows("SELECT id FROM requests WHERE 1 = :x", {"x": 1})) == 1


async def test_a_server_that_comes_later_is_read_then(cluster: Cluster, name: str) -> None:
    async with running(cluster.url(name)) as kept:
        await kept.switch("far")
        kept.signatures.put("call_1", "signature")
    cluster.stop()
    late = running(cluster.url(name))
    kept = await late.__aenter__()
    try:
        assert "cannot be reached" in str(kept.storage.problem)
        assert (await kept.storage.preference(None)).provider == "near"
    finally:
        cluster.start()
    await until(lambda: kept.storage.problem is None)
    assert (kept.provider, kept.signatures.get("call_1")) == ("far", "signature")
    await late.__aexit__(None, None, None)


async def test_a_lock_is_not_waited_for(
    cluster: Cluster, name: str, administrator: psycopg.Connection[Any]
) -> None:
    async with running(cluster.url(name)) as kept:
        await kept.switch("far")
        with administrator.transaction():
            administrator.execute("LOCK TABLE user_preferences IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(StoreError, match="locked by another program"):
                await kept.switch("near")
            assert (await kept.storage.preference(None)).provider == "far"
            async with running(cluster.url(name)) as other:
                assert "locked by another program" in str(other.storage.problem)
                assert (await other.storage.preference(None)).provider == "near"

        await until(lambda: kept.storage.problem is None)
        await kept.switch("near")
        assert kept.provider == "near"


def open_once(url: str) -> None:
    with opened(url):
        pass


def test_a_new_schema_is_made_by_one_at_a_time(
    cluster: Cluster,
    name: str,
    administrator: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "BUSY_TIMEOUT_MS", 10_000)
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with administrator.transaction():
        administrator.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        made = threading.Thread(target=open_once, args=(cluster.url(name),))
        made.start()
        ends_at = time.monotonic() + 10
        while administrator.execute(waiting).fetchone() != (1,):  # type: ignore[arg-type]
            assert time.monotonic() < ends_at
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert administrator.execute(tables).fetchone() == (0,)
    made.join(10)

    assert administrator.execute(tables).fetchone() == (len(TABLES.tables) + 1,)


async def test_a_read_only_database_stops_no_request(
    cluster: Cluster, name: str, administrator: psycopg.Connection[Any]
) -> None:
    async with running(cluster.url(name)) as kept:
        await kept.choose(FULL_ROW)
    administrator.execute(
        f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'  # type: ignore[arg-type]
    )

    async with running(cluster.url(name)) as kept:
        assert (await kept.storage.preference("notes")).provider == "far"
        with pytest.raises(StoreError, match="the database is read-only"):
            await kept.switch("near")
        assert "read-only" in str(kept.storage.problem)
