"""How much of a limit is used: our own windows, set right at the end; a provider's buckets. No I/O.

Times are seconds of one monotonic clock, given by the caller. What is asked for every request is
clamped by comparing: `min` and `max` of two numbers take ten times as long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from msgspec import Struct

from adapters.base import RateLimits

MINUTE_S = 60.0
DAY_S = 86_400.0
PER_DAY = "requests a day, as reported"
PER_MINUTE = "requests a minute, as reported"


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be asked of each model of a provider; None for no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    requests_per_day: int | None = None

    def share(self, servers: int) -> Limits:
        """What one of so many servers may ask for, at least one of each."""
        told = (self.requests_per_minute, self.tokens_per_minute, self.requests_per_day)
        return Limits(*(one and max(1, one // servers) for one in told))


@dataclass(frozen=True, slots=True)
class Gauge:
    """How full one limit is, for people to read; `free_in_s` is the wait for the next request."""

    name: str
    used: int
    limit: int
    free_in_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.used}/{self.limit} {self.name}"


class Entry(Struct, gc=False):
    """What one call takes of a window, from the moment it was let in."""

    at: float
    amount: int
    counted: bool = True


class Window:
    """At most `limit` in any stretch of `period_s` seconds: the exact log of what was taken."""

    __slots__ = ("_entries", "_total", "limit", "name", "period_s")

    def __init__(self, name: str, limit: int, period_s: float) -> None:
        self.name = name
        self.limit = limit
        self.period_s = period_s
        self._entries: deque[Entry] = deque()
        self._total = 0

    def used(self, now: float) -> int:
        entries = self._entries
        gone = now - self.period_s
        while entries and entries[0].at <= gone:
            entry = entries.popleft()
            entry.counted = False
            self._total -= entry.amount
        return self._total

    def free_at(self, now: float, need: int) -> float:
        """When `need` fits: now or later. More than the limit fits when nothing is taken."""
        entries = self._entries
        if entries and entries[0].at <= now - self.period_s:
            self.used(now)
        if self._total + need <= self.limit:
            return now
        excess = self._total + min(need, self.limit) - self.limit
        at = now
        for entry in entries:
            if excess <= 0:
                break
            at = entry.at + self.period_s
            excess -= entry.amount
        return at

    def take(self, now: float, need: int) -> Entry:
        """Count `need`, though never more than the limit, from now on."""
        entry = Entry(now, need if need < self.limit else self.limit)
        self._entries.append(entry)
        self._total += entry.amount
        return entry

    def fill(self, now: float, until: float) -> Entry:
        """Others have taken the rest, which this entry stands for: nothing is free before then."""
        taken = self.limit - self.used(now)
        entry = Entry(until - self.period_s, taken if taken > 0 else 0)
        if entry.amount:
            self._entries.append(entry)
            self._entries = deque(sorted(self._entries, key=lambda entry: entry.at))
            self._total += entry.amount
        return entry

    def lessen(self, others: Entry, used: int) -> None:
        """All together use so much now: `others` stands for no more than is left of that."""
        left = used - (self._total - others.amount)
        if left < others.amount:
            self.correct(others, left if left > 0 else 0)

    def gauge(self, now: float) -> Gauge:
        return Gauge(self.name, self.used(now), self.limit, self.free_at(now, 1) - now)

    def correct(self, entry: Entry, amount: int) -> None:
        """Make `entry` count as `amount`, if it still counts."""
        if entry.counted:
            self._total += amount - entry.amount
            entry.amount = amount


class Bucket:
    """A limit as the provider reports it: what remains, refilled evenly all the time.

    `reset` is the time to a full bucket, so that a call waits for its own need only.
    """

    __slots__ = ("_at", "_level", "_rate", "limit", "name", "period_s")

    def __init__(self, name: str, period_s: float) -> None:
        self.name = name
        self.period_s = period_s
        self.limit = 0
        self._level = 0.0
        self._rate = 0.0
        self._at = 0.0

    def told(
        self,
        now: float,
        limit: int | None,
        remaining: int | None,
        reset_s: float | None,
        *,
        out: int,
    ) -> None:
        """Take over what an answer's headers say; `out` is asked for but maybe not yet counted."""
        limit = self.limit if limit is None else limit
        if limit <= 0 or remaining is None:
            return
        if not 0 <= remaining <= limit:
            remaining = 0 if remaining < 0 else limit
        self._rate = limit / self.period_s
        if reset_s is not None and reset_s > 0 and (limit - remaining) / reset_s > self._rate:
            self._rate = (limit - remaining) / reset_s
        self.limit = limit
        self._level = remaining - out if remaining > out else 0.0
        self._at = now

    def lasts(self, period_s: float) -> None:
        """The limit turns out to be one of so many seconds."""
        self.name = PER_DAY if period_s == DAY_S else PER_MINUTE
        self.period_s = period_s

    def level(self, now: float) -> float:
        if now > self._at:
            level = self._level + (now - self._at) * self._rate
            self._level = level if level < self.limit else self.limit
            self._at = now
        return self._level

    def free_at(self, now: float, need: int) -> float:
        """When `need` is there: now or later; a full bucket is enough for any need.

        Only to be asked once a limit was told.
        """
        lacking = (need if need < self.limit else self.limit) - self.level(now)
        # A hair's breadth of float error must not make a caller wait for nothing.
        return now + lacking / self._rate if lacking > 1e-6 else now

    def take(self, now: float, need: int) -> None:
        """Count `need`; a negative one is given back."""
        if self.limit:
            level = self.level(now) - need
            self._level = 0.0 if level < 0 else level if level < self.limit else self.limit

    def gauge(self, now: float) -> Gauge:
        used = round(self.limit - self.level(now))
        return Gauge(self.name, used, self.limit, self.free_at(now, 1) - now)


class Reservation(Struct):
    """What a call under way holds of the limits, until it `is_over`."""

    tokens: int
    requests: list[tuple[Window, Entry]]
    token_entry: tuple[Window, Entry] | None
    seen: bool = False
    is_over: bool = False

    def taken(self) -> list[tuple[Window, Entry]]:
        """Each window that it counts in, and as what."""
        return [*self.requests, self.token_entry] if self.token_entry else self.requests


class Meter:
    """All limits of one model: reserve before a call, settle after it."""

    __slots__ = (
        "_day",
        "_minute",
        "_requests",
        "_tokens",
        "_unseen_calls",
        "_unseen_tokens",
        "calls",
    )

    def __init__(self, limits: Limits) -> None:
        self._requests: tuple[Window, ...] = ()
        self._tokens: Window | None = None
        self.keep_to(limits)
        self._day = Bucket(PER_DAY, DAY_S)
        self._minute = Bucket("tokens a minute, as reported", MINUTE_S)
        # What the provider may not have counted yet in what it tells.
        self._unseen_calls = 0
        self._unseen_tokens = 0
        self.calls = 0

    def keep_to(self, limits: Limits) -> None:
        """Hold these limits from now on; what was taken of those that stay is still taken."""
        known = {window.name: window for window in (*self._requests, self._tokens) if window}

        def windows(*rows: tuple[str, int | None, float]) -> Iterator[Window]:
            for name, limit, period_s in rows:
                if limit is not None:
                    window = known.get(name) or Window(name, limit, period_s)
                    window.limit = limit
                    yield window

        self._requests = tuple(
            windows(
                ("requests a minute", limits.requests_per_minute, MINUTE_S),
                ("requests a day", limits.requests_per_day, DAY_S),
            )
        )
        tokens = windows(("tokens a minute", limits.tokens_per_minute, MINUTE_S))
        self._tokens = next(tokens, None)

    def outgrown(self, tokens: int, calls: int) -> Window | None:
        """The limit that so many calls of `tokens` at once pass even where nothing is taken yet."""
        for window in self._requests:
            if calls > window.limit:
                return window
        is_too_much = self._tokens and tokens * calls > self._tokens.limit
        return self._tokens if is_too_much else None

    def blocked(self, now: float, tokens: int, calls: int = 1) -> tuple[float, Gauge] | None:
        """Until when `calls` of `tokens` each would have to wait, and for which limit."""
        worst: Window | Bucket | None = None
        at = now
        tokens *= calls
        for window in self._requests:
            if (free := window.free_at(now, calls)) > at:
                worst, at = window, free
        if self._tokens and (free := self._tokens.free_at(now, tokens)) > at:
            worst, at = self._tokens, free
        if self._day.limit and (free := self._day.free_at(now, calls)) > at:
            worst, at = self._day, free
        if self._minute.limit and (free := self._minute.free_at(now, tokens)) > at:
            worst, at = self._minute, free
        return (at, worst.gauge(now)) if worst else None

    def reserve(self, now: float, tokens: int) -> Reservation:
        """Count a call that begins now and will use about `tokens`."""
        self.calls += 1
        self._unseen_calls += 1
        self._unseen_tokens += tokens
        if self._day.limit or self._minute.limit:
            self._day.take(now, 1)
            self._minute.take(now, tokens)
        return Reservation(
            tokens,
            [(window, window.take(now, 1)) for window in self._requests],
            (self._tokens, self._tokens.take(now, tokens)) if self._tokens else None,
        )

    def observed(self, now: float, call: Reservation, told: RateLimits) -> None:
        """Take over what the headers of a call's answer say."""
        self._see(call)
        limits = (told.limit_requests, told.remaining_requests, told.reset_requests_s)
        if told.requests_s != self._day.period_s:
            self._day.lasts(told.requests_s)
        self._day.told(now, *limits, out=self._unseen_calls)
        limits = (told.limit_tokens, told.remaining_tokens, told.reset_tokens_s)
        self._minute.told(now, *limits, out=self._unseen_tokens)

    def settle(
        self, now: float, call: Reservation, *, tokens: int | None = None, sent: bool = True
    ) -> None:
        """End a call that has used `tokens`, None if unknown; unless `sent` it was no request.

        What is told of a call after that is ignored.
        """
        if call.is_over:
            return
        call.is_over = True
        self.calls -= 1
        if not sent:
            for window, entry in call.requests:
                window.correct(entry, 0)
        if tokens is not None and call.token_entry:
            window, entry = call.token_entry
            window.correct(entry, tokens)
        if not call.seen:
            self._see(call)
            if not sent:
                self._day.take(now, -1)
            if tokens is not None:
                self._minute.take(now, tokens - call.tokens)

    def _see(self, call: Reservation) -> None:
        if not call.seen:
            call.seen = True
            self._unseen_calls -= 1
            self._unseen_tokens -= call.tokens

    def idle(self, now: float) -> bool:
        """Whether forgetting this meter would change nothing that matters."""
        return not self.calls and not any(gauge.used for gauge in self.gauges(now))

    def gauges(self, now: float) -> list[Gauge]:
        own = [*self._requests, self._tokens] if self._tokens else self._requests
        told = [bucket for bucket in (self._day, self._minute) if bucket.limit]
        return [*(window.gauge(now) for window in own), *(bucket.gauge(now) for bucket in told)]
