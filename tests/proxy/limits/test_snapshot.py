"""What people are shown of the memory, and what it forgets in a long life."""

from __future__ import annotations

from adapters.base import ErrorKind
from proxy.candidate import Candidate
from proxy.limits.health import Health
from proxy.limits.windows import Limits
from tests.proxy.limits.kit import (
    GEMINI,
    GROQ,
    GROQ_SMALL,
    Clock,
    admitted,
    error,
    fail,
    health_with,
    key_of,
    open_by_guess,
    state_of,
)


def test_the_snapshot_tells_states_waits_and_gauges_apart(clock: Clock) -> None:
    health = health_with(clock, groq=Limits(requests_per_minute=30))
    admitted(health).failed(error(ErrorKind.RATE_LIMIT, 20))
    open_by_guess(health, GEMINI)
    fail(health, ErrorKind.OVERLOADED, candidate=GROQ_SMALL)
    clock.passes(2)
    held = admitted(health, GROQ_SMALL)
    told, guessed, tried = (state_of(health, c) for c in (GROQ, GEMINI, GROQ_SMALL))
    assert (told.state, told.kind, told.ends_in_s) == ("cooling", ErrorKind.RATE_LIMIT, 18)
    assert [str(gauge) for gauge in told.gauges] == ["1/30 requests a minute"]
    assert (guessed.state, guessed.kind, guessed.ends_in_s) == ("open", ErrorKind.BROKEN, 3)
    assert (tried.state, tried.kind) == ("half-open", ErrorKind.OVERLOADED)
    held.succeeded()
    assert state_of(health, GROQ_SMALL).state == "ready"


def test_models_that_clients_invent_are_forgotten(clock: Clock, health: Health) -> None:
    for at in range(5000):
        admitted(health, Candidate("groq", f"m{at}")).failed(error(ErrorKind.MODEL_MISSING))
        clock.passes(2)
    assert len(health.snapshot()) <= 1024


def test_what_is_under_way_or_held_is_not_forgotten(clock: Clock, health: Health) -> None:
    admitted(health, GEMINI)
    admitted(health).failed(error(ErrorKind.QUOTA_DAY, 5 * 3600))
    for at in range(2000):
        admitted(health, Candidate("groq", f"m{at}")).succeeded()
    known = {(status.provider, status.model) for status in health.snapshot()}
    assert {key_of(GEMINI), key_of(GROQ)} <= known
    assert len(known) < 1024
