"""The usage log added up by the half hour, so that nobody has to read a million rows for the page.

A row is in the sums once its number is not above the mark, whenever its request began: one that is
written late is summed late, and those above the mark are read one by one. What has been summed
stays when its row is forgotten. Half an hour fits nearly every time zone; where a day or a range
begins within one, the rows of that half hour are read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from proxy.store.base import Columns, Tables
from proxy.store.usage.request_log import TABLE as LOG, too_old

TABLE, MARKS, MARK = "usage_sums", "usage_marks", "summed"
STEP_MS = 1_800_000
FAR_MS = STEP_MS * 10**9
"""A moment after all others."""
BATCH = 2000
"""The most rows that are summed at once, so that no write takes long."""
PRICED_MS = 60_000
"""For so long a row that has no price may still get one."""
FORGET_STEPS = 10
MAX_SUMS = 500_000

SUMS: Mapping[str, str] = {
    "requests": "COUNT(*)",
    "errors": "SUM(CASE WHEN NOT cancelled AND (status >= 400 OR partial) THEN 1 ELSE 0 END)",
    "cancelled": "SUM(CASE WHEN cancelled THEN 1 ELSE 0 END)",
    "rotated": "SUM(CASE WHEN rotated THEN 1 ELSE 0 END)",
    "prompt": "SUM(CASE WHEN estimated THEN 0 ELSE prompt END)",
    "completion": "SUM(CASE WHEN estimated THEN 0 ELSE completion END)",
    "estimated": "SUM(CASE WHEN estimated THEN prompt + completion ELSE 0 END)",
    "cost_nano_usd": "SUM(CASE WHEN billed THEN list_nano_usd ELSE 0 END)",
    "list_nano_usd": "SUM(list_nano_usd)",
    "unpriced": "SUM(CASE WHEN list_nano_usd IS NULL THEN 1 ELSE 0 END)",
    "answered": "SUM(CASE WHEN first_s IS NOT NULL THEN 1 ELSE 0 END)",
    "cut": "SUM(CASE WHEN first_s IS NOT NULL AND NOT cancelled"
    " AND (partial OR finish = 'length') THEN 1 ELSE 0 END)",
}
OWN = "arm = provider"
OF_ARMS: Mapping[str, str] = {
    **{
        name: f"SUM(CASE WHEN {OWN} THEN {what} ELSE 0 END)"
        for name, what in {
            "prompt": "prompt",
            "completion": "completion",
            "cost_nano_usd": "CASE WHEN billed THEN list_nano_usd ELSE 0 END",
            "list_nano_usd": "list_nano_usd",
        }.items()
    },
    "rotated": "SUM(CASE WHEN provider <> arm THEN 1 ELSE 0 END)",
    "answered": f"SUM(CASE WHEN {OWN} AND first_s IS NOT NULL THEN 1 ELSE 0 END)",
    "cut": f"SUM(CASE WHEN {OWN} AND first_s IS NOT NULL AND NOT cancelled"
    " AND (partial OR finish = 'length') THEN 1 ELSE 0 END)",
}
"""What is summed otherwise by arm: tokens, cost and what was cut are of its own answers alone, and
`rotated` are those that somebody else answered for it."""
KINDS: Mapping[str, Mapping[str, str]] = {
    "provider": SUMS,
    "app": SUMS,
    "model": SUMS,
    "first_choice": SUMS,
    "arm": {**SUMS, **OF_ARMS},
}
"""What the log is grouped by, which are columns of it, and what is summed of each."""

OLDEST = f"SELECT MIN(begin_ms), MAX(begin_ms) FROM {TABLE} WHERE kind = 'provider'"  # noqa: S608
HAS_SETTLED = (
    f"SELECT 1 FROM {TABLE} WHERE kind = 'provider'"  # noqa: S608
    " AND begin_ms BETWEEN :since_ms AND :settled_ms LIMIT 1"
)
FORGET = (
    f"DELETE FROM {TABLE} WHERE kind IN ({', '.join(f':{kind}' for kind in KINDS)})"  # noqa: S608
    " AND begin_ms < :before"
)


NEXT = f"""
SELECT MAX(id), MIN(CASE WHEN list_nano_usd IS NULL AND end_ms > :since THEN id END)
FROM (SELECT id, list_nano_usd, at_ms + total_s * 1000 AS end_ms FROM {LOG}
WHERE id > :mark AND id <= :newest ORDER BY id LIMIT :most) AS fresh
"""  # noqa: S608
"""The last row of those that are summed next, and the first that may still get a price."""


def sum_up(tables: Tables, now: float) -> bool:
    """Sum rows that are not summed yet, and forget after the last; whether there may be more."""
    newest = tables.settled(LOG)
    if newest is None:
        return True
    mark = marked(tables)
    span = {"mark": mark, "newest": newest, "most": BATCH}
    since = int(now * 1000) - PRICED_MS
    [[last, unpriced]] = tables.rows(NEXT, {**span, "since": since}) or [[None, None]]
    if unpriced is not None:
        newest = last = unpriced - 1
    if last is None or last <= mark:
        return False
    for kind in KINDS:
        tables.run(_adding(kind), {"mark": mark, "last": last})
    mark_at(tables, last)
    if last < newest:
        return True
    _forget(tables)
    return False


def marked(tables: Tables) -> int:
    """The number of the last row that is in the sums."""
    found = tables.rows(f"SELECT up_to FROM {MARKS} WHERE name = :name", {"name": MARK})  # noqa: S608
    return int(found[0][0]) if found else 0


def mark_at(tables: Tables, up_to: int) -> None:
    """From now on, rows up to this number are in the sums."""
    tables.put(MARKS, [{"name": MARK, "up_to": up_to}])


def _adding(kind: str) -> str:
    added = ", ".join(f"{name} = {TABLE}.{name} + excluded.{name}" for name in SUMS)
    # Every value is one of ours.
    return (
        f"INSERT INTO {TABLE} (kind, begin_ms, name, {', '.join(SUMS)})"  # noqa: S608
        f" SELECT '{kind}', at_ms / {STEP_MS} * {STEP_MS}, {_name(kind)}, {_of_rows(kind)}"
        f" FROM {LOG} WHERE id > :mark AND id <= :last{_where(kind)}"
        f" GROUP BY 2, 3 ON CONFLICT (kind, begin_ms, name) DO UPDATE SET {added}"
    )


def _name(kind: str) -> str:
    return f"COALESCE({kind}, '')"


def _where(kind: str) -> str:
    return " AND arm IS NOT NULL" if kind == "arm" else ""


def _of_rows(kind: str) -> str:
    sums = KINDS[kind].items()
    return ", ".join(f"CAST(COALESCE({what}, 0) AS BIGINT) AS {name}_sum" for name, what in sums)


_OF_SUMS = ", ".join(f"CAST(SUM({name}) AS BIGINT) AS {name}_sum" for name in SUMS)


def _forget(tables: Tables) -> None:
    """The oldest sums, where they are too old or too many."""
    [[oldest, newest]] = tables.rows(OLDEST)
    age = too_old(newest)
    is_old = oldest < age["oldest_ms"] and tables.rows(
        HAS_SETTLED, {name: age[name] for name in ("since_ms", "settled_ms")}
    )
    [[count]] = tables.rows(f"SELECT COUNT(*) FROM {TABLE}")  # noqa: S608
    if is_old or count > MAX_SUMS:
        before = oldest + FORGET_STEPS * STEP_MS
        if is_old:
            before = min(before, age["oldest_ms"])
        tables.run(FORGET, {kind: kind for kind in KINDS} | {"before": before})


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `begin_ms` until `end_ms`, and what of it is whole half hours."""

    begin_ms: int
    end_ms: int

    @property
    def inner(self) -> tuple[int, int]:
        """The whole half hours; the end is not above the start where there are none."""
        return -(-self.begin_ms // STEP_MS) * STEP_MS, self.end_ms // STEP_MS * STEP_MS

    @property
    def edges(self) -> Sequence[tuple[int, int]]:
        """What is not."""
        first, last = self.inner
        if first >= last:
            return [(self.begin_ms, self.end_ms)]
        return [one for one in ((self.begin_ms, first), (last, self.end_ms)) if one[0] < one[1]]


Found = tuple[int, str | None, list[int]]
"""The start of a stretch, a name, and its sums in the order of `SUMS`."""


def added_up(
    log: Tables,
    kind: str,
    bounds: Sequence[int],
    *,
    name: str = "{}",
    values: Mapping[str, object] | None = None,
    rest: str = "",
) -> Iterator[Found]:
    """The sums by name of each stretch between two `bounds`; those of one name come in parts.

    `name` says what stands for a name, `values` are its parameters, `rest` follows each query.
    """
    given = dict(values or {})
    stretches = [Stretch(*pair) for pair in pairwise(bounds)]
    inner = [f"({at}, {one.inner[0]}, {one.inner[1]})" for at, one in enumerate(stretches)]
    # One query for all of them: there may be two thousand.
    for at, found, *numbers in log.rows(
        f"SELECT column1, {name.format('name')}, {_OF_SUMS}"  # noqa: S608
        f" FROM (VALUES {', '.join(inner)}) AS stretches JOIN {TABLE} ON kind = '{kind}'"
        f" AND begin_ms >= column2 AND begin_ms < column3 GROUP BY 1, 2 {rest}",
        given,
    ):
        yield stretches[at].begin_ms, found or None, list(map(int, numbers))
    query = (
        f"SELECT {name.format(_name(kind))}, {_of_rows(kind)} FROM {LOG}"  # noqa: S608
        f" WHERE at_ms >= :since AND at_ms < :until{_where(kind)} GROUP BY 1 {rest}"
    )
    for one in stretches:
        for since, until in one.edges:
            for found, *numbers in log.rows(query, {**given, "since": since, "until": until}):
                yield one.begin_ms, found or None, list(map(int, numbers))
    yield from _fresh(log, kind, stretches, name, given)


def _fresh(
    log: Tables, kind: str, stretches: Sequence[Stretch], name: str, given: Columns
) -> Iterator[Found]:
    """The rows of whole half hours that are not in the sums."""
    begins = [one.begin_ms for one in stretches]
    values = {
        **given,
        "mark": marked(log),
        "since": begins[0],
        "until": stretches[-1].end_ms,
    }
    # With `+ 0`, since no database is to walk the index of times for the few rows of high numbers.
    for step, found, *numbers in log.rows(
        f"SELECT at_ms / {STEP_MS}, {name.format(_name(kind))}, {_of_rows(kind)} FROM {LOG}"  # noqa: S608
        f" WHERE id > :mark AND at_ms + 0 >= :since AND at_ms + 0 < :until{_where(kind)}"
        " GROUP BY 1, 2",
        values,
    ):
        at = int(step) * STEP_MS
        place = bisect_right(begins, at) - 1
        if place >= 0 and stretches[place].inner[0] <= at < stretches[place].inner[1]:
            yield begins[place], found or None, list(map(int, numbers))


def summed(values: Sequence[Any]) -> dict[str, int]:
    return dict(zip(SUMS, values, strict=True))
