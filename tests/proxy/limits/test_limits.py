"""Limits of our own: what a call takes of them, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adapters.base import ErrorKind, Phase, Usage
from proxy.candidate import Candidate
from proxy.limits.ticket import Ticket, Wait
from proxy.limits.windows import DAY_S, Limits
from tests.proxy.limits.kit import (
    GEMINI,
    GROQ,
    GROQ_SMALL,
    Clock,
    admitted,
    error,
    health_with,
    refused,
    state_of,
    wait_s,
)


def test_a_window_is_full_at_its_limit_and_frees_as_its_calls_grow_old(clock: Clock) -> None:
    health = health_with(clock, groq=Limits(requests_per_minute=2))
    admitted(health).succeeded()
    clock.passes(20)
    admitted(health)
    clock.passes(10)
    wait = refused(health)
    assert (wait.kind, wait.why) == (ErrorKind.RATE_LIMIT, "2/2 requests a minute used")
    assert wait.at == clock.now + 30
    admitted(health, GROQ_SMALL)
    clock.passes(30)
    admitted(health)
    assert wait_s(clock, health) == 20


def test_the_longest_of_several_waits_is_told(clock: Clock) -> None:
    health = health_with(clock, groq=Limits(requests_per_minute=1, requests_per_day=2))
    admitted(health)
    clock.passes(60)
    admitted(health).failed(error(ErrorKind.RATE_LIMIT, 90))
    assert refused(health).why == "2/2 requests a day used"
    assert wait_s(clock, health) == DAY_S - 60


def test_tokens_are_reserved_before_a_call_and_settled_after_it(clock: Clock) -> None:
    health = health_with(clock, groq=Limits(tokens_per_minute=100))
    ticket = admitted(health, tokens=80)
    assert refused(health, tokens=30).why == "80/100 tokens a minute used"
    ticket.succeeded(Usage(prompt=40, completion=20))
    admitted(health, tokens=30).succeeded(Usage(prompt=100, completion=60))
    assert wait_s(clock, health, tokens=1) == 60


def test_a_call_larger_than_the_limit_is_let_in_when_nothing_else_counts(clock: Clock) -> None:
    health = health_with(clock, groq=Limits(tokens_per_minute=100))
    admitted(health, tokens=10)
    assert wait_s(clock, health, tokens=1000) == 60
    clock.passes(60)
    admitted(health, tokens=1000)
    assert wait_s(clock, health, tokens=1) == 60


@pytest.mark.parametrize(
    ("ended", "used"),
    [
        (lambda t: t.failed(error(ErrorKind.NETWORK, phase=Phase.BEFORE_SEND)), (0, 0)),
        (lambda t: t.failed(error(ErrorKind.TIMEOUT_CONNECT)), (0, 0)),
        (lambda t: t.failed(error(ErrorKind.NETWORK)), (0, 0)),
        (lambda t: t.failed(error(ErrorKind.BROKEN)), (1, 50)),
        (lambda t: t.failed(error(ErrorKind.TIMEOUT_FIRST_BYTE)), (1, 50)),
        (lambda t: t.failed(error(ErrorKind.RATE_LIMIT, 1)), (1, 0)),
        (lambda t: t.failed(error(ErrorKind.BAD_REQUEST)), (1, 0)),
        (lambda t: t.failed(error(ErrorKind.STALL)), (1, 50)),
        (lambda t: t.failed(error(ErrorKind.SERVER, phase=Phase.AFTER_CONTENT)), (1, 50)),
        (lambda t: t.abandoned(), (1, 50)),
        (lambda t: t.unused(), (0, 0)),
        (lambda t: t.succeeded(), (1, 50)),
        (lambda t: t.succeeded(Usage(3, 4)), (1, 7)),
    ],
)
def test_a_call_counts_for_what_it_may_have_used(
    clock: Clock, ended: Callable[[Ticket], None], used: tuple[int, int]
) -> None:
    health = health_with(clock, groq=Limits(requests_per_minute=9, tokens_per_minute=100))
    ended(admitted(health, tokens=50))
    assert tuple(gauge.used for gauge in state_of(health).gauges) == used


def test_several_calls_at_once_take_their_places_each_and_give_back_each(clock: Clock) -> None:
    limits = Limits(requests_per_minute=5, tokens_per_minute=100)
    health = health_with(clock, groq=limits)
    ticket = health.admit(GROQ, tokens=20, calls=3)
    assert isinstance(ticket, Ticket)
    assert [gauge.used for gauge in state_of(health).gauges] == [3, 60]
    assert isinstance(health.admit(GROQ, tokens=1, calls=3), Wait)

    ticket.spent(0, Usage(completion=7))
    ticket.spent(1, error(ErrorKind.NETWORK))
    ticket.succeeded(Usage(completion=7))

    assert [gauge.used for gauge in state_of(health).gauges] == [2, 27]
    ticket.spent(2, Usage())
    assert [gauge.used for gauge in state_of(health).gauges] == [2, 27]


@pytest.mark.parametrize(
    ("limits", "tokens", "why"),
    [
        (Limits(requests_per_minute=2), 0, "3 calls at once need more than 2 requests a minute"),
        (Limits(requests_per_day=2), 0, "3 calls at once need more than 2 requests a day"),
        (Limits(tokens_per_minute=50), 20, "3 calls at once need more than 50 tokens a minute"),
    ],
)
def test_more_calls_at_once_than_a_limit_has_room_for_are_not_waited_for(
    clock: Clock, limits: Limits, tokens: int, why: str
) -> None:
    health = health_with(clock, groq=limits)

    waits = health.admit_first([GROQ], tokens, {GROQ: 3})

    assert isinstance(waits, list)
    [wait] = waits
    assert (wait.kind, wait.param, wait.why) == (ErrorKind.UNSUPPORTED, "n", why)
    assert isinstance(health.admit_first([GROQ, GEMINI], tokens, {GROQ: 3}), Ticket)


def test_settling_a_call_that_counts_no_more_changes_nothing(clock: Clock) -> None:
    health = health_with(clock, groq=Limits(requests_per_minute=9, tokens_per_minute=100))
    old = admitted(health, tokens=50)
    clock.passes(61)
    admitted(health, tokens=60)
    old.succeeded(Usage(900, 0))
    assert [gauge.used for gauge in state_of(health).gauges] == [1, 60]


def test_two_hundred_calls_in_ten_minutes_never_pass_a_limit(clock: Clock) -> None:
    health = health_with(
        clock, groq=Limits(requests_per_minute=7), gemini=Limits(requests_per_minute=3)
    )
    made: dict[Candidate, list[float]] = {GROQ: [], GEMINI: []}
    for _ in range(200):
        while isinstance(leave := health.admit_first([GROQ, GEMINI]), list):
            clock.passes(leave[0].at - clock.now)
        made[leave.candidate].append(clock.now)
        leave.succeeded()
    for candidate, limit in ((GROQ, 7), (GEMINI, 3)):
        times = made[candidate]
        pairs = zip(times, times[limit:], strict=False)
        assert all(later - earlier >= 59.999 for earlier, later in pairs)
    assert clock.now - 1000 <= 20 * 60
