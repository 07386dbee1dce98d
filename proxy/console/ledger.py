"""Where did it go: the usage log as the page, the command line and exports ask for it."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import orjson

from adapters.base import Json
from proxy.console.unsaved import reading
from proxy.errors import ApiError, bad_request
from proxy.store.base import Tables
from proxy.store.usage.arms import arms
from proxy.store.usage.queries import (
    GROUPS,
    OUTCOMES,
    Filter,
    Span,
    names,
    request,
    requests,
    usage,
)
from proxy.store.usage.rows import UsageQueue
from proxy.store.usage.steps import DAY_S, STEPS, begin_of, starts

DAYS: Mapping[str, int] = {"24h": 1, "7d": 7, "30d": 30, "90d": 90}
CALENDAR: Mapping[str, str] = {"today": "day", "month": "month"}
RANGES = (*CALENDAR, *DAYS)
MAX_PAGE = 200
EXPORT_PAGE = 1000
T = TypeVar("T")
Params = Mapping[str, str]
Encode = Callable[[list[Json]], bytes]


Query = Callable[[Callable[[Tables], Any]], Awaitable[Any]]
"""What something makes of the log. Raises StoreError."""


class Ledger:
    """Each method takes the query of a URL. All raise ApiError 400, 404 or 503.

    `queue` holds what is not in the log yet.
    """

    def __init__(
        self,
        query: Query,
        queue: UsageQueue,
        *,
        alerts: Callable[[], Json] | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._query = query
        self._queue = queue
        self._alerts = alerts
        self._wall = wall

    async def usage(self, params: Params) -> Json:
        """Sums, times and rates of `range`, by `by`, and over time in steps of `step`."""
        reach = _word(params, "range", RANGES) or "today"
        by = _word(params, "by", GROUPS) or "provider"
        step = _word(params, "step", STEPS) or ("hour" if reach in ("today", "24h") else "day")
        span = span_of(reach, self._wall())
        begins = starts(span.since_ms / 1000, span.until_ms / 1000, step)
        found = await self._read(lambda log: usage(log, span, begins, by=by))
        return {
            "range": reach,
            "by": by,
            "step": step,
            "since": span.since_ms / 1000,
            "until": span.until_ms / 1000,
            "starts": begins,
            **found,
            "waiting": len(self._queue),
            "dropped": self._queue.dropped,
            "alerts": self._alerts and self._alerts(),
        }

    async def arms(self, params: Params) -> Json:
        reach = _word(params, "range", RANGES) or "today"
        span = span_of(reach, self._wall())
        return {"range": reach, "arms": await self._read(lambda log: arms(log, span))}

    async def requests(self, params: Params) -> Json:
        """A page of the request log, the newest first; `next` is the `before` of the one after."""
        chosen = filter_of(params)
        limit = min(_number(params, "limit", 50), MAX_PAGE)
        rows = await self._read(lambda log: requests(log, chosen, limit))
        return {"requests": rows, "next": rows[-1]["id"] if len(rows) == limit else None}

    async def request(self, wanted: str) -> Json:
        """One request's receipt, by its row id or its request id."""
        found = await self._read(lambda log: request(log, wanted))
        if found is None:
            raise ApiError(404, "There is no such request in the log.", code="not_found")
        return found

    async def export(self, params: Params, *, as_csv: bool) -> AsyncGenerator[bytes, None]:
        """All requests that fit, as CSV with a head line or as a JSON array, in pieces."""
        chosen = filter_of(params)
        encode: Encode = _Csv() if as_csv else _JsonArray()
        return self._pieces(chosen, await self._page(chosen, encode), encode)

    async def _pieces(
        self, chosen: Filter, page: tuple[bytes, int | None], encode: Encode
    ) -> AsyncGenerator[bytes, None]:
        while True:
            piece, last = page
            yield piece
            if last is None:
                return
            page = await self._page(replace(chosen, before=last), encode)

    async def _page(self, chosen: Filter, encode: Encode) -> tuple[bytes, int | None]:
        """The next rows, written where they are read, and the id of the last; None at the end."""

        def work(log: Tables) -> tuple[bytes, int | None]:
            rows = requests(log, chosen, EXPORT_PAGE)
            return encode(rows), rows[-1]["id"] if rows else None

        return await self._read(work)

    async def _read(self, work: Callable[[Tables], T]) -> T:
        with reading("The usage log"):
            found: T = await self._query(work)
        return found


def span_of(reach: str, now: float) -> Span:
    """The stretch that ends now, in Unix seconds. Days begin at midnight where the server is."""
    step = CALENDAR.get(reach)
    since = begin_of(now, step) if step else now - DAYS[reach] * DAY_S
    return Span(int(since * 1000), int(now * 1000) + 1)


def filter_of(params: Params) -> Filter:
    """The filter that a URL's query asks for. Raises ApiError 400."""
    rotated = _word(params, "rotated", ("true", "false"))
    return Filter(
        app=params.get("app"),
        provider=params.get("provider"),
        status=_optional(params, "status"),
        outcome=_word(params, "outcome", OUTCOMES),
        rotated=None if rotated is None else rotated == "true",
        slow_s=_optional(params, "slow"),
        before=_optional(params, "before"),
        after=_optional(params, "after"),
    )


def _word(params: Params, name: str, words: Collection[str]) -> str | None:
    value = params.get(name) or None
    if value is not None and value not in words:
        raise bad_request(f"'{name}' must be one of: {', '.join(words)}.", param=name)
    return value


def _optional(params: Params, name: str) -> int | None:
    return _number(params, name, 0) if params.get(name) else None


def _number(params: Params, name: str, default: int) -> int:
    text = params.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise bad_request(f"'{name}' must be a whole number.", param=name)
    return max(int(text), 1) if name == "limit" else int(text)


class _JsonArray:
    """Encodes pages as the pieces of one array; an empty page ends it."""

    def __init__(self) -> None:
        self._opening = b"["

    def __call__(self, page: list[Json]) -> bytes:
        if not page:
            return self._opening.replace(b",", b"") + b"]\n"
        piece = self._opening + orjson.dumps(page)[1:-1]
        self._opening = b","
        return piece


class _Csv:
    """Encodes pages as CSV, with the names in the first line."""

    def __init__(self) -> None:
        self._is_begun = False

    def __call__(self, page: list[Json]) -> bytes:
        text = io.StringIO()
        lines = csv.writer(text)
        if not self._is_begun:
            self._is_begun = True
            lines.writerow(names())
        lines.writerows([_cell(value) for value in row.values()] for row in page)
        return text.getvalue().encode()


# Some spreadsheets part lines at other characters than commas, quoted or not.
_FORMULA = re.compile(r"(^|[;|\t\r\n])([\s\"']*)(?=[=+@\uff1d\uff0b\uff0d\uff20-])|^(?=[\t\r\n])")


def _cell(value: object) -> object:
    """A text of which a spreadsheet would take any part for a formula is marked as text there."""
    if isinstance(value, str):
        return _FORMULA.sub(lambda found: f"{found[0]}'", value)
    return value
