"""Leave to call a provider: what stands before it, and what its end teaches. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from adapters.base import AdapterError, ErrorKind, RateLimits, Scope, Usage
from proxy.candidate import Candidate
from proxy.limits.circuit import Circuit, Said
from proxy.limits.windows import Gauge, Meter

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
    ErrorKind.MODEL_MISSING,
    ErrorKind.ACCOUNT,
}
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
    is but a guess; `gauge` is the limit that is used up, if it is one that is kept here. Where it
    ends never, `param` is what asks for too much. `said` is the refusal that told of the wait.
    """

    candidate: Candidate
    at: float
    kind: ErrorKind
    why: str
    told: bool = True
    gauge: Gauge | None = None
    param: str | None = None
    said: Said | None = field(default=None, compare=False)


class Record:
    """What is remembered of a candidate: its own circuit, its provider's, and its limits."""

    __slots__ = ("candidate", "meter", "own", "provider")

    def __init__(self, candidate: Candidate, own: Circuit, provider: Circuit, meter: Meter) -> None:
        self.candidate = candidate
        self.own = own
        self.provider = provider
        self.meter = meter

    def wait(self, now: float, tokens: int, calls: int = 1) -> Wait | None:
        """The longest of the waits that stand before so many calls at once, or None."""
        if calls > 1 and (limit := self.meter.outgrown(tokens, calls)):
            why = f"{calls} calls at once need more than {limit.limit} {limit.name}"
            return Wait(self.candidate, math.inf, ErrorKind.UNSUPPORTED, why, param="n")
        found: Wait | None = None
        if self.own.is_open or self.provider.is_open:
            for circuit in (self.provider, self.own):
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
        return found


class Ticket:
    """Leave to make a call, or several at once that are tried as one: each holds its own share.

    Its end must be told, once; what is told after that is ignored.
    """

    __slots__ = (
        "_call",
        "_clock",
        "_epoch",
        "_meter",
        "_more",
        "_own",
        "_provider",
        "_provider_epoch",
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
        # Kept here, since the record gets new circuits when the provider's settings change.
        self._own = record.own
        self._provider = record.provider
        self._meter = record.meter
        self._epoch = self._own.enter(self)
        self._provider_epoch = self._provider.enter(self)
        self._call = self._meter.reserve(now, tokens)
        self._more = [self._meter.reserve(now, tokens) for _ in range(calls - 1)]

    @property
    def is_probe(self) -> bool:
        """Whether others wait to see how this call goes."""
        return self._own.probe is self or self._provider.probe is self

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

    def unused(self) -> None:
        """The call was not made after all."""
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
        if self._more:  # each that has ended has told its own; of the rest nothing is known
            for call in (self._call, *self._more):
                self._meter.settle(now, call)
        else:
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
        elif kind in (ErrorKind.RATE_LIMIT, ErrorKind.ACCOUNT):
            epoch = self._provider_epoch if wide else self._epoch
            circuit.throttled(now, epoch, kind)
        else:
            return
        circuit.said = Said(kind, error.message, error.param, error.upstream_code)


def _told_wait_s(error: AdapterError) -> float | None:
    """Seconds for which a failure forbids further calls; None if it does not say."""
    told = error.retry_after_s
    if told is not None and error.kind in TELLING_KINDS and 0 < told < math.inf:
        longest = LONGEST_DAY_S if error.kind is ErrorKind.QUOTA_DAY else LONGEST_TOLD_S
        return min(told, longest)
    return DEFAULT_WAIT_S.get(error.kind)
