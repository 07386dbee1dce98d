"""The stretches of time that use is summed by: hours, days and months of the server's calendar."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

HOUR_S = 3600
DAY_S = 24 * HOUR_S
STEPS: Mapping[str, int] = {"hour": HOUR_S, "day": 36 * HOUR_S, "month": 32 * DAY_S}
"""Each step, and seconds that lead from its start into the next one, whatever the clocks do."""


def starts(since: float, until: float, step: str) -> list[int]:
    """Where each stretch from `since` to `until` begins, in Unix seconds."""
    found = [begin_of(since, step)]
    while (following := begin_of(found[-1] + STEPS[step], step)) < until:
        found.append(following)
    return found


def begin_of(at: float, step: str) -> int:
    """When the hour, day or month of the Unix second `at` began, where the server is."""
    local = datetime.fromtimestamp(at).astimezone()
    if step == "hour":
        # An hour that clocks repeat has no name of its own, so it is not reckoned by name.
        offset = local.utcoffset()
        return int(at - (at + (offset.total_seconds() if offset else 0)) % HOUR_S)
    # Without its zone, the time is read as the calendar's of that day: summer or winter time.
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    return int((midnight.replace(day=1) if step == "month" else midnight).timestamp())
