"""Use over time: hours, days, months, with the stretches in which nothing was asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from proxy.usage_queries import HOUR_MS, Span
from proxy.usage_steps import by_month, month_of, starts
from tests.usage.test_queries import Log

pytestmark = pytest.mark.anyio

EAST = timezone(timedelta(hours=2))


def span(since: datetime, until: datetime) -> Span:
    zone = since.utcoffset() or timedelta()
    return Span(
        int(since.timestamp() * 1000),
        int(until.timestamp() * 1000) + 1,
        int(zone.total_seconds() * 1000),
    )


def dates(found: list[int]) -> list[datetime]:
    return [datetime.fromtimestamp(at, EAST) for at in found]


def test_hours_and_days_have_no_gaps() -> None:
    around = span(datetime(2026, 3, 1, 23, 30, tzinfo=EAST), datetime(2026, 3, 3, 1, tzinfo=EAST))

    hours = dates(starts(around, "hour"))

    assert (hours[0], hours[-1], len(hours)) == (
        datetime(2026, 3, 1, 23, tzinfo=EAST),
        datetime(2026, 3, 3, 1, tzinfo=EAST),
        27,
    )
    assert dates(starts(around, "day")) == [datetime(2026, 3, n, tzinfo=EAST) for n in (1, 2, 3)]


def test_months_are_those_of_the_calendar() -> None:
    winter = span(datetime(2025, 12, 31, tzinfo=EAST), datetime(2026, 3, 1, 9, tzinfo=EAST))

    assert dates(starts(winter, "month")) == [
        datetime(2025, 12, 1, tzinfo=EAST),
        *(datetime(2026, month, 1, tzinfo=EAST) for month in (1, 2, 3)),
    ]


def test_a_month_begins_where_the_server_is() -> None:
    last_of_utc = int(datetime(2026, 2, 28, 22, tzinfo=UTC).timestamp())

    begin = month_of(last_of_utc, 2 * HOUR_MS)

    assert begin == last_of_utc  # midnight of March 1st, two hours east


async def test_use_is_summed_by_month(tmp_path: Path) -> None:
    log = Log(tmp_path / "store.db")  # whose clock stands in the middle of November 2023
    day_s = 86_400
    for days_ago in (0, 1, 20, 30, 60):
        log.add(at=1_699_999_940.0 - days_ago * day_s)

    told = await log.ledger.usage({"range": "90d", "step": "month"})
    log.database.close()

    months = [datetime.fromtimestamp(at).astimezone().month for at in told["starts"]]
    assert months == [8, 9, 10, 11]
    assert [(one["requests"], one["prompt"]) for one in told["series"]] == [
        (1, 10),
        (2, 20),
        (2, 20),
    ]
    assert {one["at"] for one in told["series"]} == set(told["starts"][1:])
    assert told["total"]["requests"] == 5


def test_names_are_summed_apart() -> None:
    nothing = dict.fromkeys(
        ("errors", "cancelled", "rotated", "prompt", "completion", "estimated"), 0
    ) | dict.fromkeys(("cost_nano_usd", "list_nano_usd", "unpriced"), 0)
    days = [
        {"at": at, "name": name, "requests": 1, **nothing}
        for at, name in ((0, "a"), (86_400, "a"), (86_400, None))
    ]

    assert [(one["at"], one["name"], one["requests"]) for one in by_month(days, 0)] == [
        (0, "a", 2),
        (0, None, 1),
    ]
