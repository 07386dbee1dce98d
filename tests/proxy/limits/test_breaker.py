"""The breaker: what opens and closes it, and that a guess alone never leaves nobody."""

from __future__ import annotations

from itertools import cycle, pairwise

import pytest

from adapters.base import ErrorKind, Phase, RateLimits
from proxy.candidate import Candidate
from proxy.limits.health import Health
from proxy.limits.ticket import GUESSED_KINDS, Ticket, Wait
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
    open_by_guess,
    refused,
    state_of,
    wait_s,
)

# The breaker


@pytest.mark.parametrize("kind", sorted(GUESSED_KINDS))
def test_three_failures_in_a_row_open_the_breaker(
    clock: Clock, health: Health, kind: ErrorKind
) -> None:
    fail(health, kind, times=2)
    admitted(health).abandoned()
    fail(health, kind)
    assert refused(health) == Wait(GROQ, clock.now + 5, kind, kind.replace("_", " "), told=False)


def test_half_of_five_in_half_a_minute_open_it_too(clock: Clock, health: Health) -> None:
    for _ in range(2):
        fail(health, ErrorKind.SERVER)
        admitted(health).succeeded()
        clock.passes(7)
    fail(health, ErrorKind.SERVER)
    assert wait_s(clock, health) == 5


def test_failures_half_a_minute_apart_are_forgotten(clock: Clock, health: Health) -> None:
    for _ in range(20):
        fail(health, ErrorKind.SERVER)
        admitted(health).succeeded()
        clock.passes(15)
    admitted(health)


def test_a_few_failures_among_many_good_calls_do_not_open_it(health: Health) -> None:
    for _ in range(30):
        fail(health, ErrorKind.SERVER)
        admitted(health).succeeded()
        admitted(health).succeeded()
    admitted(health)


def test_an_open_breaker_tries_one_call_after_each_doubling_wait(
    clock: Clock, health: Health
) -> None:
    fail(health, ErrorKind.SERVER, times=3)
    waits = []
    for _ in range(6):
        waits.append(wait_s(clock, health))
        clock.passes(waits[-1])
        probe = admitted(health)
        assert not refused(health).told
        probe.failed(error(ErrorKind.SERVER))
    assert waits == [5, 10, 20, 40, 60, 60]


def test_what_flaps_is_not_switched_to_and_from_all_the_time(clock: Clock, health: Health) -> None:
    answered_by: list[Candidate] = []
    fails = cycle([True, False])
    for _ in range(200):
        leave = health.admit_first([GROQ, GEMINI])
        if isinstance(leave, Ticket) and leave.candidate == GROQ and next(fails):
            leave.failed(error(ErrorKind.SERVER))
            leave = health.admit_first([GEMINI])
        assert isinstance(leave, Ticket)
        leave.succeeded()
        answered_by.append(leave.candidate)
        clock.passes(1)
    assert sum(one != other for one, other in pairwise(answered_by)) <= 20


def test_what_failed_again_right_after_its_return_is_out_at_once(
    clock: Clock, health: Health
) -> None:
    fail(health, ErrorKind.SERVER, times=3)
    clock.passes(5)
    admitted(health).succeeded()
    fail(health, ErrorKind.SERVER)
    assert wait_s(clock, health) == 10


def test_failures_of_calls_from_before_an_opening_do_not_count_twice(
    clock: Clock, health: Health
) -> None:
    burst = [admitted(health) for _ in range(50)]
    for ticket in burst:
        ticket.failed(error(ErrorKind.NETWORK))
    assert wait_s(clock, health) == 5


def test_a_stream_that_broke_after_its_first_content_counts_as_a_failure(health: Health) -> None:
    for _ in range(3):
        ticket = admitted(health)
        ticket.answered()
        ticket.failed(error(ErrorKind.STALL, phase=Phase.AFTER_CONTENT))
    assert refused(health).kind is ErrorKind.STALL


def test_a_client_that_left_is_held_against_nobody(health: Health) -> None:
    for _ in range(20):
        admitted(health).abandoned()
    assert state_of(health).state == "ready"


def test_the_end_of_a_call_counts_once(health: Health) -> None:
    ticket = admitted(health)
    ticket.succeeded()
    for _ in range(5):
        ticket.failed(error(ErrorKind.AUTH))
        ticket.abandoned()
        ticket.answered()
        ticket.observed(RateLimits(remaining_requests=0, limit_requests=10))
        ticket.succeeded()
    admitted(health)


# Never nobody by a guess alone


def test_the_first_ready_candidate_is_taken(health: Health) -> None:
    open_by_guess(health, GROQ)
    leave = health.admit_first([GROQ, GEMINI])
    assert isinstance(leave, Ticket)
    assert leave.candidate == GEMINI


def test_where_all_are_out_by_guess_the_soonest_is_tried_by_one_call(
    clock: Clock, health: Health
) -> None:
    open_by_guess(health, GROQ)
    clock.passes(1)
    open_by_guess(health, GEMINI)
    leave = health.admit_first([GEMINI, GROQ])
    assert isinstance(leave, Ticket)
    assert (leave.candidate, leave.is_probe) == (GROQ, True)
    leave.answered()
    assert not admitted(health).is_probe


def test_a_thousand_requests_while_all_is_down_cause_a_handful_of_calls(
    clock: Clock, health: Health
) -> None:
    calls = 0
    for _ in range(1000):
        tried: set[Candidate] = set()
        while not isinstance(leave := health.admit_first([GROQ, GEMINI]), list):
            if leave.candidate in tried:
                leave.abandoned()
                break
            tried.add(leave.candidate)
            calls += 1
            leave.failed(error(ErrorKind.NETWORK))
        clock.passes(0.001)
    assert calls == 2 * (3 + 1)


def test_while_all_stays_down_a_provider_sees_a_call_every_five_seconds_at_most(
    clock: Clock, health: Health
) -> None:
    open_by_guess(health, GROQ)
    calls: list[float] = []
    for _ in range(10 * 300):
        if isinstance(leave := health.admit_first([GROQ]), Ticket):
            calls.append(clock.now)
            leave.failed(error(ErrorKind.NETWORK))
        clock.passes(0.1)
    gaps = [later - earlier for earlier, later in pairwise(calls)]
    assert min(gaps) > 4.9
    assert max(gaps) < 6


def test_a_told_wait_is_kept_even_where_nobody_else_is_left(clock: Clock, health: Health) -> None:
    admitted(health, GROQ).failed(error(ErrorKind.RATE_LIMIT, 30))
    open_by_guess(health, GEMINI)
    leave = health.admit_first([GROQ, GEMINI])
    assert isinstance(leave, Ticket)
    assert leave.candidate == GEMINI
    waits = health.admit_first([GROQ, GEMINI])
    assert isinstance(waits, list)
    assert [wait.candidate for wait in waits] == [GEMINI, GROQ]


def test_a_guess_is_not_tried_early_against_a_wait_of_its_provider(health: Health) -> None:
    open_by_guess(health, GROQ)
    admitted(health, GROQ_SMALL).failed(error(ErrorKind.AUTH))
    assert isinstance(health.admit_first([GROQ]), list)


def test_a_guess_is_not_tried_early_over_a_limit(clock: Clock) -> None:
    health = health_with(clock, groq=Limits(requests_per_minute=3))
    open_by_guess(health, GROQ)
    assert health.admit_first([GROQ]) == [refused(health)]
