"""Whether calls may go to a place: by the wait it stated, and by a guess from failures. No I/O.

Closed, calls pass. Open, none does, up to the end of the told or the guessed wait. Then it is half
open: one call at a time may try, and its success closes the circuit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from adapters.base import AdapterError, ErrorKind
from proxy.limits.recent import Recent

FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 60.0
FORGET_S = 60.0
FIRST_ACCOUNT_WAIT_S = 60.0
LONGEST_ACCOUNT_WAIT_S = 3600.0
WINDOW_S = 30.0
STREAK = 3
LEAST_CALLS = 5
EARLY_PROBE_EVERY_S = 5.0
PROBE_TAKES_S = 1.0


@dataclass(frozen=True, slots=True)
class Said:
    """What a provider has said when it refused: its words, and what they are about."""

    kind: ErrorKind
    message: str
    param: str | None
    upstream_code: str | None


def said_of(error: AdapterError) -> Said:
    return Said(error.kind, error.message, error.param, error.upstream_code)


@dataclass(frozen=True, slots=True)
class Pause:
    """Why nothing may pass, and until when; `told` if by the provider's word, not by a guess."""

    at: float
    kind: ErrorKind
    told: bool


@dataclass(frozen=True, slots=True)
class Setback:
    """What others have to know of a place that is open: why, for how long, in whose words."""

    kind: ErrorKind
    told: bool
    for_s: float
    said: Said | None = None


class Backoff:
    """Waits that double, and begin again when `forget_s` have passed since the end of the last."""

    __slots__ = ("_first_s", "_forget_s", "_longest_s", "_until", "_wait_s")

    def __init__(
        self,
        first_s: float = FIRST_WAIT_S,
        longest_s: float = LONGEST_WAIT_S,
        forget_s: float = FORGET_S,
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._forget_s = forget_s
        self.clear()

    def clear(self) -> None:
        """Begin again."""
        self._wait_s = 0.0
        self._until = -math.inf

    def next(self, now: float) -> float:
        """When the next wait ends, if it begins now."""
        doubled = min(self._wait_s * 2, self._longest_s)
        self._wait_s = doubled if self.is_recent(now) else self._first_s
        self._until = now + self._wait_s
        return self._until

    def is_recent(self, now: float) -> bool:
        return now < self._until + self._forget_s


class Outcomes:
    """How the calls of the last half minute ended."""

    __slots__ = ("_calls", "_failures", "_streak")

    def __init__(self) -> None:
        self._calls = Recent(WINDOW_S)
        self._failures = Recent(WINDOW_S)
        self._streak = 0

    def succeeded(self, now: float) -> None:
        self._calls.add(now)
        self._streak = 0

    def failed(self, now: float) -> None:
        self._calls.add(now)
        self._failures.add(now)
        self._streak += 1

    def are_bad(self, now: float) -> bool:
        """Three failures in a row, or half of at least five."""
        count = self._calls.count(now)
        is_half = count >= LEAST_CALLS and self._failures.count(now) * 2 >= count
        return self._streak >= STREAK or is_half

    def clear(self) -> None:
        self._calls.clear()
        self._failures.clear()
        self._streak = 0


class Circuit:
    """The state of one place. `probe` is the call that tries, while one does.

    `epoch` grows with each opening, so that the late end of a call from before it says nothing
    about what came after. `has_answered` tells that anybody has ever got an answer there.
    """

    __slots__ = (
        "_account",
        "_day_until",
        "_day_until_wall",
        "_early_at",
        "_guess",
        "_guess_kind",
        "_guess_until",
        "_outcomes",
        "_throttle",
        "_told_kind",
        "_told_until",
        "_tried_until",
        "_wall",
        "epoch",
        "has_answered",
        "is_open",
        "probe",
        "said",
    )

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._guess = Backoff()
        self._throttle = Backoff()
        self._account = Backoff(FIRST_ACCOUNT_WAIT_S, LONGEST_ACCOUNT_WAIT_S, 24 * 3600)
        self._outcomes = Outcomes()
        self.epoch = 0
        self.has_answered = False
        self.probe: object | None = None
        self._close()

    def _close(self) -> None:
        self.is_open = False
        self._guess_until = self._early_at = self._tried_until = -math.inf
        self._told_until = self._day_until = self._day_until_wall = -math.inf
        self._guess_kind = self._told_kind = ErrorKind.SERVER
        self._outcomes.clear()
        self.said: Said | None = None

    def pause(self, now: float) -> Pause | None:
        """What keeps a call from passing now, or None."""
        if not self.is_open:
            return None
        if self.day_ends_at(now) is not None and self._day_until >= self._told_until:
            return Pause(max(self._day_until, self._guess_until), ErrorKind.QUOTA_DAY, told=True)
        if now < self._told_until:
            return Pause(max(self._told_until, self._guess_until), self._told_kind, told=True)
        if now < self._guess_until:
            return Pause(self._guess_until, self._guess_kind, told=False)
        if self.probe is not None or now < self._tried_until:
            until, kind = max(
                (self._told_until, self._told_kind),
                (self._guess_until, self._guess_kind),
                (self._day_until, ErrorKind.QUOTA_DAY),
            )
            # After a told wait the one that tries will most likely be answered: worth waiting for.
            return Pause(now + PROBE_TAKES_S, kind, told=until > self._guess_until)
        return None

    def tried_elsewhere(self, until: float) -> None:
        """Another server tries here: up to then its success or failure is waited for."""
        self._tried_until = until

    def setback(self, now: float) -> Setback | None:
        """What keeps calls from passing, for others to keep to it too; no call that tries."""
        if not self.is_open:
            return None
        until, kind, told = max(
            (self._told_until, self._told_kind, True),
            (self._day_until, ErrorKind.QUOTA_DAY, True),
            (self._guess_until, self._guess_kind, False),
        )
        if until <= now:
            return None
        return Setback(kind, told, until - now, self.said)

    def take_over(self, setback: Setback | None, now: float) -> None:
        """Keep to what another server has met, or has seen come back."""
        if setback is None:
            self._close()
            return
        until = now + setback.for_s
        if setback.kind is ErrorKind.QUOTA_DAY:
            self.told_day(until, until_wall=self._wall() + setback.for_s)
        elif setback.told:
            self.told(until, setback.kind)
        elif until > self._guess_until:
            self._guess_until, self._guess_kind = until, setback.kind
            self._open()
        self.said = setback.said

    def day_ends_at(self, now: float) -> float | None:
        """The wall clock's time at which a spent day's quota comes back; None if none is spent.

        It is back when either clock says so: a laptop may have slept meanwhile, and a wall clock
        that is set back must not make the day longer.
        """
        if now < self._day_until and self._wall() >= self._day_until_wall:
            self._day_until = now
        return self._day_until_wall if now < self._day_until else None

    def may_try_early(self, now: float) -> bool:
        """Whether a call may try although the guessed wait is not over (and no stated one runs)."""
        return (
            self._told_until <= now < self._guess_until
            and self.day_ends_at(now) is None
            and self.probe is None
            and now >= max(self._early_at, self._tried_until)
        )

    def enter(self, call: object) -> int:
        """Let `call` pass; returns the epoch that it belongs to."""
        if self.is_open:
            self.probe = call
        return self.epoch

    def leave(self, call: object) -> None:
        """`call` has ended without saying anything about this place."""
        if self.probe is call:
            self.probe = None

    def answered(self, call: object, epoch: int) -> None:
        """`call` has got an answer: one that tried closes the circuit."""
        self.has_answered = True
        if self.probe is call:
            self.probe = None
            if epoch == self.epoch:
                self._account.clear()
                self._close()

    def succeeded(self, now: float, call: object, epoch: int) -> None:
        self.answered(call, epoch)
        if not self.is_open:
            self._outcomes.succeeded(now)

    def failed(self, now: float, call: object, epoch: int, kind: ErrorKind) -> None:
        """`call` has failed in a way that makes one guess that the next would fail too."""
        self.leave(call)
        if epoch != self.epoch:
            return
        if self.is_open:
            self._early_at = now + EARLY_PROBE_EVERY_S
            if now >= self._guess_until:
                self._open_by_guess(now, kind)
            else:
                self._guess_until = max(self._guess_until, self._early_at)
            return
        self._outcomes.failed(now)
        # What has just come back and fails again is flapping: no second benefit of the doubt.
        if self._outcomes.are_bad(now) or self._guess.is_recent(now):
            self._open_by_guess(now, kind)

    def _open_by_guess(self, now: float, kind: ErrorKind) -> None:
        self._guess_until = self._guess.next(now)
        self._guess_kind = kind
        self._open()

    def _open(self) -> None:
        self.is_open = True
        self.epoch += 1
        self._outcomes.clear()

    def throttled(self, now: float, epoch: int, kind: ErrorKind) -> None:
        """It was refused for a while, and no wait was stated: it doubles, once an opening.

        5 s to 60 s where too much was asked; a minute to an hour where it is the account.
        """
        if epoch == self.epoch or not self.is_open:
            waits = self._account if kind is ErrorKind.ACCOUNT else self._throttle
            self.told(waits.next(now), kind)

    def told(self, until: float, kind: ErrorKind) -> None:
        """Nothing may pass before `until`; a shorter wait does not end a longer one."""
        if until > self._told_until:
            self._told_until = until
            self._told_kind = kind
        self._open()

    def refused(self, until: float, error: AdapterError) -> None:
        """Nothing may pass before `until`, for what `error` says."""
        self.told(until, error.kind)
        self.said = said_of(error)

    def told_day(self, until: float, *, until_wall: float) -> None:
        """A day's quota is spent: nothing may pass before either clock shows its end.

        A shorter wait does not end a longer one, nor is it cut where the wall clock, which may have
        been set in between, ends the longer one first.
        """
        if until > self._day_until or self._wall() >= self._day_until_wall:
            self._day_until, self._day_until_wall = until, until_wall
        else:
            self._day_until_wall = max(self._day_until_wall, until_wall)
        self._open()
