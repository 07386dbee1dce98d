"""How the arms of a split choice compare, and which answers the owner found better.

As in `queries.py`: each takes the tables, in SQL plain enough for SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.base import Json
from proxy.candidate import Candidate
from proxy.figures import percentile, tokens_per_s
from proxy.store.base import Tables
from proxy.store.usage.queries import IN_SPAN, MAX_RANKED, Span

TABLE = "verdicts"
MAX_VERDICTS = 20_000
FORGET_OLDEST = "DELETE FROM verdicts WHERE id <= (SELECT MAX(id) FROM verdicts) - :most"
SUMS: Mapping[str, str] = {
    "requests": "COUNT(*)",
    "errors": "SUM(CASE WHEN NOT cancelled AND (status >= 400 OR partial) THEN 1 ELSE 0 END)",
    "passed_on": "SUM(CASE WHEN provider <> arm THEN 1 ELSE 0 END)",
    "answered": "SUM(CASE WHEN provider = arm AND first_s IS NOT NULL THEN 1 ELSE 0 END)",
    "cut": "SUM(CASE WHEN provider = arm AND first_s IS NOT NULL AND NOT cancelled"
    " AND (partial OR finish = 'length') THEN 1 ELSE 0 END)",
    "completion": "SUM(CASE WHEN provider = arm THEN completion ELSE 0 END)",
    "cost_nano_usd": "CAST(SUM(CASE WHEN provider = arm AND billed THEN list_nano_usd ELSE 0 END)"
    " AS BIGINT)",
    "list_nano_usd": "CAST(SUM(CASE WHEN provider = arm THEN list_nano_usd ELSE 0 END) AS BIGINT)",
}
"""`passed_on` are those that somebody else answered for it; tokens, cost and what was cut are of
its own answers alone."""


def arms(log: Tables, span: Span) -> list[Json]:
    """One object for each arm, and for each provider that a verdict was given on."""
    found: dict[str, Json] = {}
    for name, *sums in log.rows(
        f"SELECT arm, {', '.join(SUMS.values())} FROM requests"  # noqa: S608 - names of our own
        f" WHERE {IN_SPAN} AND arm IS NOT NULL GROUP BY 1 ORDER BY 1",
        span.values,
    ):
        found[name] = _arm(name, sums)
    for name, won, judged in log.rows(
        "SELECT provider, SUM(CASE WHEN won THEN 1 ELSE 0 END), COUNT(*) FROM verdicts"  # noqa: S608
        f" WHERE {IN_SPAN} GROUP BY 1 ORDER BY 1",
        span.values,
    ):
        found.setdefault(name, _arm(name, [0] * len(SUMS))).update(won=won, judged=judged)
    _time(log, span, found)
    return list(found.values())


def _arm(name: str, sums: list[Any]) -> Json:
    told = {what: value or 0 for what, value in zip(SUMS, sums, strict=True)}
    return {"name": name, **told, "won": 0, "judged": 0}


def _time(log: Tables, span: Span, found: dict[str, Json]) -> None:
    """Add the middle and the slow end of what its own whole answers took."""
    measured: dict[str, list[tuple[float, float | None]]] = defaultdict(list)
    for name, first_s, total_s, completion in log.rows(
        f"SELECT arm, first_s, total_s, completion FROM requests WHERE {IN_SPAN}"  # noqa: S608
        " AND provider = arm AND finish IS NOT NULL AND first_s IS NOT NULL"
        " ORDER BY at_ms DESC LIMIT :most",
        {**span.values, "most": MAX_RANKED},
    ):
        measured[name].append((first_s, tokens_per_s(first_s, total_s, completion)))
    for name, told in found.items():
        firsts = [first_s for first_s, _ in measured[name]]
        speeds = [speed for _, speed in measured[name] if speed is not None]
        for part in (50, 95):
            told[f"first_s_p{part}"] = percentile(firsts, part / 100)
        told["tokens_per_s_p50"] = percentile(speeds, 0.5)


def save_verdict(tables: Tables, verdict: Sequence[tuple[Candidate, bool]]) -> None:
    """Write whose answer was the best, and forget the oldest above `MAX_VERDICTS`."""
    at_ms = int(datetime.now(UTC).timestamp() * 1000)
    rows = [
        {"at_ms": at_ms, "provider": who.provider, "model": who.model, "won": won}
        for who, won in verdict
    ]
    tables.put(TABLE, rows)
    tables.run(FORGET_OLDEST, {"most": MAX_VERDICTS})
