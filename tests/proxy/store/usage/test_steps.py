"""Use over time: hours, days, months of the calendar, with those in which nothing was asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from proxy.console.ledger import span_of
from proxy.store.usage.steps import HOUR_S, begin_of, starts
from tests.proxy.store.usage.test_queries import NOW, Log

pytestmark = pytest.mark.anyio

BERLIN = ZoneInfo("Europe/Berlin")
KATHMANDU = ZoneInfo("Asia/Kathmandu")
Move = Callable[[ZoneInfo], None]


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch) -> Iterator[Move]:
    """Takes the machine to another time zone, and back."""

    def moved(zone: ZoneInfo) -> None:
        monkeypatch.setenv("TZ", zone.key)
        time.tzset()

    yield moved
    monkeypatch.undo()
    time.tzset()


def told(since: datetime, until: datetime, step: str) -> list[str]:
    """The begins as a clock on the wall tells them."""
    found = starts(since.timestamp(), until.timestamp(), step)
    return [datetime.fromtimestamp(at, since.tzinfo).strftime("%m-%d %H:%M") for at in found]


def test_days_begin_at_midnight_where_the_server_is(move: Move) -> None:
    move(KATHMANDU)
    begin, end = (datetime(2026, 3, day, 5, tzinfo=KATHMANDU) for day in (1, 3))

    assert told(begin, end, "day") == ["03-01 00:00", "03-02 00:00", "03-03 00:00"]
    assert told(begin, end, "hour")[:2] == ["03-01 05:00", "03-01 06:00"]
    assert len(told(begin, end, "hour")) == 48


def test_months_are_those_of_the_calendar(move: Move) -> None:
    move(BERLIN)
    begin, end = datetime(2025, 12, 31, tzinfo=BERLIN), datetime(2026, 5, 1, 0, 1, tzinfo=BERLIN)

    assert told(begin, end, "month") == [
        "12-01 00:00",
        *(f"{month:02}-01 00:00" for month in (1, 2, 3, 4, 5)),
    ]


@pytest.mark.parametrize(("month", "day"), [(3, 29), (10, 25)], ids=["to summer", "to winter"])
def test_a_day_on_which_clocks_change_is_a_day(move: Move, month: int, day: int) -> None:
    move(BERLIN)
    begin = datetime(2026, month, day - 1, tzinfo=BERLIN)
    end = datetime(2026, month, day + 2, tzinfo=BERLIN)

    assert told(begin, end, "day") == [f"{month:02}-{day + n} 00:00" for n in (-1, 0, 1)]
    hours = starts(begin.timestamp(), end.timestamp(), "hour")
    assert {later - earlier for earlier, later in pairwise(hours)} == {HOUR_S}


def test_what_ends_with_a_day_does_not_begin_the_next(move: Move) -> None:
    move(BERLIN)
    begin, end = (datetime(2026, 3, day, tzinfo=BERLIN) for day in (1, 3))

    assert told(begin, end, "day") == ["03-01 00:00", "03-02 00:00"]


@pytest.mark.parametrize("step", ["hour", "day", "month"])
def test_every_moment_lies_in_the_stretch_that_began_last(move: Move, step: str) -> None:
    move(BERLIN)
    begins = starts(NOW, NOW + 100 * 24 * HOUR_S, step)

    for begin, following in pairwise(begins):
        assert begin_of(begin, step) == begin
        assert begin_of(following - 0.5, step) == begin


async def test_use_is_summed_by_month(move: Move, tmp_path: Path) -> None:
    move(BERLIN)
    log = Log(tmp_path / "store.db")  # whose clock stands in the middle of November 2023
    for days_ago in (0, 1, 20, 30, 60):
        log.add(at=NOW - 60 - days_ago * 24 * HOUR_S)

    use = await log.ledger.usage({"range": "90d", "step": "month"})
    log.database.close()

    months = [datetime.fromtimestamp(at, BERLIN).month for at in use["starts"]]
    assert months == [8, 9, 10, 11]
    assert [(one["requests"], one["prompt"]) for one in use["series"]] == [
        (1, 10),
        (2, 20),
        (2, 20),
    ]
    assert [one["at"] for one in use["series"]] == use["starts"][1:]
    assert use["total"]["requests"] == 5


@pytest.mark.parametrize(
    ("reach", "since"),
    [
        ("today", datetime(2026, 3, 29, tzinfo=BERLIN)),  # a day of 23 hours
        ("month", datetime(2026, 3, 1, tzinfo=BERLIN)),
        ("7d", datetime(2026, 3, 22, 13, tzinfo=BERLIN)),
    ],
)
def test_a_range_begins_where_its_day_began(reach: str, since: datetime, move: Move) -> None:
    move(BERLIN)
    span = span_of(reach, datetime(2026, 3, 29, 14, tzinfo=BERLIN).timestamp())

    assert span.since_ms == since.timestamp() * 1000
