"""How long a provider says to wait: headers and durations -> seconds. Pure.

A wait that makes no sense (negative, zero, not a number, endless) is None, as if none had been
told; one that nobody would wait for is cut down to a cap.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

HOUR_S = 3600.0
DAY_S = 26 * HOUR_S  # a day, and some room for clocks and time zones
MONTH_S = 32 * DAY_S  # from here on a wait is a mistake

_UNITS_S: Mapping[str, float] = {
    "d": 86400.0,
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}
_PART = r"(\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(h|ms|m|s|us|µs|ns)"
_DURATION = re.compile(rf"(?:{_PART})+", re.ASCII)
_PARTS = re.compile(_PART, re.ASCII)
_TOLD_PART = (
    r"(\d{1,7}(?:\.\d{1,9})?) ?(milliseconds?|ms|us|µs|ns|sec(?:ond)?s?|s|min(?:ute)?s?|m"
    r"|h(?:ou)?rs?|h|days?|d)(?![a-z])"
)
_TOLD = re.compile(
    r"\b(?:try again|retry|retrying|wait|resets?|available)(?: again)?(?: in| after| for)?"
    rf"(?: about)? ((?:{_TOLD_PART}(?:,? and |,? ?)){{1,4}})",
    re.ASCII | re.IGNORECASE,
)
_TOLD_PARTS = re.compile(_TOLD_PART, re.ASCII | re.IGNORECASE)
_TOLD_TIME = re.compile(
    r"(?:\bresets?(?: at| on)?:?|\bregain access on|将在) (\d{4}-\d\d-\d\d)(?:[T ]| at )"
    r"(\d\d:\d\d(?::\d\d)?)(?:\.\d{1,9})?(Z| UTC| ?[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)
_TOLD_SPAN = re.compile(
    r"\breplenished in (?:(\d{1,3})\.)?(\d{1,2}):(\d\d):(\d\d)", re.ASCII | re.IGNORECASE
)
_CHINA = timezone(timedelta(hours=8))
"""What Z.ai's times are in, which name no zone."""
_RESETS = ("x-ratelimit-reset", "ratelimit-reset")
_FIELDS_S: Mapping[str, float] = {
    **dict.fromkeys(("retry_after", "retryAfter", "retry_after_seconds", "resets_in_seconds"), 1),
    **dict.fromkeys(("reset_seconds", "resets_at", "reset_at"), 1),
    "retry_after_ms": 1e-3,
}
"""Where gateways tell a wait in a refusal's body, and in what."""
_EPOCH_S, _EPOCH_MS = 1e9, 1e12
"""From these numbers on a reset is a time since 1970, as no wait is that long."""
_USUAL = re.compile(r"(?:(\d{1,6})m)?(\d{1,6}(?:\.\d{1,9})?)s", re.ASCII)


def capped_s(seconds: float, cap_s: float = HOUR_S) -> float | None:
    """`seconds` if it is a wait at all, at most `cap_s`."""
    if not math.isfinite(seconds) or seconds <= 0:
        return None
    return min(seconds, cap_s)


def retry_after_s(headers: httpx.Headers, now: datetime, *, cap_s: float = HOUR_S) -> float | None:
    """The wait in `retry-after-ms` or `retry-after` (seconds, or an HTTP date), or None.

    Where a header comes twice, the longer wait holds. A date counts from the answer's own `date`,
    as the two clocks may differ; where there is none, from `now`, which knows its time zone.
    Source: RFC 9110 section 10.2.3; `retry-after-ms` as OpenAI's clients read it.
    """
    waits = [_number(value) / 1000 for value in headers.get_list("retry-after-ms")]
    waits += [_seconds(value, headers, now) for value in headers.get_list("retry-after")]
    told = [wait for value in waits if (wait := capped_s(value, cap_s)) is not None]
    return max(told, default=None)


def told_s(message: str, now: datetime, *, cap_s: float = HOUR_S) -> float | None:
    """The wait that a refusal tells in words: "try again in 1m26.4s", "reset at 2026-02-06 05:34".

    `now` is what a time is counted from.
    """
    if found := _TOLD.search(message):
        parts = _TOLD_PARTS.findall(found[1])
        return capped_s(sum(float(number) * _unit_s(unit) for number, unit in parts), cap_s)
    if found := _TOLD_SPAN.search(message):  # Azure's
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return capped_s(((days * 24 + hours) * 60 + minutes) * 60 + seconds, cap_s)
    if found := _TOLD_TIME.search(message):
        zone = (found[3] or "").strip().upper().replace("UTC", "Z")
        return _until_s(f"{found[1]}T{found[2]}{zone}", now, cap_s)
    return None


def _unit_s(unit: str) -> float:
    unit = unit.lower()
    return _UNITS_S[unit if unit in _UNITS_S else "ms" if unit.startswith("milli") else unit[0]]


def field_s(error: Mapping[str, Any], now: datetime, *, cap_s: float = HOUR_S) -> float | None:
    """The wait that a field of a refusal's body tells: a number, a duration, or a time."""
    for name, unit_s in _FIELDS_S.items():
        match error.get(name):
            case bool() | None:
                continue
            case int() | float() as told:
                wait = _from_now(float(told) * unit_s, now)
            case str() as told if not math.isnan(number := _number(told)):
                wait = _from_now(number * unit_s, now)
            case str() as told:
                wait = go_duration_s(told, cap_s=cap_s) or _until_s(told, now, cap_s) or math.nan
            case _:
                continue
        if (capped := capped_s(wait, cap_s)) is not None:
            return capped
    return None


def _until_s(time: str, now: datetime, cap_s: float) -> float | None:
    """Seconds until a time of ISO 8601: without a zone it is China's, unless that is over."""
    try:
        at = datetime.fromisoformat(time)
    except ValueError:
        return None
    zones = [at] if at.tzinfo else [at.replace(tzinfo=_CHINA), at.replace(tzinfo=UTC)]
    waits = (capped_s((each - now).total_seconds(), cap_s) for each in zones)
    return next((wait for wait in waits if wait is not None), None)


def reset_s(headers: Mapping[str, Any], now: datetime, *, cap_s: float = HOUR_S) -> float | None:
    """The wait until `x-ratelimit-reset`: seconds, or a time in seconds or milliseconds."""
    told = next((headers[name] for name in _RESETS if name in headers), "")
    return capped_s(_from_now(_number(str(told)), now), cap_s)


def _from_now(value: float, now: datetime) -> float:
    """Seconds, of a time since 1970 those until then."""
    if value < _EPOCH_S or math.isnan(value):
        return value
    return value / (1000 if value >= _EPOCH_MS else 1) - now.timestamp()


def go_duration_s(text: str, *, cap_s: float = DAY_S) -> float | None:
    """Seconds in a duration as Go writes it ("1m26.4s", "449.99ms"), or None.

    Reads protobuf's durations ("26.123456789s") as well: they are a part of Go's.
    """
    if usual := _USUAL.fullmatch(text):  # nearly all are, and come with every answer
        minutes, seconds = usual.groups("0")
        told_s = int(minutes) * 60 + float(seconds)
        return told_s if told_s < cap_s else cap_s
    if len(text) > 128 or not _DURATION.fullmatch(text):
        return None
    told_s = sum(float(number) * _UNITS_S[unit] for number, unit in _PARTS.findall(text))
    return min(told_s, cap_s)


def _number(text: str) -> float:
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan


def _seconds(text: str, headers: httpx.Headers, now: datetime) -> float:
    seconds = _number(text)
    if math.isnan(seconds) and (until := _date(text)):
        return (until - (_date(headers.get("date", "")) or now)).total_seconds()
    return seconds


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
