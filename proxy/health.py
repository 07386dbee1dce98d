"""What is remembered of every provider and model, so that calls go where they will be answered.

Pure: clocks are injected, and nothing here waits. Times are seconds of the monotonic clock; the
wall clock only tells when a day's quota comes back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from adapters.base import AdapterError, ErrorKind, RateLimits, Scope, Usage
from proxy.candidates import Candidate
from proxy.circuit import Circuit
from proxy.windows import Gauge, Limits, Meter

LONGEST_TOLD_S = 3600.0
LONGEST_DAY_S = 26 * 3600.0
MAX_RECORDS = 512

GUESSED_KINDS = frozenset(
    {
        ErrorKind.SERVER,
        ErrorKind.NETWORK,
        ErrorKind.BROKEN,
        ErrorKind.TIMEOUT_CONNECT,
        ErrorKind.TIMEOUT_FIRST_BYTE,
        ErrorKind.STALL,
        ErrorKind.BAD_RESPONSE,
    }
)
"""Failures that say nothing of how long they last: enough of them open the breaker."""

TELLING_KINDS = GUESSED_KINDS | {ErrorKind.RATE_LIMIT, ErrorKind.QUOTA_DAY, ErrorKind.OVERLOADED}
"""Failures whose `retry_after_s` means what it says."""

DEFAULT_WAIT_S: Mapping[ErrorKind, float] = {
    ErrorKind.OVERLOADED: 2,
    ErrorKind.TLS: 60,
    ErrorKind.AUTH: 600,
    ErrorKind.MODEL_MISSING: 600,
    ErrorKind.QUOTA_DAY: 3600,
}
"""Waits that count as told, of failures that told none."""

WIDE_KINDS = frozenset({ErrorKind.AUTH, ErrorKind.TLS})
"""Failures that concern a whole provider, whatever their scope says."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a candidate may not be called, and when it may be asked for again.

    `kind` is the failure that a call would meet, `why` says it in words; `told` is False where it
    is but a guess; `gauge` is the limit that is used up, if it is one that is kept here.
    """

    candidate: Candidate
    at: float
    kind: ErrorKind
    why: str
    told: bool = True
    gauge: Gauge | None = None


@dataclass(frozen=True, slots=True)
class DayQuota:
    """A spent day's quota, to be kept over a restart.

    `until` is in Unix seconds; `model` is None where it is the whole provider's.
    """

    provider: str
    model: str | None
    until: float


@dataclass(frozen=True, slots=True)
class Status:
    """One provider (`model` None) or model as the admin page shows it.

    `state` is ready, cooling (told), open (guessed) or half-open; `kind` and `ends_in_s` say why
    and for how much longer.
    """

    provider: str
    model: str | None
    state: str
    kind: ErrorKind | None
    ends_in_s: float
    gauges: Sequence[Gauge] = ()


class _Record:
    __slots__ = ("candidate", "meter", "own", "provider")

    def __init__(self, candidate: Candidate, own: Circuit, provider: Circuit, meter: Meter) -> None:
        self.candidate = candidate
        self.own = own
        self.provider = provider
        self.meter = meter

    def wait(self, now: float, tokens: int) -> Wait | None:
        """The longest of the waits that stand before a call, or None."""
        found: Wait | None = None
        if self.own.is_open or self.provider.is_open:
            for circuit in (self.provider, self.own):
                pause = circuit.pause(now)
                if pause and (found is None or pause.at > found.at):
                    why = pause.kind.replace("_", " ")
                    found = Wait(self.candidate, pause.at, pause.kind, why, pause.told)
        if blocked := self.meter.blocked(now, tokens):
            at, gauge = blocked
            if found is None or at > found.at:
                kind = ErrorKind.RATE_LIMIT
                found = Wait(self.candidate, at, kind, f"{gauge} used", gauge=gauge)
        return found


class Ticket:
    """Leave to make one call. Its end must be told, once; what is told after that is ignored."""

    __slots__ = (
        "_call",
        "_clock",
        "_epoch",
        "_meter",
        "_own",
        "_provider",
        "_provider_epoch",
        "_wall",
        "candidate",
        "is_over",
    )

    def __init__(
        self,
        record: _Record,
        tokens: int,
        clock: Callable[[], float],
        wall: Callable[[], float],
        now: float,
    ) -> None:
        self.candidate = record.candidate
        self.is_over = False
        self._clock = clock
        self._wall = wall
        # Kept here, since the record gets new circuits when the provider's settings change.
        self._own = record.own
        self._provider = record.provider
        self._meter = record.meter
        self._epoch = self._own.enter(self)
        self._provider_epoch = self._provider.enter(self)
        self._call = self._meter.reserve(now, tokens)

    @property
    def is_probe(self) -> bool:
        """Whether others wait to see how this call goes."""
        return self._own.probe is self or self._provider.probe is self

    def gauges(self) -> Sequence[Gauge]:
        """How full each limit is, with this call in it."""
        return self._meter.gauges(self._clock())

    def observed(self, limits: RateLimits) -> None:
        """Take over what the answer's headers say of the limits."""
        if not self.is_over:
            self._meter.observed(self._clock(), self._call, limits)

    def answered(self) -> None:
        """The first content is here: what was in doubt works again, though this call goes on."""
        if not self.is_over:
            self._own.answered(self, self._epoch)
            self._provider.answered(self, self._provider_epoch)

    def succeeded(self, usage: Usage | None = None) -> None:
        """The answer is complete."""
        if self.is_over:
            return
        now = self._end(tokens=usage.prompt + usage.completion if usage else None)
        self._own.succeeded(now, self, self._epoch)
        self._provider.answered(self, self._provider_epoch)

    def abandoned(self) -> None:
        """The call was given up by our side, which says nothing about the provider."""
        if self.is_over:
            return
        self._end()
        self._leave()

    def failed(self, error: AdapterError) -> None:
        """The call has failed, before its first content or after it."""
        if self.is_over:
            return
        kind = error.kind
        now = self._end(tokens=None if error.maybe_billed else 0, sent=error.was_sent)
        if kind in GUESSED_KINDS:
            self._own.failed(now, self, self._epoch, kind)
        elif kind not in TELLING_KINDS and kind not in DEFAULT_WAIT_S and error.was_sent:
            # An answer, if not to the taste of the client: this place is in good health.
            self._own.succeeded(now, self, self._epoch)
            self._provider.answered(self, self._provider_epoch)
        self._cool(now, error)
        self._leave()

    def _end(self, *, tokens: int | None = None, sent: bool = True) -> float:
        self.is_over = True
        now = self._clock()
        self._meter.settle(now, self._call, tokens=tokens, sent=sent)
        return now

    def _leave(self) -> None:
        self._own.leave(self)
        self._provider.leave(self)

    def _cool(self, now: float, error: AdapterError) -> None:
        """Turn a wait that was told, or that this kind of failure always means, into a cooldown."""
        kind = error.kind
        wide = kind in WIDE_KINDS or error.scope in (Scope.PROVIDER, Scope.KEY)
        circuit = self._provider if wide else self._own
        wait_s = _told_wait_s(error)
        if wait_s is not None and kind is ErrorKind.QUOTA_DAY:
            circuit.told_day(now + wait_s, until_wall=self._wall() + wait_s)
        elif wait_s is not None:
            circuit.told(now + wait_s, kind)
        elif kind is ErrorKind.RATE_LIMIT:
            epoch = self._provider_epoch if wide else self._epoch
            circuit.throttled(now, epoch, kind)


class Health:
    """The memory of the router. `limits` are by provider; a provider without has none."""

    def __init__(
        self,
        limits: Mapping[str, Limits],
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._wall = wall
        self._providers: dict[str, Circuit] = {}
        self._records: dict[Candidate, _Record] = {}
        self._sweep_at = MAX_RECORDS

    def admit(self, candidate: Candidate, tokens: int = 0) -> Ticket | Wait:
        """Leave to call `candidate` now, with about `tokens` to be used, or when to ask again."""
        now = self._clock()
        record = self._record(candidate, now)
        return record.wait(now, tokens) or self._ticket(record, tokens, now)

    def wait(self, candidate: Candidate, tokens: int = 0) -> Wait | None:
        """What stands before a call to `candidate` now, if anything; nothing is taken."""
        now = self._clock()
        return self._record(candidate, now).wait(now, tokens)

    def admit_first(self, candidates: Sequence[Candidate], tokens: int = 0) -> Ticket | list[Wait]:
        """Leave to call the first candidate that may be called; else all waits, soonest first.

        A guess alone never leaves nobody: where no candidate is ready, the one of the guessed that
        opens soonest may be tried, by one call at a time and at most every five seconds.
        """
        waits: list[Wait] = []
        for candidate in candidates:
            leave = self.admit(candidate, tokens)
            if isinstance(leave, Ticket):
                return leave
            waits.append(leave)
        waits.sort(key=lambda wait: wait.at)
        now = self._clock()
        for wait in waits:
            record = self._records[wait.candidate]
            if self._may_try_early(record, now, tokens):
                return self._ticket(record, tokens, now)
        return waits

    def keep_to(self, limits: Mapping[str, Limits]) -> None:
        """Hold other limits from now on; what was taken of them is still taken."""
        self._limits = limits
        for candidate, record in self._records.items():
            record.meter.keep_to(limits.get(candidate.provider, Limits()))

    def forget(self, provider: str) -> None:
        """Forget what was held against `provider`: its settings have changed. Limits stay used."""
        self._providers[provider] = fresh = Circuit(self._wall)
        for record in self._records.values():
            if record.candidate.provider == provider:
                record.provider = fresh
                record.own = Circuit(self._wall)

    def day_quotas(self) -> list[DayQuota]:
        """The spent day's quotas, for `restore` after a restart."""
        now = self._clock()
        return [
            DayQuota(provider, model, until)
            for provider, model, circuit in self._circuits()
            if (until := circuit.day_ends_at(now)) is not None
        ]

    def restore(self, quotas: Iterable[DayQuota]) -> None:
        """Take over the day's quotas of an earlier run; those that are back are passed over."""
        now, wall = self._clock(), self._wall()
        for quota in quotas:
            left_s = min(quota.until - wall, LONGEST_DAY_S)
            if not left_s > 0:
                continue
            if quota.model is None:
                circuit = self._provider(quota.provider)
            else:
                circuit = self._record(Candidate(quota.provider, quota.model), now).own
            circuit.told_day(now + left_s, until_wall=wall + left_s)

    def snapshot(self) -> list[Status]:
        """Every provider and model that is known, for people to read."""
        now = self._clock()
        return [
            _status(provider, model, circuit, now, self._gauges(provider, model, now))
            for provider, model, circuit in self._circuits()
        ]

    def _gauges(self, provider: str, model: str | None, now: float) -> Sequence[Gauge]:
        return () if model is None else self._records[Candidate(provider, model)].meter.gauges(now)

    def _circuits(self) -> Iterable[tuple[str, str | None, Circuit]]:
        for provider, circuit in self._providers.items():
            yield provider, None, circuit
        for candidate, record in self._records.items():
            yield candidate.provider, candidate.model, record.own

    def _may_try_early(self, record: _Record, now: float, tokens: int) -> bool:
        return (
            record.own.may_try_early(now)
            and record.provider.pause(now) is None
            and record.meter.blocked(now, tokens) is None
        )

    def _ticket(self, record: _Record, tokens: int, now: float) -> Ticket:
        return Ticket(record, tokens, self._clock, self._wall, now)

    def _provider(self, name: str) -> Circuit:
        if name not in self._providers:
            self._providers[name] = Circuit(self._wall)
        return self._providers[name]

    def _record(self, candidate: Candidate, now: float) -> _Record:
        return self._records.get(candidate) or self._new_record(candidate, now)

    def _new_record(self, candidate: Candidate, now: float) -> _Record:
        if len(self._records) >= self._sweep_at:
            self._sweep(now)
        meter = Meter(self._limits.get(candidate.provider, Limits()))
        own = Circuit(self._wall)
        record = _Record(candidate, own, self._provider(candidate.provider), meter)
        self._records[candidate] = record
        return record

    def _sweep(self, now: float) -> None:
        """Drop what says nothing any more, since clients may name as many models as they like."""
        self._records = {
            candidate: record
            for candidate, record in self._records.items()
            if record.own.pause(now) or not record.meter.idle(now)
        }
        self._sweep_at = max(MAX_RECORDS, 2 * len(self._records))


def _told_wait_s(error: AdapterError) -> float | None:
    """Seconds for which a failure forbids further calls; None if it does not say."""
    told = error.retry_after_s
    if told is not None and error.kind in TELLING_KINDS and 0 < told < math.inf:
        longest = LONGEST_DAY_S if error.kind is ErrorKind.QUOTA_DAY else LONGEST_TOLD_S
        return min(told, longest)
    return DEFAULT_WAIT_S.get(error.kind)


def _status(
    provider: str, model: str | None, circuit: Circuit, now: float, gauges: Sequence[Gauge]
) -> Status:
    pause = circuit.pause(now)
    if not circuit.is_open:
        return Status(provider, model, "ready", None, 0.0, gauges)
    if pause is None or circuit.probe is not None:
        return Status(provider, model, "half-open", pause.kind if pause else None, 0.0, gauges)
    state = "cooling" if pause.told else "open"
    return Status(provider, model, state, pause.kind, pause.at - now, gauges)
