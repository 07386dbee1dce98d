"""What is remembered of every provider and model, so that calls go where they will be answered.

Pure: clocks are injected, and nothing here waits. Times are seconds of the monotonic clock; the
wall clock only tells when a day's quota comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from adapters.base import ErrorKind
from proxy.candidate import Candidate
from proxy.limits.circuit import Circuit
from proxy.limits.ticket import LONGEST_DAY_S, ONE_CALL, Record, Ticket, Wait
from proxy.limits.windows import Gauge, Limits, Meter

MAX_RECORDS = 512
REFUSED_KINDS = frozenset({ErrorKind.AUTH, ErrorKind.ACCOUNT, ErrorKind.MODEL_MISSING})
"""What does not pass by itself: somebody has to see to it."""


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
        self._records: dict[Candidate, Record] = {}
        self._sweep_at = MAX_RECORDS

    def admit(self, candidate: Candidate, tokens: int = 0, calls: int = 1) -> Ticket | Wait:
        """Leave to call `candidate` now, or when to ask again; a call uses about `tokens`."""
        now = self._clock()
        record = self._record(candidate, now)
        return record.wait(now, tokens, calls) or self._ticket(record, tokens, now, calls)

    def wait(self, candidate: Candidate, tokens: int = 0, calls: int = 1) -> Wait | None:
        """What stands before a call to `candidate` now, if anything; nothing is taken."""
        now = self._clock()
        return self._record(candidate, now).wait(now, tokens, calls)

    def admit_first(
        self,
        candidates: Sequence[Candidate],
        tokens: int = 0,
        calls: Mapping[Candidate, int] = ONE_CALL,
    ) -> Ticket | list[Wait]:
        """Leave to call the first candidate that may be called; else all waits, soonest first.

        `calls` holds how many calls at once it takes, where it takes more than one.

        A guess alone never leaves nobody: where no candidate is ready, the one of the guessed that
        opens soonest may be tried, by one call at a time and at most every five seconds.
        """
        waits: list[Wait] = []
        for candidate in candidates:
            leave = self.admit(candidate, tokens, calls.get(candidate, 1))
            if isinstance(leave, Ticket):
                return leave
            waits.append(leave)
        waits.sort(key=lambda wait: wait.at)
        now = self._clock()
        for wait in waits:
            record, count = self._records[wait.candidate], calls.get(wait.candidate, 1)
            if not wait.told and self._may_try_early(record, now, tokens, count):
                return self._ticket(record, tokens, now, count)
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

    def try_again(self, provider: str) -> None:
        """Let `provider` be asked though its key, account or model was refused; limits still hold.

        Its owner says that this has been seen to.
        """
        now = self._clock()
        if _is_refused(self._provider(provider), now):
            self._providers[provider] = Circuit(self._wall)
        for record in self._records.values():
            if record.candidate.provider == provider:
                record.provider = self._providers[provider]
                if _is_refused(record.own, now):
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

    def _may_try_early(self, record: Record, now: float, tokens: int, calls: int) -> bool:
        return (
            record.own.may_try_early(now)
            and record.provider.pause(now) is None
            and record.meter.blocked(now, tokens, calls) is None
        )

    def _ticket(self, record: Record, tokens: int, now: float, calls: int) -> Ticket:
        return Ticket(record, tokens, self._clock, self._wall, now, calls)

    def _provider(self, name: str) -> Circuit:
        if name not in self._providers:
            self._providers[name] = Circuit(self._wall)
        return self._providers[name]

    def _record(self, candidate: Candidate, now: float) -> Record:
        return self._records.get(candidate) or self._new_record(candidate, now)

    def _new_record(self, candidate: Candidate, now: float) -> Record:
        if len(self._records) >= self._sweep_at:
            self._sweep(now)
        meter = Meter(self._limits.get(candidate.provider, Limits()))
        own = Circuit(self._wall)
        record = Record(candidate, own, self._provider(candidate.provider), meter)
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


def _is_refused(circuit: Circuit, now: float) -> bool:
    pause = circuit.pause(now)
    return pause is not None and pause.kind in REFUSED_KINDS


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
