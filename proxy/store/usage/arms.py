"""How the arms of a split choice compare, and which answers the owner found better.

As in `queries.py`: each takes the tables, in SQL plain enough for SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from adapters.base import Json
from proxy.candidate import Candidate
from proxy.figures import percentile, tokens_per_s
from proxy.store.base import Tables
from proxy.store.usage.queries import IN_SPAN, MAX_RANKED, Span
from proxy.store.usage.sums import added_up, summed

TABLE = "verdicts"
MAX_VERDICTS = 20_000
FORGET_OLDEST = "DELETE FROM verdicts WHERE id <= (SELECT MAX(id) FROM verdicts) - :most"
TOLD: Mapping[str, str] = {
    "requests": "requests",
    "errors": "errors",
    "passed_on": "rotated",
    "answered": "answered",
    "cut": "cut",
    "completion": "completion",
    "cost_nano_usd": "cost_nano_usd",
    "list_nano_usd": "list_nano_usd",
}
"""What is shown of an arm, by what of its sums."""


def arms(log: Tables, span: Span) -> list[Json]:
    """One object for each arm, and for each provider that a verdict was given on."""
    found: dict[str, Json] = {}
    for _, name, values in added_up(log, "arm", span.bounds):
        if name is not None:
            arm, sums = found.setdefault(name, _nothing(name)), summed(values)
            arm.update({what: arm[what] + sums[of] for what, of in TOLD.items()})
    for name, won, judged in log.rows(
        "SELECT provider, SUM(CASE WHEN won THEN 1 ELSE 0 END), COUNT(*) FROM verdicts"  # noqa: S608
        f" WHERE {IN_SPAN} GROUP BY 1 ORDER BY 1",
        span.values,
    ):
        found.setdefault(name, _nothing(name)).update(won=won, judged=judged)
    _time(log, span, found)
    return [found[name] for name in sorted(found)]


def _nothing(name: str) -> Json:
    return {"name": name, **dict.fromkeys(TOLD, 0), "won": 0, "judged": 0}


def _time(log: Tables, span: Span, found: dict[str, Json]) -> None:
    """Add the middle and the slow end of what its own whole answers took."""
    measured: dict[str, list[tuple[float, float | None]]] = defaultdict(list)
    for name, first_s, total_s, completion in log.rows(
        "SELECT arm, first_s, total_s, completion FROM"  # noqa: S608
        " (SELECT arm, provider, finish, first_s, total_s, completion FROM requests"
        f" WHERE {IN_SPAN} ORDER BY at_ms DESC LIMIT {MAX_RANKED}) AS newest"
        " WHERE provider = arm AND finish IS NOT NULL AND first_s IS NOT NULL",
        span.values,
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
