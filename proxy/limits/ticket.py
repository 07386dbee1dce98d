"""Permission to call a provider: what stands before it, and what its end teaches. No I/O."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from adapters.base import AdapterError, ErrorKind, RateLimits, Scope, Usage
from proxy.candidate import Candidate
from proxy.limits.circuit import Circuit, Said, said_of
from proxy.limits.windows import Entry, Gauge, Meter, Reservation, Window

LOOK_AGAIN_S = 0.1
LONGEST_TOLD_S = 3600.0
LONGEST_DAY_S = 26 * 3600.0

ONE_CALL: Mapping[Candidate, int] = MappingProxyType({})
"""How many calls at once candidates need, where each needs but one."""

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

TELLING_KINDS = GUESSED_KINDS | {
    ErrorKind.RATE_LIMIT,
    ErrorKind.QUOTA_DAY,
    ErrorKind.OVERLOADED,
    ErrorKind.LOADING,
    ErrorKind.MODEL_MISSING,
    ErrorKind.ACCOUNT,
}
"""Failures whose `retry_after_s` means what it says."""

DEFAULT_WAIT_S: Mapping[ErrorKind, float] = {
    ErrorKind.OVERLOADED: 2,
    ErrorKind.LOADING: 2,
    ErrorKind.TLS: 60,
    ErrorKind.AUTH: 600,
    ErrorKind.MODEL_MISSING: 600,
    ErrorKind.QUOTA_DAY: 3600,
}
"""Waits that count as stated, of failures that stated none."""

WIDE_KINDS = frozenset({ErrorKind.AUTH, ErrorKind.TLS})
"""Failures that concern a whole provider, whatever their scope says."""


KEY_KINDS = frozenset(
    {ErrorKind.AUTH, ErrorKind.ACCOUNT, ErrorKind.RATE_LIMIT, ErrorKind.QUOTA_DAY}
)
"""Failures of a key or its account: by another key the same call may be answered."""

REFUSED_KEY_S = 86_400.0
"""For so long a refused key is left out where there are others; until its owner says, at most."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a candidate may not be called, and when it may be asked for again.

    `kind` is the failure that a call would meet, `why` says it in words; `told` is False where it
    is but a guess; `gauge` is the limit that is used up, if it is one that is kept here. Where it
    ends never, `param` is what asks for too much. `said` is the refusal that told of the wait.
    `is_full` where it has as many calls at work as it may: nobody knows when the next one ends.
    """

    candidate: Candidate
    at: float
    kind: ErrorKind
    why: str
    told: bool = True
    gauge: Gauge | None = None
    param: str | None = None
    said: Said | None = field(default=None, compare=False)
    is_full: bool = False


class Seats:
    """How many calls a provider has at work, and `most` it may have."""

    __slots__ = ("most", "taken")

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self.taken = 0

    def wait(self, candidate: Candidate, now: float, calls: int) -> Wait | None:
        """When to look again whether so many calls have room; more than ever fit have it alone."""
        if self.most is None or self.taken + min(calls, self.most) <= self.most:
            return None
        why = f"{self.taken} of {self.most} calls at once"
        at = now + LOOK_AGAIN_S
        return Wait(candidate, at, ErrorKind.OVERLOADED, why, is_full=True)


class Record:
    """What is remembered of a candidate: its limits, and a circuit for each thing that may be ill.

    That is its model by its key (`own`), all that is asked by its key (`provider`), and where a
    provider has several keys also the key alone, which may be refused, and what is the same for
    all of them: the model (`server`) and the provider (`house`).
    """

    __slots__ = (
        *("candidate", "circuits", "house", "key", "meter", "own", "provider", "seats", "server"),
    )

    def __init__(
        self,
        candidate: Candidate,
        own: Circuit,
        provider: Circuit,
        meter: Meter,
        *,
        key: Circuit | None = None,
        base: Record | None = None,
        seats: Seats | None = None,
    ) -> None:
        self.candidate = candidate
        self.seats = seats
        self.own = own
        self.provider = provider
        self.meter = meter
        self.key = key or provider
        self.server = base.own if base else own
        self.house = base.provider if base else provider
        self.circuits: tuple[Circuit, ...] = (provider, own)
        if base:
            found = (self.key, provider, self.house, own, self.server)
            self.circuits = tuple(dict.fromkeys(found))

    @property
    def is_open(self) -> bool:
        return any(circuit.is_open for circuit in self.circuits)

    def of(self, kind: ErrorKind, *, wide: bool) -> Circuit:
        """What a failure of some kind is held against."""
        if kind is ErrorKind.AUTH:
            return self.key
        if kind in KEY_KINDS:
            return self.provider if wide else self.own
        return self.house if wide else self.server

    def wait(self, now: float, tokens: int, calls: int = 1) -> Wait | None:
        """The longest of the waits that stand before so many calls at once, or None."""
        if calls > 1 and (limit := self.meter.outgrown(tokens, calls)):
            why = f"{calls} calls at once need more than {limit.limit} {limit.name}"
            return Wait(self.candidate, math.inf, ErrorKind.UNSUPPORTED, why, param="n")
        found: Wait | None = None
        if self.own.is_open or self.provider.is_open or (self.candidate.key and self.is_open):
            for circuit in self.circuits:
                pause = circuit.pause(now)
                if pause and (found is None or pause.at > found.at):
                    why = pause.kind.replace("_", " ")
                    said = (
                        circuit.said if circuit.said and circuit.said.kind is pause.kind else None
                    )
                    found = Wait(self.candidate, pause.at, pause.kind, why, pause.told, said=said)
        if blocked := self.meter.blocked(now, tokens, calls):
            at, gauge = blocked
            if found is None or at > found.at:
                kind = ErrorKind.RATE_LIMIT
                found = Wait(self.candidate, at, kind, f"{gauge} used", gauge=gauge)
        if found is None and self.seats:
            found = self.seats.wait(self.candidate, now, calls)
        return found


class Ticket:
    """A permit for a call, or for several at once that are tried as one: each holds its own share.

    Its end must be told, once; what is told after that is ignored.
    """

    __slots__ = (
        "_call",
        "_clock",
        "_epochs",
        "_meter",
        "_more",
        "_record",
        "_wall",
        "candidate",
        "is_over",
    )

    def __init__(
        self,
        record: Record,
        tokens: int,
        clock: Callable[[], float],
        wall: Callable[[], float],
        now: float,
        calls: int = 1,
    ) -> None:
        self.candidate = record.candidate
        self.is_over = False
        self._clock = clock
        self._wall = wall
        # Of the circuits that it was let in by: another record takes its place at a new beginning.
        self._record = record
        self._meter = record.meter
        self._epochs: dict[Circuit, int] = {}
        for circuit in record.circuits:
            self._epochs[circuit] = circuit.enter(self)
        self._call = self._meter.reserve(now, tokens)
        self._more: list[Reservation] = []
        if calls > 1:
            self._more = [self._meter.reserve(now, tokens) for _ in range(calls - 1)]
        if record.seats:
            record.seats.taken += calls

    @property
    def is_probe(self) -> bool:
        """Whether others wait to see how this call goes."""
        return self in [circuit.probe for circuit in self._epochs]

    def reservations(self) -> Sequence[Reservation]:
        """What each of its calls holds of the limits."""
        return (self._call, *self._more)

    @property
    def place(self) -> str:
        """Whose limits it counts in: a model's, by one of several keys if each has its own."""
        is_shared = self._record.own is self._record.server
        return _named(self.candidate.by_any() if is_shared else self.candidate)

    def tries(self) -> str | None:
        """The place for which others wait to see how this call goes, if they do."""
        record, provider = self._record, self.candidate.provider
        if record.house.probe is self:
            return provider
        if record.provider.probe is self or record.key.probe is self:
            return f"{provider}#{self.candidate.key}"
        if record.server.probe is self:
            return str(self.candidate)
        return _named(self.candidate) if record.own.probe is self else None

    def held_back(self, window: Window, for_s: float) -> Entry:
        """Not used after all: others have taken what there was of a limit."""
        self.unused()
        now = self._clock()
        return window.fill(now, now + for_s)

    def tried_elsewhere(self, for_s: float) -> None:
        """Not used after all: others try here now."""
        self.unused()
        for circuit in self._epochs:
            circuit.tried_elsewhere(self._clock() + for_s)

    def gauges(self) -> Sequence[Gauge]:
        """How full each limit is, with this call in it."""
        return self._meter.gauges(self._clock())

    def observed(self, limits: RateLimits) -> None:
        """Take over what an answer's headers say of the limits."""
        if self.is_over:
            return
        unseen = (call for call in self._more if not call.seen)
        call = next(unseen, self._call) if self._call.seen else self._call
        self._meter.observed(self._clock(), call, limits)

    def spent(self, number: int, end: Usage | AdapterError) -> None:
        """One of several calls has ended, by what it has used or with an error; the rest go on."""
        if self.is_over:
            return
        call = self._more[number - 1] if number else self._call
        if isinstance(end, Usage):
            self._meter.settle(self._clock(), call, tokens=end.prompt + end.completion)
        else:
            tokens = None if end.maybe_billed else 0
            self._meter.settle(self._clock(), call, tokens=tokens, sent=end.was_sent)

    def again(self) -> float:
        """Count a call that is sent once more; else, in seconds, how long there is no room for it.

        The first one may have been read, and counted, by whoever did not answer it.
        """
        if self.is_over:
            return 0.0
        now = self._clock()
        if blocked := self._meter.blocked(now, 0):
            return blocked[0] - now
        self._meter.settle(now, self._meter.reserve(now, 0), tokens=0)
        return 0.0

    def answered(self) -> None:
        """The first content is here: what was in doubt works again, though this call goes on."""
        if not self.is_over:
            for circuit in self._epochs:
                circuit.answered(self, self._epochs[circuit])

    def succeeded(self, usage: Usage | None = None) -> None:
        if self.is_over:
            return
        self._well(self._end(tokens=usage.prompt + usage.completion if usage else None))

    def abandoned(self) -> None:
        """The call was given up by our side, which says nothing about the provider."""
        if self.is_over:
            return
        self._end()
        self._leave()

    def unused(self) -> None:
        if self.is_over:
            return
        now = self._clock()
        for call in (self._call, *self._more):
            self._meter.settle(now, call, tokens=0, sent=False)
        self.abandoned()

    def failed(self, error: AdapterError) -> None:
        """The call has failed, before its first content or after it."""
        if self.is_over:
            return
        kind = error.kind
        now = self._end(tokens=None if error.maybe_billed else 0, sent=error.was_sent)
        if kind in GUESSED_KINDS:
            server = self._record.server
            server.failed(now, self, self._epochs[server], kind)
        elif kind not in TELLING_KINDS and kind not in DEFAULT_WAIT_S and error.was_sent:
            # An answer, if not to the taste of the client: this place is in good health.
            self._well(now)
        self._cool(now, error)
        self._leave()

    def _end(self, *, tokens: int | None = None, sent: bool = True) -> float:
        self.is_over = True
        if self._record.seats:
            self._record.seats.taken -= 1 + len(self._more)
        now = self._clock()
        if self._more:  # each that has ended has told its own; of the rest nothing is known
            for call in (self._call, *self._more):
                self._meter.settle(now, call)
        else:
            self._meter.settle(now, self._call, tokens=tokens, sent=sent)
        return now

    def _well(self, now: float) -> None:
        server = self._record.server
        for circuit in self._epochs:
            if circuit is server:
                circuit.succeeded(now, self, self._epochs[circuit])
            else:
                circuit.answered(self, self._epochs[circuit])

    def _leave(self) -> None:
        for circuit in self._epochs:
            circuit.leave(self)

    def _cool(self, now: float, error: AdapterError) -> None:
        """Turn a wait that was told, or that this kind of failure always means, into a cooldown."""
        kind = error.kind
        wide = kind in WIDE_KINDS or error.scope in (Scope.PROVIDER, Scope.KEY)
        circuit = self._record.of(kind, wide=wide)
        wait_s = _told_wait_s(error)
        if kind is ErrorKind.AUTH and self.candidate.key:
            wait_s = REFUSED_KEY_S
        if wait_s is not None and kind is ErrorKind.QUOTA_DAY:
            circuit.told_day(now + wait_s, until_wall=self._wall() + wait_s)
        elif wait_s is not None:
            circuit.told(now + wait_s, kind)
        elif kind in (ErrorKind.RATE_LIMIT, ErrorKind.ACCOUNT):
            circuit.throttled(now, self._epochs[circuit], kind)
        else:
            return
        circuit.said = said_of(error)


Permit = Ticket | list[Wait]
Agree = Callable[[Callable[[], Permit]], Awaitable[Permit]]
"""The permit that is given here, where other servers give it as well."""


def _named(candidate: Candidate) -> str:
    return f"{candidate}#{candidate.key}" if candidate.key else str(candidate)


def _told_wait_s(error: AdapterError) -> float | None:
    """Seconds for which a failure forbids further calls; None if it does not say."""
    told = error.retry_after_s
    if told is not None and error.kind in TELLING_KINDS and 0 < told < math.inf:
        longest = LONGEST_DAY_S if error.kind is ErrorKind.QUOTA_DAY else LONGEST_TOLD_S
        return min(told, longest)
    return DEFAULT_WAIT_S.get(error.kind)
