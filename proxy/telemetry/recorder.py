"""What was measured of the answers that went through here: speed, the last failure, who asked.

In memory only and bounded; a restart forgets it. Nothing of what was asked or answered is kept.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import Struct

from adapters.base import ErrorKind
from proxy.figures import percentile, tokens_per_s
from proxy.store.usage.rows import UsageRow

RING = 200
MAX_APPS = 100
MAX_APP_NAME = 128


@dataclass(frozen=True, slots=True)
class Speed:
    """How quick a provider was with its last answers; None where nothing was measured.

    All in seconds: `first_s` to the first content, `p50_s` and `p95_s` to the end.
    """

    answers: int = 0
    failures: int = 0
    first_s: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    tokens_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The last thing that went wrong at a provider; `at` in Unix seconds."""

    at: float
    kind: str
    message: str


@dataclass(slots=True)
class SeenApp:
    """An app that has named itself by its key; `last_at` in Unix seconds."""

    requests: int = 0
    last_at: float = 0.0


class _Sample(Struct, frozen=True):
    first_s: float
    total_s: float
    tokens: int


@dataclass(slots=True)
class _Record:
    samples: deque[_Sample] = field(default_factory=lambda: deque(maxlen=RING))
    outcomes: deque[bool] = field(default_factory=lambda: deque(maxlen=RING))
    failure: Failure | None = None
    speed: Speed | None = None


class Recorder:
    """Told of every answer by those who give it."""

    def __init__(self, *, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._records: dict[str, _Record] = {}
        self._apps: dict[str, SeenApp] = {}

    def ended(self, row: UsageRow) -> None:
        """Count a request that has ended: its failures on the way, and its answer."""
        for one in row.receipt.tries:
            if one.reason is not None and one.reason != ErrorKind.LOADING:
                self.answered(one.provider, None, one.ended_s, None, False)
                failure = Failure(self._wall(), one.reason, one.message)
                self._record(one.provider).failure = failure
        if row.provider is not None and row.first_s is not None and not row.cancelled:
            tokens = row.tokens.completion
            self.answered(row.provider, row.first_s, row.total_s, tokens, row.error is None)

    def answered(
        self,
        provider: str,
        first_s: float | None,
        total_s: float,
        completion_tokens: int | None,
        ok: bool,
    ) -> None:
        """Count an answer that has ended, well or not; `first_s` is None if no content came."""
        record = self._record(provider)
        record.outcomes.append(ok)
        record.speed = None
        if ok and first_s is not None:
            record.samples.append(_Sample(first_s, total_s, completion_tokens or 0))

    def seen(self, app: str | None) -> None:
        """Remember who asked; the app that was silent longest makes room."""
        if app is None or not 0 < len(app) <= MAX_APP_NAME:
            return
        entry = self._apps.pop(app, None) or SeenApp()
        if len(self._apps) >= MAX_APPS:
            del self._apps[next(iter(self._apps))]
        entry.requests += 1
        entry.last_at = self._wall()
        self._apps[app] = entry

    def apps(self) -> dict[str, SeenApp]:
        """The apps that asked, the latest last."""
        return self._apps

    def failure(self, provider: str) -> Failure | None:
        record = self._records.get(provider)
        return record.failure if record else None

    def speed(self, provider: str) -> Speed:
        """What the last answers show; computed again only after another one."""
        record = self._records.get(provider)
        if record is None:
            return Speed()
        if record.speed is None:
            record.speed = _speed(record)
        return record.speed

    def _record(self, provider: str) -> _Record:
        if provider not in self._records:
            self._records[provider] = _Record()
        return self._records[provider]


def _speed(record: _Record) -> Speed:
    samples = record.samples
    return Speed(
        answers=sum(record.outcomes),
        failures=len(record.outcomes) - sum(record.outcomes),
        first_s=percentile([sample.first_s for sample in samples], 0.5),
        p50_s=percentile([sample.total_s for sample in samples], 0.5),
        p95_s=percentile([sample.total_s for sample in samples], 0.95),
        tokens_per_s=percentile([rate for one in samples if (rate := _rate(one))], 0.5),
    )


def _rate(sample: _Sample) -> float | None:
    return tokens_per_s(sample.first_s, sample.total_s, sample.tokens)
