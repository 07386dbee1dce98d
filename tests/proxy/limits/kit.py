"""What the tests of the router's memory share: candidates, a clock, calls and their ends."""

from __future__ import annotations

from adapters.base import AdapterError, ErrorKind, Phase, Scope
from proxy.candidate import Candidate
from proxy.limits.health import Health, Status
from proxy.limits.ticket import Ticket, Wait
from proxy.limits.windows import Limits

GROQ = Candidate("groq", "llama-3.3-70b-versatile")
GROQ_SMALL = Candidate("groq", "llama-3.1-8b-instant")
GEMINI = Candidate("gemini", "gemini-2.5-flash")
ANSWERS = (
    ErrorKind.BAD_REQUEST,
    ErrorKind.CONTEXT,
    ErrorKind.UNSUPPORTED,
    ErrorKind.TOO_LARGE,
    ErrorKind.MALFORMED_ANSWER,
    ErrorKind.RESPONSE_TOO_LARGE,
    ErrorKind.EMPTY,
    ErrorKind.MISMATCH,
)
"""Ends after which a place is known to work, whatever the answer was worth."""


class Clock:
    """Monotonic time in `now`, Unix time in `wall`; both pass together."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall = 1_800_000_000.0

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds


def health_with(clock: Clock, **limits: Limits) -> Health:
    return Health(limits, clock=lambda: clock.now, wall=lambda: clock.wall)


def error(
    kind: ErrorKind,
    retry_after_s: float | None = None,
    *,
    scope: Scope = Scope.MODEL,
    phase: Phase = Phase.BEFORE_CONTENT,
) -> AdapterError:
    return AdapterError(
        kind, "no", provider="groq", retry_after_s=retry_after_s, scope=scope, phase=phase
    )


def admitted(health: Health, candidate: Candidate = GROQ, tokens: int = 0) -> Ticket:
    leave = health.admit(candidate, tokens)
    assert isinstance(leave, Ticket), leave
    return leave


def refused(health: Health, candidate: Candidate = GROQ, tokens: int = 0) -> Wait:
    leave = health.admit(candidate, tokens)
    assert isinstance(leave, Wait), "a call was let in"
    return leave


def wait_s(clock: Clock, health: Health, candidate: Candidate = GROQ, tokens: int = 0) -> float:
    return refused(health, candidate, tokens).at - clock.now


def fail(health: Health, kind: ErrorKind, *, times: int = 1, candidate: Candidate = GROQ) -> None:
    for _ in range(times):
        admitted(health, candidate).failed(error(kind))


def state_of(health: Health, candidate: Candidate = GROQ) -> Status:
    [status] = [s for s in health.snapshot() if (s.provider, s.model) == key_of(candidate)]
    return status


def key_of(candidate: Candidate) -> tuple[str, str]:
    return candidate.provider, candidate.model


def open_by_guess(health: Health, *candidates: Candidate) -> None:
    for candidate in candidates:
        fail(health, ErrorKind.BROKEN, times=3, candidate=candidate)
