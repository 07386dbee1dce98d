"""The usage log added up: the same sums as of its rows, whatever comes late or is forgotten."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from adapters.base import Usage
from proxy.candidate import Candidate
from proxy.store.carry import carry_over
from proxy.store.database import Database
from proxy.store.usage import request_log, sums
from proxy.store.usage.arms import arms
from proxy.store.usage.prices import Price
from proxy.store.usage.queries import Span, by_app, totals, usage
from proxy.store.usage.sums import MARKS, STEP_MS, TABLE, added_up, marked
from tests.proxy.store.kit import running
from tests.proxy.store.postgres_kit import Cluster
from tests.proxy.store.usage.test_rows import answered, row

NEAR, FAR = Candidate("near", "near-1"), Candidate("far", "far-1")
NOW = 1_700_000_000.0
DAY_S = 86_400


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database(url)
    opened.open()
    yield opened
    opened.close()


def _columns(chance: random.Random, at: float) -> dict[str, object]:
    who = chance.choice(((NEAR,), (FAR,), (NEAR, FAR)))
    receipt = answered(*who, usage=Usage(chance.randrange(99), 5), finish="stop")
    receipt.arm = chance.choice((None, "near", "far"))
    told = row(
        receipt,
        at=at,
        app=chance.choice((None, "notes", "mail")),
        status=chance.choice((200, 200, 499, 502)),
        error=chance.choice((None, "broken")),
    )
    return dict(told.columns(Price(chance.choice((None, 7)), billed=chance.random() < 0.5)))


def _fill(
    database: Database, count: int, *, seed: int = 1, days: float = 3, until: float = NOW
) -> None:
    chance = random.Random(seed)
    rows = [_columns(chance, until - chance.random() * days * DAY_S) for _ in range(count)]
    database.append(rows)


def _sum_up(database: Database) -> int:
    turns = 1
    while database.sum_up():
        turns += 1
    return turns


def _asked(database: Database, starts: Sequence[int]) -> list[Any]:
    """All that is told of sums, over stretches that begin at any moment."""
    span = Span(starts[0] * 1000, int(NOW * 1000) + 1)
    told = [
        database.read(lambda log, by=by: usage(log, span, starts, by=by))  # type: ignore[misc]
        for by in ("provider", "app", "model")
    ]
    return [
        *({**one, "groups": sorted(one["groups"], key=lambda g: str(g["name"]))} for one in told),
        database.read(lambda log: totals(log, span)),
        database.read(lambda log: by_app(log, span.since_ms)),
        database.read(lambda log: arms(log, span)),
    ]


STARTS = (
    tuple(range(int(NOW) - 3 * DAY_S, int(NOW), DAY_S)),
    tuple(range(int(NOW) // 1800 * 1800 - 2 * DAY_S, int(NOW), 3600)),
    (int(NOW) - 2 * DAY_S, int(NOW) - DAY_S + 900, int(NOW) - 600, int(NOW) - 60),
)


def test_what_is_summed_is_told_as_before(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "BATCH", 60)
    _fill(database, 200)
    before = [_asked(database, starts) for starts in STARTS]
    assert before[0][0]["total"]["requests"] == 200

    for _ in range(2):
        database.sum_up()
        assert [_asked(database, starts) for starts in STARTS] == before
    assert _sum_up(database) == 2

    assert [_asked(database, starts) for starts in STARTS] == before
    assert database.rows(f"SELECT SUM(requests) FROM {TABLE} WHERE kind = 'app'", {})[0][0] == 200


def test_rows_that_come_late_are_counted_once(database: Database) -> None:
    _fill(database, 100)
    _sum_up(database)
    _fill(database, 100, seed=2)  # of the same days
    late = [_asked(database, starts) for starts in STARTS]
    assert late[0][0]["total"]["requests"] == 200

    _sum_up(database)

    assert [_asked(database, starts) for starts in STARTS] == late


def test_a_row_that_may_still_get_a_price_is_summed_after_that(database: Database) -> None:
    def told(at: float, price: Price) -> dict[str, object]:
        return row(answered(NEAR), request_id=f"req-{at}", at=at).columns(price)

    def mark() -> int:
        database.sum_up(lambda: NOW)
        return database.read(marked)

    known, unknown = Price(7, billed=True), Price(None, billed=True)
    database.append([told(NOW - 300, unknown), told(NOW - 1, known), told(NOW, unknown)])
    assert mark() == 2
    database.price([told(NOW, known), told(NOW - 300, known)])
    assert mark() == 3
    found = database.read(lambda log: totals(log, Span(0, int(NOW * 1000) + 1)))
    assert (found["list_nano_usd"], found["unpriced"]) == (14, 1)  # what is summed stays


def test_sums_outlive_their_rows(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(database, 100, until=NOW - 3600)
    _sum_up(database)
    starts = (int(NOW - 4 * DAY_S) // 1800 * 1800,)
    [before, *_] = _asked(database, starts)
    monkeypatch.setattr(request_log, "MAX_ROWS", 10)

    _fill(database, 1, seed=2)

    [after, *_] = _asked(database, starts)
    assert database.rows("SELECT COUNT(*) FROM requests", {})[0][0] == 10
    assert after["total"]["requests"] == before["total"]["requests"] + 1 == 101


def test_sums_are_forgotten_step_by_step(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "FORGET_STEPS", 48)
    chance, left = random.Random(1), []
    for age in (100.0, 99.0, 40.0, 2.0, 0.0):
        database.append([_columns(chance, NOW - age * DAY_S)])
        _sum_up(database)
        found = database.rows(f"SELECT COUNT(*) FROM {TABLE} WHERE kind = 'provider'", {})
        left.append(found[0][0])

    # A clock that leaps ahead is believed once there is a sum more than a day before it.
    assert left == [1, 2, 3, 4, 4]


def test_of_too_many_sums_the_oldest_go(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "MAX_SUMS", 5)
    for age_h in (12, 2):
        database.append([_columns(random.Random(1), NOW - age_h * 3600)])
        _sum_up(database)
    [[left]] = database.rows(f"SELECT COUNT(*) FROM {TABLE} WHERE kind = 'provider'", {})
    assert left == 1


@pytest.mark.anyio
@pytest.mark.usefixtures("quick")
async def test_a_server_sums_what_has_come(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.store.usage_log.TICKS_A_SUM", 2)
    async with running(url) as kept:
        for count in (1, 2):
            kept.storage.usage.put(row(answered(NEAR), at=time.time()))
            async with asyncio.timeout(20):
                while await kept.storage.query(marked) < count:  # noqa: ASYNC110 - a thread's work
                    await asyncio.sleep(0.01)


def test_nobody_sums_while_others_write(cluster: Cluster) -> None:
    name = cluster.new_database()
    database = Database(cluster.url(name))
    try:
        database.open()
        _fill(database, 5)
        with cluster.connect(name) as other, other.transaction():
            other.execute("UPDATE requests SET status = status WHERE id = 1")
            assert database.sum_up()
            assert database.read(marked) == 0
        with cluster.connect(name) as other, other.transaction():
            other.execute("SELECT pg_advisory_xact_lock(%s)", [0x706F696E75])
            assert database.sum_up()
            assert database.read(marked) == 0
        assert not database.sum_up()
        assert database.read(marked) == 5
    finally:
        database.close()


def test_what_is_summed_is_told_once_in_another_database(
    database: Database, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "BATCH", 30)
    _fill(database, 60)
    database.write(lambda tables: tables.run("DELETE FROM requests WHERE id IN (3, 4, 50)"))
    database.sum_up()
    before = _asked(database, STARTS[0])
    other = Database(f"sqlite:///{tmp_path_factory.mktemp('other') / 'store.db'}")
    try:
        other.open()
        assert carry_over(database, other)[MARKS] == 1
        assert _asked(other, STARTS[0]) == before
        _sum_up(other)
        assert _asked(other, STARTS[0])[0]["total"] == before[0]["total"]
    finally:
        other.close()


def test_stretches_without_rows_are_empty(database: Database) -> None:
    assert database.read(lambda log: list(added_up(log, "app", (0, 1, STEP_MS, 9 * STEP_MS)))) == []
