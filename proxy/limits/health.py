"""What is remembered of every provider and model, so that calls go where they will be answered.

Pure: clocks are injected, and nothing here waits. Times are seconds of the monotonic clock; the
wall clock only tells when a day's quota comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from adapters.base import AdapterError, ErrorKind
from proxy.candidate import Candidate
from proxy.limits.circuit import Circuit, Setback
from proxy.limits.ticket import LONGEST_DAY_S, ONE_CALL, REFUSED_KEY_S, Record, Seats, Ticket, Wait
from proxy.limits.windows import Gauge, Limits, Meter

MAX_RECORDS = 512
REFUSED_KINDS = frozenset({ErrorKind.AUTH, ErrorKind.ACCOUNT, ErrorKind.MODEL_MISSING})
"""What does not pass by itself: somebody has to see to it."""

Place = tuple[str, str | None, int]
"""A provider, a model of it (None: all of it), and by which key, as in `Candidate`."""


@dataclass(frozen=True, slots=True)
class DayQuota:
    """A spent day's quota, to be kept over a restart.

    `until` is in Unix seconds; `model` is None where it is the whole provider's. `key` as in
    `Candidate`.
    """

    provider: str
    model: str | None
    until: float
    key: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """One provider (`model` None) or model as the admin page shows it.

    `state` is ready, cooling (told), open (guessed) or half-open; `kind` and `ends_in_s` say why
    and for how much longer. `key` as in `Candidate`: 0 is of what all keys have in common.
    """

    provider: str
    model: str | None
    state: str
    kind: ErrorKind | None
    ends_in_s: float
    gauges: Sequence[Gauge] = ()
    key: int = 0


class Health:
    """The memory of the router. `limits` are by provider; a provider without has none.

    `keys` tells how many a provider has, where there are several; `sharing` are providers whose
    keys are of one account, and use up the same limits. `seats` are of those whose calls at once
    are counted.
    """

    def __init__(
        self,
        limits: Mapping[str, Limits],
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        sharing: frozenset[str] = frozenset(),
        keys: Mapping[str, int] = MappingProxyType({}),
        seats: Mapping[str, Seats] = MappingProxyType({}),
    ) -> None:
        self._limits = limits
        self._sharing = sharing
        self._seats = seats
        self._clock = clock
        self._wall = wall
        self._providers: dict[tuple[str, int], Circuit] = {}
        self._records: dict[Candidate, Record] = {}
        self._sweep_at = MAX_RECORDS
        self._servers = 1
        for name, many in keys.items():
            for key in range(1, many + 1):
                self._provider(name, key)

    def admit(self, candidate: Candidate, tokens: int = 0, calls: int = 1) -> Ticket | Wait:
        """Permission to call `candidate` now, or when to ask again; a call uses about `tokens`."""
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
        """Permission to call the first candidate that may be called; else all waits, soonest first.

        `calls` holds how many calls at once it takes, where it takes more than one.

        A guess alone never leaves nobody: where no candidate is ready, the one of the guessed that
        opens soonest may be tried, by one call at a time and at most every five seconds.
        """
        waits: list[Wait] = []
        for candidate in candidates:
            permit = self.admit(candidate, tokens, calls.get(candidate, 1))
            if isinstance(permit, Ticket):
                return permit
            waits.append(permit)
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
            record.meter.keep_to(self._limits_of(candidate.provider))

    def share(self, servers: int) -> None:
        """Hold a share of each limit, as one of so many servers that cannot ask each other."""
        if servers != self._servers:
            self._servers = servers
            self.keep_to(self._limits)

    def setbacks(self) -> dict[Place, tuple[int, Setback | None]]:
        """What stands against each provider (model None) and model, and how often that began."""
        now = self._clock()
        return {
            (provider, model, key): (circuit.epoch, circuit.setback(now))
            for provider, model, key, circuit in self._circuits()
        }

    def is_well(self, place: Place) -> bool:
        """Whether a call passes there without trying for others."""
        return not self._circuit(*place).is_open

    def take_over(self, place: Place, setback: Setback | None) -> int:
        """Keep to what another server has met; how often the place was set back by now."""
        circuit = self._circuit(*place)
        circuit.take_over(setback, self._clock())
        return circuit.epoch

    def _circuit(self, provider: str, model: str | None, key: int) -> Circuit:
        if model is None:
            return self._provider(provider, key)
        return self._record(Candidate(provider, model, key), self._clock()).own

    def _limits_of(self, provider: str) -> Limits:
        limits = self._limits.get(provider, Limits())
        return limits if self._servers == 1 else limits.share(self._servers)

    def forget(self, provider: str) -> None:
        """Forget what was held against `provider`: its settings have changed. Limits stay used."""
        self._begin_anew(provider, lambda _circuit: True)

    def try_again(self, provider: str) -> None:
        """Let `provider` be asked though its key, account or model was refused; limits still hold.

        Its owner says that this has been seen to.
        """
        now = self._clock()
        self._begin_anew(provider, lambda circuit: _is_refused(circuit, now))

    def refused_key(self, provider: str, key: int) -> str | None:
        """In which words one of several keys was refused, if it is left out for that."""
        if not key:
            return None
        circuit = self._provider(provider, key)
        pause = circuit.pause(self._clock())
        if pause is None or pause.kind is not ErrorKind.AUTH:
            return None
        return circuit.said.message if circuit.said else "the key is refused"

    def is_new_key(self, provider: str, key: int) -> bool:
        """Whether nobody knows yet if one of several keys is taken."""
        return bool(key) and not self._provider(provider, key).has_answered

    def is_trying(self, provider: str, key: int) -> bool:
        """Whether a call is under way that will show whether a new key is accepted."""
        return self.is_new_key(provider, key) and any(
            record.meter.calls
            for one, record in self._records.items()
            if (one.provider, one.key) == (provider, key)
        )

    def take_key(self, provider: str, key: int) -> None:
        """One of several keys was taken for something that no ticket was for."""
        if key:
            self._provider(provider, key).has_answered = True

    def refuse_key(self, provider: str, key: int, error: AdapterError) -> None:
        """Leave out one of several keys that was refused something that no ticket was for."""
        self._provider(provider, key).refused(self._clock() + REFUSED_KEY_S, error)

    def _begin_anew(self, provider: str, is_over: Callable[[Circuit], bool]) -> None:
        """New circuits in place of some; whoever is under way ends by those it was let in by."""
        for place, circuit in self._providers.items():
            if place[0] == provider and is_over(circuit):
                self._providers[place] = Circuit(self._wall)
        for candidate, record in self._records.items():
            if candidate.provider == provider:
                own = Circuit(self._wall) if is_over(record.own) else record.own
                self._records[candidate] = self._linked(candidate, own, record.meter)

    def day_quotas(self) -> list[DayQuota]:
        """The spent day's quotas, for `restore` after a restart."""
        now = self._clock()
        return [
            DayQuota(provider, model, until, key)
            for provider, model, key, circuit in self._circuits()
            if (until := circuit.day_ends_at(now)) is not None
        ]

    def restore(self, quotas: Iterable[DayQuota]) -> None:
        """Take over the day's quotas of an earlier run; those that are back are passed over."""
        now, wall = self._clock(), self._wall()
        for quota in quotas:
            left_s = min(quota.until - wall, LONGEST_DAY_S)
            if not left_s > 0:
                continue
            circuit = self._circuit(quota.provider, quota.model, quota.key)
            circuit.told_day(now + left_s, until_wall=wall + left_s)

    def snapshot(self) -> list[Status]:
        """Every provider and model that is known, for people to read."""
        now = self._clock()
        return [
            _status(provider, model, key, circuit, now, self._gauges(provider, model, key, now))
            for provider, model, key, circuit in self._circuits()
        ]

    def _gauges(self, provider: str, model: str | None, key: int, now: float) -> Sequence[Gauge]:
        if model is None:
            return ()
        return self._records[Candidate(provider, model, key)].meter.gauges(now)

    def _circuits(self) -> Iterable[tuple[str, str | None, int, Circuit]]:
        for (provider, key), circuit in self._providers.items():
            yield provider, None, key, circuit
        for candidate, record in self._records.items():
            if not candidate.key or record.own is not record.server:
                yield candidate.provider, candidate.model, candidate.key, record.own

    def busy(self, provider: str) -> int:
        """How many calls one whose calls are counted has at work."""
        return self._seats[provider].taken

    def _may_try_early(self, record: Record, now: float, tokens: int, calls: int) -> bool:
        others = (circuit for circuit in record.circuits if circuit is not record.server)
        return (
            record.server.may_try_early(now)
            and all(circuit.pause(now) is None for circuit in others)
            and record.meter.blocked(now, tokens, calls) is None
            and not (record.seats and record.seats.wait(record.candidate, now, calls))
        )

    def _ticket(self, record: Record, tokens: int, now: float, calls: int) -> Ticket:
        return Ticket(record, tokens, self._clock, self._wall, now, calls)

    def _provider(self, name: str, key: int = 0) -> Circuit:
        if (name, key) not in self._providers:
            self._providers[name, key] = Circuit(self._wall)
        return self._providers[name, key]

    def _record(self, candidate: Candidate, now: float) -> Record:
        return self._records.get(candidate) or self._new_record(candidate, now)

    def _new_record(self, candidate: Candidate, now: float) -> Record:
        if len(self._records) >= self._sweep_at:
            self._sweep(now)
        if candidate.key:
            self._record(candidate.by_any(), now)
        meter = Meter(self._limits_of(candidate.provider))
        record = self._linked(candidate, Circuit(self._wall), meter)
        self._records[candidate] = record
        return record

    def _linked(self, candidate: Candidate, own: Circuit, meter: Meter) -> Record:
        """A record beside that of its model by any key, which is there first."""
        name = candidate.provider
        seats, of_provider = self._seats.get(name), self._provider(name, candidate.key)
        if not candidate.key:
            return Record(candidate, own, of_provider, meter, seats=seats)
        base = self._records[candidate.by_any()]
        if name in self._sharing:
            own, meter, account = base.own, base.meter, base.provider
        else:
            account = of_provider
        return Record(candidate, own, account, meter, key=of_provider, base=base, seats=seats)

    def _sweep(self, now: float) -> None:
        """Drop what says nothing any more, since clients may name as many models as they like."""
        known = self._records.items()
        telling = {c for c, record in known if record.own.pause(now) or not record.meter.idle(now)}
        telling |= {candidate.by_any() for candidate in telling}
        self._records = {candidate: record for candidate, record in known if candidate in telling}
        self._sweep_at = max(MAX_RECORDS, 2 * len(self._records))


def _is_refused(circuit: Circuit, now: float) -> bool:
    pause = circuit.pause(now)
    return pause is not None and pause.kind in REFUSED_KINDS


def _status(
    provider: str,
    model: str | None,
    key: int,
    circuit: Circuit,
    now: float,
    gauges: Sequence[Gauge],
) -> Status:
    pause = circuit.pause(now)
    if not circuit.is_open:
        return Status(provider, model, "ready", None, 0.0, gauges, key)
    if pause is None or circuit.probe is not None:
        return Status(provider, model, "half-open", pause.kind if pause else None, 0.0, gauges, key)
    state = "cooling" if pause.told else "open"
    return Status(provider, model, state, pause.kind, pause.at - now, gauges, key)
