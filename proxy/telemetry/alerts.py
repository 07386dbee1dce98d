"""What the owner wants to be told of: a day's quota that runs out, errors, costs. Once a crossing.

Looked at every few seconds, and only if a threshold is set; a request knows nothing of it. What is
told names providers and numbers: no key, no prompt, no word of a client.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import partial

import httpx

from adapters.base import Json
from proxy.limits.health import Health
from proxy.settings import Settings
from proxy.store.base import StoreError
from proxy.store.storage import Storage
from proxy.store.usage.prices import NANO
from proxy.store.usage.queries import Span, totals
from proxy.store.usage.steps import HOUR_S, begin_of
from proxy.telemetry.webhook import post

log = logging.getLogger("pointsman.alerts")

LOOK_S = 10.0
REARM = 0.75
"""Below this part of its threshold, a value that crossed it may cross it again."""
LEAST_REQUESTS = 20
"""With fewer requests an hour there is no error rate."""
MAX_KEPT = 20
A_DAY = "requests a day"

Send = Callable[[Json], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on to alert, None for never.

    `day_quota` is a share of a provider's requests a day, `error_rate` one of the last hour's
    requests, `cost_usd` what today may cost.
    """

    day_quota: float | None = None
    error_rate: float | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A value as it is now; `subject` is the provider it is of, None for all of them."""

    kind: str
    subject: str | None
    value: float
    threshold: float
    text: str


class Alarm:
    """Knows what was sent, so that a crossing is sent once a day until the value has fallen."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str | None], date] = {}

    def crossed(self, readings: Sequence[Reading], today: date) -> list[Reading]:
        """The readings that are above their threshold and were not yet sent."""
        return [reading for reading in readings if self._is_news(reading, today)]

    def _is_news(self, reading: Reading, today: date) -> bool:
        what = (reading.kind, reading.subject)
        if reading.value < reading.threshold:
            if reading.value < REARM * reading.threshold:
                self._told.pop(what, None)
            return False
        is_news = self._told.get(what) != today
        self._told[what] = today
        return is_news


class Alerts:
    """Looks at the values and reports crossings: in the log, on the page, by `send`."""

    def __init__(
        self,
        thresholds: Thresholds,
        storage: Storage,
        health: Health,
        *,
        send: Send | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._thresholds = thresholds
        self._storage = storage
        self._health = health
        self._send = send
        self._wall = wall
        self._alarm = Alarm()
        self._raised: deque[Json] = deque(maxlen=MAX_KEPT)

    def told(self) -> Json:
        """The thresholds, whether a webhook is told, and the last alerts, the newest first."""
        return {
            "thresholds": asdict(self._thresholds),
            "webhook": self._send is not None,
            "raised": list(self._raised),
        }

    async def watch(self) -> None:
        """Look every few seconds, for as long as the server runs."""
        while self._thresholds != Thresholds():
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except StoreError:
                pass  # told by the storage already; the next look may find it mended
            except Exception:
                log.exception("looking for alerts failed inside the proxy")

    async def look(self) -> None:
        """Tell of what has crossed its threshold since the last look. Raises StoreError."""
        now = self._wall()
        today = datetime.fromtimestamp(now).astimezone()
        readings = [*self._quotas(), *await self._sums(today)]
        for reading in self._alarm.crossed(readings, today.date()):
            log.warning("alert: %s", reading.text)
            alert = {"event": "alert", "at": round(now), **asdict(reading)}
            self._raised.appendleft(alert)
            if self._send is not None:
                await self._send(alert)

    def _quotas(self) -> Iterator[Reading]:
        """Of each provider the limit of a day that is nearest to its end."""
        threshold = self._thresholds.day_quota
        if threshold is None:
            return
        by_key: dict[tuple[str, int], tuple[float, str]] = {}
        health = self._health.snapshot()
        for status in health:
            place = status.provider, status.key
            by_key.setdefault(place, (0.0, ""))
            for gauge in status.gauges:
                if gauge.name.startswith(A_DAY):
                    text = f"has used {gauge.used:,} of {gauge.limit:,} {A_DAY}"
                    by_key[place] = max(by_key[place], (gauge.used / gauge.limit, text))
        for quota in self._health.day_quotas():
            spent = (1.0, "says that the quota of the day is used up")
            by_key[quota.provider, quota.key] = spent
        for provider in {status.provider: None for status in health}:
            share, text = _freest(provider, by_key)
            if not text:
                continue
            value = round(share, 4)
            yield Reading("day_quota", provider, value, threshold, f"{provider} {text}")

    async def _sums(self, now: datetime) -> list[Reading]:
        """Errors and costs, of the usage log."""
        until_ms = int(now.timestamp() * 1000) + 1
        found = []
        if (rate := self._thresholds.error_rate) is not None:
            hour = Span(until_ms - HOUR_S * 1000, until_ms)
            told = await self._storage.query(lambda log: totals(log, hour))
            errors, requests = told["errors"], told["requests"]
            share = errors / requests if requests >= LEAST_REQUESTS else 0.0
            text = f"{errors:,} of the last hour's {requests:,} requests failed"
            found.append(Reading("error_rate", None, round(share, 4), rate, text))
        if (most := self._thresholds.cost_usd) is not None:
            day = Span(begin_of(now.timestamp(), "day") * 1000, until_ms)
            told = await self._storage.query(lambda log: totals(log, day))
            cost = told["cost_nano_usd"] / NANO
            text = f"today has cost ${cost:,.2f} of ${most:,.2f}"
            found.append(Reading("cost_usd", None, cost, most, text))
        return found


def _freest(
    provider: str, by_key: Mapping[tuple[str, int], tuple[float, str]]
) -> tuple[float, str]:
    """What is used of the day by that of a provider's keys which has the most left."""
    own = {key: told for (name, key), told in by_key.items() if name == provider}
    of_all = own.pop(0, (0.0, ""))
    return max(of_all, min(own.values(), default=of_all))


def alerts_of(
    settings: Settings,
    storage: Storage,
    health: Health,
    client: httpx.AsyncClient,
    wall: Callable[[], float],
) -> Alerts:
    """The alerts that the settings ask for; `client` is what a webhook is called by."""
    url = settings.alert_webhook
    return Alerts(
        Thresholds(settings.alert_day_quota, settings.alert_error_rate, settings.alert_cost_usd),
        storage,
        health,
        send=partial(post, client, url) if url else None,
        wall=wall,
    )
