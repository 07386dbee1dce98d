"""The stretches that use is told of over time: hours, days, months. Pure.

Moments are Unix seconds. A day is one of the span's zone, as it is at the span's end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from adapters.base import Json
from proxy.usage_queries import DAY_MS, HOUR_MS, Span, add_sums

MONTH = "month"
STEPS: Mapping[str, int] = {"hour": HOUR_MS, "day": DAY_MS, MONTH: DAY_MS}
"""Each step, and the milliseconds of the stretches that it is summed from."""


def starts(span: Span, step: str) -> list[int]:
    """Where each stretch of `span` begins, with those in which nothing was asked."""
    step_ms = STEPS[step]
    first, last = ((ms + span.zone_ms) // step_ms for ms in (span.since_ms, span.until_ms - 1))
    found = [(number * step_ms - span.zone_ms) // 1000 for number in range(first, last + 1)]
    if step == MONTH:
        return sorted({month_of(at, span.zone_ms) for at in found})
    return found


def by_month(series: Sequence[Json], zone_ms: int) -> list[Json]:
    """The sums of days as those of months, each name by itself."""
    months: dict[tuple[int, str | None], Json] = {}
    for day in series:
        at = month_of(day["at"], zone_ms)
        add_sums(months.setdefault((at, day["name"]), {"at": at, "name": day["name"]}), day)
    return list(months.values())


def month_of(at: int, zone_ms: int) -> int:
    """When the month of `at` began."""
    zone = timedelta(milliseconds=zone_ms)
    local = datetime.fromtimestamp(at, UTC) + zone
    first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int((first - zone).timestamp())
