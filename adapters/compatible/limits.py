"""What the headers of an answer say of a provider's limits. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from adapters.events import Event, RateLimits
from adapters.refusals.waits import go_duration_s

MINUTE_S = 60.0
DAY_S = 86_400.0


class LimitHeaders(NamedTuple):
    """The names of a house's headers, and how long its limit of requests runs.

    Of requests and of tokens, the latter a minute: the limit, what remains, the time to a full one,
    which is Go's duration with `unit` behind it.
    """

    limit_requests: str
    remaining_requests: str
    reset_requests: str
    limit_tokens: str
    remaining_tokens: str
    reset_tokens: str
    requests_s: float
    unit: str

    @property
    def is_of_a_day(self) -> bool:
        """Whether requests are counted by the day."""
        return self.requests_s >= DAY_S


def limit_headers(requests: str, tokens: str, requests_s: float, unit: str = "") -> LimitHeaders:
    """The names, by what a house puts at their end."""
    one, two = (
        tuple(f"x-ratelimit-{what}-{end}" for what in ("limit", "remaining", "reset"))
        for end in (requests, tokens)
    )
    return LimitHeaders(one[0], one[1], one[2], two[0], two[1], two[2], requests_s, unit)


PER_DAY = limit_headers("requests", "tokens", DAY_S)
"""Source: console.groq.com/docs/rate-limits."""
PER_MINUTE = limit_headers("requests", "tokens", MINUTE_S)
"""Source: developers.openai.com/api/docs/guides/rate-limits."""


def rate_limits(headers: Mapping[str, str], names: LimitHeaders = PER_DAY) -> list[Event]:
    """The limits that the headers of an answer state, if they do."""
    requests = headers.get(names.limit_requests)
    tokens = headers.get(names.limit_tokens)
    if requests is None and tokens is None:
        return []
    return [
        RateLimits(
            limit_requests=_number(requests),
            remaining_requests=_number(headers.get(names.remaining_requests)),
            reset_requests_s=go_duration_s(headers.get(names.reset_requests, "") + names.unit),
            limit_tokens=_number(tokens),
            remaining_tokens=_number(headers.get(names.remaining_tokens)),
            reset_tokens_s=go_duration_s(headers.get(names.reset_tokens, "") + names.unit),
            requests_s=names.requests_s,
        )
    ]


def _number(text: str | None) -> int | None:
    if text is None or not text.isdecimal() or not text.isascii() or len(text) >= 16:
        return None
    return int(text)
