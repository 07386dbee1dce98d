"""What Prometheus asks for: counted as requests end, and put into words only when it asks.

No label is a client's word: doors, providers, statuses, kinds of failure and limits are all there
are, so that no client can fill the memory of who keeps the numbers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxy.gate.room import Room
from proxy.limits.health import Status
from proxy.store.usage.prices import NANO, PriceList
from proxy.store.usage.rows import UsageQueue, UsageRow

if TYPE_CHECKING:
    from prometheus_client.core import Metric

BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
NOBODY = "none"
STATES = ("ready", "half-open", "open", "cooling")
Label = tuple[str, ...]


@dataclass(slots=True)
class Histogram:
    """How many times fell up to each of `BOUNDS_S`, and above them."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    sum_s: float = 0.0

    def add(self, time_s: float) -> None:
        self.counts[bisect_left(BOUNDS_S, time_s)] += 1
        self.sum_s += time_s

    def buckets(self) -> list[tuple[str, float]]:
        """The counts as Prometheus takes them: each with all below it."""
        total = 0
        found = []
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class Tally:
    """What has ended since the start."""

    def __init__(self) -> None:
        self.requests: Counter[Label] = Counter()
        self.rotated: Counter[Label] = Counter()
        self.retried: Counter[Label] = Counter()
        self.tokens: Counter[Label] = Counter()
        self.attempts: Counter[Label] = Counter()
        self.first: defaultdict[str, Histogram] = defaultdict(Histogram)
        self.total: defaultdict[str, Histogram] = defaultdict(Histogram)

    def add(self, row: UsageRow) -> None:
        provider = row.provider or NOBODY
        self.requests[provider, str(row.status), row.receipt.door] += 1
        for one in row.receipt.tries:
            self.attempts[one.provider, one.reason or "answer"] += 1
        if row.rotated:
            self.rotated[(provider,)] += 1
        if row.is_retry:
            self.retried[()] += 1
        if row.first_s is None:
            return
        word = "estimated_" if row.tokens.estimated else ""
        self.tokens[provider, f"{word}prompt"] += row.tokens.prompt
        self.tokens[provider, f"{word}completion"] += row.tokens.completion
        self.first[provider].add(row.first_s)
        self.total[provider].add(row.total_s)


@dataclass(frozen=True, slots=True, eq=False)
class Metrics:
    """All metrics: what was counted, and what is so at the moment.

    `in_use` gives the model that is in use at each provider, `sharing` whether what is shared with
    other servers is at hand, and how many they are; None where there are no others.
    """

    tally: Tally
    usage: UsageQueue
    prices: PriceList
    room: Room
    health: Callable[[], Sequence[Status]]
    in_use: Callable[[], Mapping[str, str]]
    sharing: Callable[[], tuple[bool, int] | None] = lambda: None

    def text(self) -> bytes:
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """Every metric: what prometheus-client asks a collector for."""
        yield from self._counted()
        yield from self._priced()
        yield from self._timed()
        yield from self._now()
        yield from self._states()

    def _counted(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily

        tally = self.tally
        dropped = Counter[Label]({(): self.usage.dropped})
        for name, told, labels, counts in (
            ("requests", "Requests that ended", ("provider", "status", "door"), tally.requests),
            ("rotated", "Requests that another had to answer", ("provider",), tally.rotated),
            ("client_retries", "Requests that an SDK has sent again", (), tally.retried),
            ("tokens", "Tokens used", ("provider", "type"), tally.tokens),
            ("attempts", "Calls to providers", ("provider", "outcome"), tally.attempts),
            ("usage_rows_dropped", "Rows the usage log had no room for", (), dropped),
        ):
            family = CounterMetricFamily(f"pointsman_{name}", told, labels=labels)
            for values, count in sorted(counts.items()):
                family.add_metric(values, count)
            yield family

    def _priced(self) -> Iterator[Metric]:
        """Of the rows that are written; they are priced on their way to the database."""
        from prometheus_client.core import CounterMetricFamily

        for name, told, sums in (
            ("cost_usd", "What is paid for, in US dollars", self.prices.charged),
            ("list_price_usd", "What it would cost without free tiers", self.prices.listed),
        ):
            family = CounterMetricFamily(f"pointsman_{name}", told, labels=("provider",))
            for provider, nano_usd in sorted(sums.copy().items()):
                family.add_metric((provider,), nano_usd / NANO)
            yield family

    def _timed(self) -> Iterator[Metric]:
        from prometheus_client.core import HistogramMetricFamily

        for name, told, histograms in (
            ("first_content", "Seconds to the first content", self.tally.first),
            ("request", "Seconds to the end of an answer", self.tally.total),
        ):
            family = HistogramMetricFamily(f"pointsman_{name}_seconds", told, labels=("provider",))
            for provider, histogram in sorted(histograms.items()):
                family.add_metric((provider,), histogram.buckets(), histogram.sum_s)
            yield family

    def _now(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        for name, told, value in (
            ("requests_in_flight", "Requests being answered", self.room.taken),
            ("requests_waiting", "Requests waiting to be let in", self.room.waiting),
            ("usage_rows_waiting", "Rows on their way to the usage log", len(self.usage)),
        ):
            yield GaugeMetricFamily(f"pointsman_{name}", told, value=value)
        if (sharing := self.sharing()) is not None:
            is_well, servers = sharing
            told = "1 while limits are kept by all servers together"
            yield GaugeMetricFamily("pointsman_shared", told, value=float(is_well))
            yield GaugeMetricFamily("pointsman_servers", "Servers that share", value=servers)

    def _states(self) -> Iterator[Metric]:
        """Of the model in use at each provider; other models' names are the clients' choice."""
        from prometheus_client.core import GaugeMetricFamily

        state = GaugeMetricFamily(
            "pointsman_provider_state", "1 for the state it is in", labels=("provider", "state")
        )
        wait = GaugeMetricFamily(
            "pointsman_cooldown_seconds", "Seconds until it is asked again", labels=("provider",)
        )
        used = GaugeMetricFamily(
            "pointsman_window_used", "How much of a limit is used", labels=("provider", "window")
        )
        limit = GaugeMetricFamily(
            "pointsman_window_limit", "How much may be used", labels=("provider", "window")
        )
        health = self.health()
        for provider, model in self.in_use().items():
            mine = [s for s in health if s.provider == provider and s.model in (None, model)]
            worst, wait_s = min(_by_key(mine))
            for at, name in enumerate(STATES):
                state.add_metric((provider, name), float(at == worst))
            wait.add_metric((provider,), wait_s)
            for status in mine:
                key = {"key": str(status.key)} if status.key else {}
                for gauge in status.gauges:
                    labels = {"provider": provider, "window": gauge.name, **key}
                    used.add_sample(used.name, labels, gauge.used)
                    limit.add_sample(limit.name, labels, gauge.limit)
        yield from (state, wait, used, limit)


def _by_key(mine: Sequence[Status]) -> Iterator[tuple[int, float]]:
    """The worst state by each key, and for how long; whichever is best is asked."""
    for key in {status.key for status in mine} - {0} or {0}:
        held = [status for status in mine if status.key in (0, key)]
        states = [STATES.index(status.state) for status in held]
        yield max(states, default=0), max((status.ends_in_s for status in held), default=0.0)
