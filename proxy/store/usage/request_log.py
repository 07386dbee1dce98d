"""The usage log as a table: rows are added, and the oldest forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.store.base import Columns, Tables

TABLE = "requests"
COUNT = "SELECT COUNT(*) FROM requests"
FORGET_OLD = (
    "DELETE FROM requests WHERE id IN"
    " (SELECT id FROM requests WHERE at_ms < :oldest_ms AND EXISTS"
    " (SELECT 1 FROM requests WHERE at_ms BETWEEN :since_ms AND :settled_ms)"
    " ORDER BY at_ms LIMIT :step)"
)
FORGET_FIRST = (
    "DELETE FROM requests WHERE id IN (SELECT id FROM requests ORDER BY id LIMIT :excess)"
)
IS_THERE = "SELECT 1 FROM requests WHERE at_ms = :at_ms AND request_id = :id LIMIT 1"
PRICE = (
    "UPDATE requests SET list_nano_usd = :nano_usd WHERE at_ms = :at_ms AND request_id = :id"
    " AND id > COALESCE((SELECT up_to FROM usage_marks WHERE name = 'summed'), 0)"
)

MAX_ROWS = 100_000
DAY_MS = 86_400_000
MAX_AGE_MS = 90 * DAY_MS
STEP = 1000
"""The most that is forgotten at once, so that no write takes long."""


def append(tables: Tables, fresh: Sequence[Columns]) -> None:
    tables.put(TABLE, fresh)
    tables.run(FORGET_OLD, too_old(max(row["at_ms"] for row in fresh)))
    [[count]] = tables.rows(COUNT)
    tables.run(FORGET_FIRST, {"excess": max(0, min(count - MAX_ROWS, STEP))})


def append_once(tables: Tables, fresh: Sequence[Columns]) -> None:
    """Write rows that go in one transaction, unless they are there."""
    first = {"at_ms": fresh[0]["at_ms"], "id": fresh[0]["request_id"]}
    if not tables.rows(IS_THERE, first):
        append(tables, fresh)


def price(tables: Tables, late: Sequence[Columns]) -> None:
    """Give rows their price that were written before it was known, and are not in the sums yet."""
    for row in late:
        values = {"at_ms": row["at_ms"], "id": row["request_id"]}
        tables.run(PRICE, {**values, "nano_usd": row["list_nano_usd"]})


def too_old(now_ms: int) -> Columns:
    """The parameters of FORGET_OLD; `now_ms` is when the newest request began.

    A clock that has just leapt ahead makes good rows look old. It is believed once the log has a
    row of the month before it that is more than a day old by it.
    """
    return {
        "oldest_ms": now_ms - MAX_AGE_MS,
        "since_ms": now_ms - 30 * DAY_MS,
        "settled_ms": now_ms - DAY_MS,
        "step": STEP,
    }
