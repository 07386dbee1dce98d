"""What is asked of the usage log, and the JSON that is made of what it says.

Each function takes the tables and runs in the store's thread. The statements are plain
enough for SQLite and PostgreSQL; every value goes as a parameter, every name is one of ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from adapters.base import Json
from proxy.figures import percentile, tokens_per_s
from proxy.store.base import Tables
from proxy.store.schema import columns
from proxy.store.usage.request_log import TABLE
from proxy.store.usage.sums import FAR_MS, added_up, summed

MAX_GROUPS = 50
REST = "(the rest)"
"""The name under which all that are not among the largest are summed."""
GROUPS = ("provider", "app", "model")
"""The columns that use can be grouped by."""

SHOWN = (
    "requests",
    "errors",
    "cancelled",
    "rotated",
    "prompt",
    "completion",
    "estimated",
    "cost_nano_usd",
    "list_nano_usd",
    "unpriced",
)
"""The sums that are shown."""
FIRST = ("requests", "rotated")
RANKED = ("first_s", "total_s", "tokens_per_s")
MAX_RANKED = 10_000
"""Times are computed of the newest so many requests: sorting a quarter of a year takes too long."""

DERIVED = ("cost_nano_usd", "tokens_per_s")


def names() -> list[str]:
    """What is shown of a request, in order: all columns but its story, and what comes of them."""
    own = [name for name in columns(TABLE) if name not in ("id", "at_ms", "story")]
    return ["id", "at", *own, *DERIVED]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in Unix milliseconds."""

    since_ms: int
    until_ms: int

    @property
    def values(self) -> dict[str, object]:
        return {"since": self.since_ms, "until": self.until_ms}

    @property
    def bounds(self) -> tuple[int, int]:
        return self.since_ms, self.until_ms


IN_SPAN = "at_ms >= :since AND at_ms < :until"


def usage(log: Tables, span: Span, starts: Sequence[int], *, by: str) -> Json:
    """Sums over time and in all, by `by`, with the middle and the slow end of the times.

    `first_choices` tells of each provider how often it was the first choice, and how often another
    answered then. `starts` are the Unix seconds at which the stretches of time begin.
    """
    named, names = _largest(log, span, by)
    series: dict[tuple[int, str | None], Json] = {}
    groups: dict[str | None, Json] = {}
    firsts: dict[str, Json] = {}
    total = dict.fromkeys(SHOWN, 0)
    bounds = [span.since_ms, *(start * 1000 for start in starts[1:]), span.until_ms]
    begins = dict(zip(bounds, starts, strict=False))
    for begin_ms, name, values in added_up(log, by, bounds, name=named, values=names):
        sums, start = summed(values), begins[begin_ms]
        _add(series.setdefault((start, name), {"at": start, "name": name}), sums)
        _add(groups.setdefault(name, {"name": name}), sums)
        _add(total, sums)
    for _, first, values in added_up(log, "first_choice", span.bounds):
        if first is not None:
            _add(firsts.setdefault(first, {}), summed(values), FIRST)
    _rank(log, {**span.values, **names}, by, named.format(by), groups)
    return {
        "total": total,
        "groups": sorted(groups.values(), key=lambda group: -group["requests"]),
        "series": [series[key] for key in sorted(series, key=_in_order)],
        "first_choices": firsts,
    }


def _in_order(key: tuple[int, str | None]) -> tuple[int, bool, str]:
    start, name = key
    return start, name is not None, name or ""


def _largest(log: Tables, span: Span, column: str) -> tuple[str, dict[str, object]]:
    """What stands for a name where there are too many, and its parameters."""
    counts: dict[str | None, int] = defaultdict(int)
    most = f"ORDER BY requests_sum DESC LIMIT {MAX_GROUPS + 1}"
    for _, name, values in added_up(log, column, span.bounds, rest=most):
        counts[name] += summed(values)["requests"]
    if len(counts) <= MAX_GROUPS:
        return "{}", {}
    chosen = sorted(counts, key=lambda name: -counts[name])[:MAX_GROUPS]
    largest: dict[str, object] = {f"name{at}": name for at, name in enumerate(chosen) if name}
    names = ", ".join(f":{at}" for at in largest)
    is_large = f"COALESCE({{0}}, '') = '' OR {{0}} IN ({names})"
    return f"CASE WHEN {is_large} THEN {{0}} ELSE '{REST}' END", largest


def totals(log: Tables, span: Span) -> Json:
    total = dict.fromkeys(SHOWN, 0)
    for _, _, values in added_up(log, "provider", span.bounds):
        _add(total, summed(values))
    return total


def by_app(log: Tables, since_ms: int) -> dict[str, Json]:
    """What each app has used since then: requests, tokens and nano-dollars."""
    found: dict[str, Json] = {}
    for _, app, values in added_up(log, "app", (since_ms, FAR_MS)):
        if app is not None:
            sums = summed(values)
            sums["tokens"] = sums["prompt"] + sums["completion"] + sums["estimated"]
            _add(found.setdefault(app, {}), sums, ("requests", "tokens", "cost_nano_usd"))
    return found


def _add(to: Json, entry: Mapping[str, int], names: Iterable[str] = SHOWN) -> None:
    for name in names:
        to[name] = to.get(name, 0) + entry[name]


def _rank(
    log: Tables,
    values: Mapping[str, object],
    column: str,
    name: str,
    groups: Mapping[str | None, Json],
) -> None:
    """Add p50 and p95 of the times of whole answers, and of the speed."""
    measured: dict[str | None, list[tuple[float, float, float | None]]] = defaultdict(list)
    rows = log.rows(
        f"SELECT {name}, first_s, total_s, completion FROM"  # noqa: S608
        f" (SELECT {column}, finish, first_s, total_s, completion FROM requests"
        f" WHERE {IN_SPAN} ORDER BY at_ms DESC LIMIT {MAX_RANKED}) AS newest"
        " WHERE finish IS NOT NULL AND first_s IS NOT NULL",
        values,
    )
    for whose, first_s, total_s, completion in rows:
        measured[whose].append((first_s, total_s, tokens_per_s(first_s, total_s, completion)))
    for name_of, group in groups.items():
        for index, what in enumerate(RANKED):
            found = [value for one in measured[name_of] if (value := one[index]) is not None]
            for part in (50, 95):
                group[f"{what}_p{part}"] = _rounded(percentile(found, part / 100))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which requests of the log are wanted; None for all.

    `outcome` is ok, error or cancelled; `slow_s` the least seconds; `before` a row's id.
    """

    app: str | None = None
    provider: str | None = None
    status: int | None = None
    outcome: str | None = None
    rotated: bool | None = None
    slow_s: float | None = None
    before: int | None = None
    after: int | None = None
    span: Span | None = None

    def where(self) -> tuple[str, dict[str, object]]:
        chosen: dict[str, dict[str, object]] = {
            clause: {name: value}
            for clause, name, value in (
                ("app = :app", "app", self.app),
                ("provider = :provider", "provider", self.provider),
                ("status = :status", "status", self.status),
                ("total_s >= :slow", "slow", self.slow_s),
                ("id < :before", "before", self.before),
                ("id > :after", "after", self.after),
            )
            if value is not None
        }
        if self.outcome is not None:
            chosen[OUTCOMES[self.outcome]] = {}
        if self.rotated is not None:
            chosen["rotated" if self.rotated else "NOT rotated"] = {}
        if self.span is not None:
            chosen[IN_SPAN] = self.span.values
        values = {name: value for part in chosen.values() for name, value in part.items()}
        return " AND ".join(chosen) or "1 = 1", values


OUTCOMES: Mapping[str, str] = {
    "ok": "status < 400 AND NOT partial",
    "error": "NOT cancelled AND (status >= 400 OR partial)",
    "cancelled": "cancelled",
}


def requests(log: Tables, chosen: Filter, limit: int) -> list[Json]:
    """The newest requests that fit, without their stories."""
    where, values = chosen.where()
    rest = f"WHERE {where} ORDER BY id DESC LIMIT :limit"
    told = names()
    return [_request(row, told) for row in log.find(TABLE, rest, {**values, "limit": limit})]


def request(log: Tables, wanted: str) -> Json | None:
    """The receipt of the request with this row id or, the newest, with this request id.

    A request id has no index: ids are random, and keeping them in order would cost every request
    more than all the rest of its row, where a look at all rows takes some milliseconds.
    """
    rows: list[Json] = []
    if wanted.isdecimal() and len(wanted) < 16:
        rows = log.find(TABLE, "WHERE id = :id", {"id": int(wanted)})
    if not rows:
        newest = "WHERE request_id = :id ORDER BY id DESC LIMIT 1"
        rows = log.find(TABLE, newest, {"id": wanted})
    if not rows:
        return None
    return {**_request(rows[0], names()), "story": orjson.loads(rows[0]["story"])}


def _request(row: Json, told: Iterable[str]) -> Json:
    first_s = row["first_s"]
    row["at"] = row["at_ms"] / 1000
    row["cost_nano_usd"] = row["list_nano_usd"] if row["billed"] else 0
    row["tokens_per_s"] = (
        None if first_s is None else tokens_per_s(first_s, row["total_s"], row["completion"])
    )
    return {name: _shown(row[name]) for name in told}


def _shown(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
