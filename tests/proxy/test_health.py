"""The router's memory: cooldowns, the breaker, limits, and what may be called when."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import cycle, pairwise

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from adapters.base import AdapterError, ErrorKind, Phase, RateLimits, Scope, Usage
from adapters.errors import LOST_KINDS, UNSENT_KINDS
from proxy.candidates import Candidate
from proxy.health import DayQuota, Health, Status
from proxy.ticket import GUESSED_KINDS, Ticket, Wait
from proxy.windows import DAY_S, Limits

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
)


class Clock:
    """Monotonic time in `now`, Unix time in `wall`; both pass together."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall = 1_800_000_000.0

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return health_with(clock)


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
    [status] = [s for s in health.snapshot() if (s.provider, s.model) == _key(candidate)]
    return status


def _key(candidate: Candidate) -> tuple[str, str]:
    return candidate.provider, candidate.model


# Told waits


def test_a_told_wait_lets_nobody_in_until_it_ends_and_then_one(
    clock: Clock, health: Health
) -> None:
    admitted(health).failed(error(ErrorKind.RATE_LIMIT, 2))
    clock.passes(1.75)
    assert refused(health) == Wait(GROQ, clock.now + 0.25, ErrorKind.RATE_LIMIT, "rate limit")
    clock.passes(0.25)
    probe = admitted(health)
    assert probe.is_probe
    assert refused(health).told  # that one may well be answered
    probe.answered()
    assert not admitted(health).is_probe


def test_a_wait_of_one_model_leaves_the_others_alone(health: Health) -> None:
    admitted(health).failed(error(ErrorKind.RATE_LIMIT, 2))
    admitted(health, GROQ_SMALL)
    admitted(health, GEMINI)


@pytest.mark.parametrize("scope", [Scope.PROVIDER, Scope.KEY])
def test_a_wait_of_a_provider_holds_for_all_its_models(
    clock: Clock, health: Health, scope: Scope
) -> None:
    admitted(health).failed(error(ErrorKind.RATE_LIMIT, 2, scope=scope))
    assert wait_s(clock, health, GROQ_SMALL) == 2
    admitted(health, GEMINI)
    clock.passes(2)
    admitted(health, GROQ_SMALL)
    refused(health, GROQ)


def test_a_shorter_wait_does_not_end_a_longer_one(clock: Clock, health: Health) -> None:
    both = [admitted(health), admitted(health)]
    both[0].failed(error(ErrorKind.RATE_LIMIT, 30))
    both[1].failed(error(ErrorKind.RATE_LIMIT, 2))
    assert wait_s(clock, health) == 30


def test_the_late_success_of_an_earlier_call_does_not_end_a_wait(
    clock: Clock, health: Health
) -> None:
    early, throttled = admitted(health), admitted(health)
    throttled.failed(error(ErrorKind.RATE_LIMIT, 30))
    early.succeeded()
    assert wait_s(clock, health) == 30


def test_the_success_of_a_probe_does_not_end_a_wait_told_since(
    clock: Clock, health: Health
) -> None:
    early, throttled = admitted(health), admitted(health)
    throttled.failed(error(ErrorKind.RATE_LIMIT, 2))
    clock.passes(2)
    probe = admitted(health)
    early.failed(error(ErrorKind.RATE_LIMIT, 9))
    probe.succeeded()
    assert wait_s(clock, health) == 9


@pytest.mark.parametrize(
    ("kind", "told", "longest"),
    [
        (ErrorKind.RATE_LIMIT, 1e9, 3600),
        (ErrorKind.SERVER, 1e300, 3600),
        (ErrorKind.QUOTA_DAY, 1e9, 26 * 3600),
        (ErrorKind.RATE_LIMIT, 0, 5),
        (ErrorKind.RATE_LIMIT, -5, 5),
        (ErrorKind.RATE_LIMIT, math.nan, 5),
        (ErrorKind.RATE_LIMIT, math.inf, 5),
        (ErrorKind.QUOTA_DAY, None, 3600),
        (ErrorKind.OVERLOADED, None, 2),
        (ErrorKind.OVERLOADED, 4, 4),
        (ErrorKind.SERVER, 7, 7),
        (ErrorKind.MODEL_MISSING, None, 600),
    ],
)
def test_every_wait_has_a_sane_length(
    clock: Clock, health: Health, kind: ErrorKind, told: float | None, longest: float
) -> None:
    admitted(health).failed(error(kind, told))
    assert wait_s(clock, health) == longest


def test_untold_limits_are_waited_for_longer_each_time_up_to_a_minute(
    clock: Clock, health: Health
) -> None:
    waits = []
    for _ in range(6):
        admitted(health).failed(error(ErrorKind.RATE_LIMIT))
        waits.append(wait_s(clock, health))
        clock.passes(waits[-1])
    assert waits == [5, 10, 20, 40, 60, 60]


def test_many_refusals_of_one_burst_count_as_one(clock: Clock, health: Health) -> None:
    burst = [admitted(health) for _ in range(100)]
    for ticket in burst:
        ticket.failed(error(ErrorKind.RATE_LIMIT))
    assert wait_s(clock, health) == 5


def test_untold_waits_begin_anew_after_a_good_minute(clock: Clock, health: Health) -> None:
    fail(health, ErrorKind.RATE_LIMIT)
    clock.passes(5)
    admitted(health).succeeded()
    clock.passes(60)
    fail(health, ErrorKind.RATE_LIMIT)
    assert wait_s(clock, health) == 5


@pytest.mark.parametrize(("kind", "out_s"), [(ErrorKind.AUTH, 600), (ErrorKind.TLS, 60)])
def test_a_dead_key_costs_one_call_and_takes_the_whole_provider_out(
    clock: Clock, health: Health, kind: ErrorKind, out_s: float
) -> None:
    fail(health, kind)
    assert wait_s(clock, health, GROQ_SMALL) == out_s
    assert isinstance(health.admit_first([GROQ, GROQ_SMALL]), list)
    clock.passes(out_s)
    fail(health, kind)
    assert refused(health).kind is kind


def test_new_settings_bring_a_provider_back_at_once(health: Health) -> None:
    held = admitted(health)
    fail(health, ErrorKind.AUTH)
    health.forget("groq")
    held.failed(error(ErrorKind.AUTH))  # the old key's last word
    assert not admitted(health, GROQ).is_probe
    assert not admitted(health, GROQ_SMALL).is_probe


@pytest.mark.parametrize("kind", ANSWERS)
def test_what_is_the_requests_own_fault_is_held_against_nobody(
    clock: Clock, health: Health, kind: ErrorKind
) -> None:
    fail(health, kind, times=10)
    fail(health, ErrorKind.RATE_LIMIT)
    clock.passes(5)
    fail(health, kind)  # as a probe it shows that the provider answers again
    assert not admitted(health).is_probe


def test_a_probe_that_was_never_sent_proves_nothing(clock: Clock, health: Health) -> None:
    fail(health, ErrorKind.RATE_LIMIT)
    clock.passes(5)
    admitted(health).failed(error(ErrorKind.UNSUPPORTED, phase=Phase.BEFORE_SEND))
    assert admitted(health).is_probe


def test_a_probe_that_its_client_left_makes_room_for_another(clock: Clock, health: Health) -> None:
    fail(health, ErrorKind.RATE_LIMIT)
    clock.passes(5)
    admitted(health).abandoned()
    assert admitted(health).is_probe


# The day's quota


@pytest.mark.parametrize("scope", [Scope.MODEL, Scope.KEY])
def test_a_spent_day_survives_a_restart(clock: Clock, health: Health, scope: Scope) -> None:
    admitted(health).failed(error(ErrorKind.QUOTA_DAY, 5 * 3600, scope=scope))
    kept = health.day_quotas()
    model = GROQ.model if scope is Scope.MODEL else None
    assert kept == [DayQuota("groq", model, clock.wall + 5 * 3600)]
    clock.wall += 3600  # while nothing ran; the monotonic clock begins anew
    clock.now = 3.0
    again = health_with(clock)
    again.restore(kept)
    assert wait_s(clock, again) == 4 * 3600
    assert refused(again).kind is ErrorKind.QUOTA_DAY
    assert again.day_quotas() == kept


def test_a_minutes_wait_is_not_kept_over_a_restart(health: Health) -> None:
    admitted(health).failed(error(ErrorKind.RATE_LIMIT, 50))
    assert health.day_quotas() == []


@pytest.mark.parametrize("until_in_s", [0.0, -DAY_S, math.nan])
def test_a_day_that_is_over_is_not_restored(
    clock: Clock, health: Health, until_in_s: float
) -> None:
    health.restore([DayQuota("groq", None, clock.wall + until_in_s)])
    assert not admitted(health).is_probe


def test_a_restored_day_is_never_longer_than_a_day_can_be(clock: Clock, health: Health) -> None:
    health.restore([DayQuota("groq", GROQ.model, clock.wall + 1e9)])
    assert wait_s(clock, health) == 26 * 3600


def test_a_day_ends_by_the_wall_clock_when_the_machine_has_slept(
    clock: Clock, health: Health
) -> None:
    admitted(health).failed(error(ErrorKind.QUOTA_DAY, 5 * 3600))
    clock.wall += 5 * 3600
    assert health.day_quotas() == []
    assert admitted(health).is_probe
    assert refused(health).kind is ErrorKind.QUOTA_DAY


@pytest.mark.parametrize("jump_s", [-DAY_S, -3600, 3600, DAY_S])
def test_a_jump_of_the_wall_clock_changes_no_other_wait(
    clock: Clock, health: Health, jump_s: float
) -> None:
    admitted(health).failed(error(ErrorKind.RATE_LIMIT, 20))
    clock.wall += jump_s
    assert wait_s(clock, health) == 20


def test_the_end_of_a_day_by_the_wall_clock_ends_no_other_wait(
    clock: Clock, health: Health
) -> None:
    two = [admitted(health), admitted(health)]
    two[0].failed(error(ErrorKind.QUOTA_DAY, 5 * 3600))
    two[1].failed(error(ErrorKind.RATE_LIMIT, 40))
    assert refused(health).kind is ErrorKind.QUOTA_DAY
    clock.wall += DAY_S
    assert (wait_s(clock, health), refused(health).kind) == (40, ErrorKind.RATE_LIMIT)


def test_a_day_is_not_prolonged_by_a_wall_clock_set_back(clock: Clock, health: Health) -> None:
    admitted(health).failed(error(ErrorKind.QUOTA_DAY, 3600))
    clock.wall -= DAY_S
    clock.now += 3600
    admitted(health)


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


def open_by_guess(health: Health, *candidates: Candidate) -> None:
    for candidate in candidates:
        fail(health, ErrorKind.BROKEN, times=3, candidate=candidate)


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


# Limits of our own


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


def test_headers_of_several_calls_are_each_taken_for_one_of_them(
    clock: Clock, health: Health
) -> None:
    ticket = health.admit(GROQ, tokens=10, calls=3)
    assert isinstance(ticket, Ticket)
    left = []
    for remaining in (98, 98, 97):  # they began at once, and each answer knows of more of them
        ticket.observed(RateLimits(limit_requests=100, remaining_requests=remaining))
        [used] = [gauge.used for gauge in state_of(health).gauges]
        left.append(100 - used)

    assert left == [96, 97, 97]  # less those that the headers cannot know of yet


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


# Limits as the provider tells them


def test_reset_is_the_time_to_a_full_bucket_and_not_waited_for(health: Health) -> None:
    ticket = admitted(health)
    ticket.observed(
        RateLimits(
            limit_requests=1000,
            remaining_requests=999,
            reset_requests_s=86.4,
            limit_tokens=6000,
            remaining_tokens=5900,
            reset_tokens_s=1.0,
        )
    )
    ticket.succeeded()
    admitted(health, tokens=500)


def test_what_remains_is_too_little_so_the_need_alone_is_waited_for(
    clock: Clock, health: Health
) -> None:
    admitted(health).observed(
        RateLimits(limit_tokens=6000, remaining_tokens=0, reset_tokens_s=60.0)
    )
    assert wait_s(clock, health, tokens=600) == pytest.approx(6)
    assert "tokens a minute, as told" in refused(health, tokens=600).why
    clock.passes(6.001)
    admitted(health, tokens=600)


def test_a_spent_day_refills_request_by_request(clock: Clock, health: Health) -> None:
    told = RateLimits(limit_requests=1000, remaining_requests=0, reset_requests_s=DAY_S)
    admitted(health).observed(told)
    assert wait_s(clock, health) == pytest.approx(86.4)


def test_a_bucket_that_is_full_soon_is_believed(clock: Clock, health: Health) -> None:
    told = RateLimits(limit_tokens=6000, remaining_tokens=0, reset_tokens_s=0.5)
    admitted(health).observed(told)
    assert wait_s(clock, health, tokens=6000) == pytest.approx(0.5)


def test_calls_that_the_headers_cannot_know_of_yet_are_taken_off(
    clock: Clock, health: Health
) -> None:
    first, _second = admitted(health, tokens=1000), admitted(health, tokens=2000)
    first.observed(RateLimits(limit_tokens=6000, remaining_tokens=5000, reset_tokens_s=10))
    admitted(health, tokens=3000)
    assert wait_s(clock, health, tokens=600) == pytest.approx(6)


def test_an_unsent_call_gives_back_what_it_took_of_a_told_bucket(
    clock: Clock, health: Health
) -> None:
    told = RateLimits(
        limit_requests=10,
        remaining_requests=1,
        reset_requests_s=9 * 8640.0,
        limit_tokens=600,
        remaining_tokens=600,
    )
    admitted(health).observed(told)
    unsent = admitted(health, tokens=600)
    assert wait_s(clock, health, tokens=1) == pytest.approx(8640)
    unsent.failed(error(ErrorKind.NETWORK, phase=Phase.BEFORE_SEND))
    admitted(health, tokens=600)


def test_a_streams_own_answer_is_not_counted_against_its_headers_again(
    clock: Clock, health: Health
) -> None:
    stream = admitted(health, tokens=500)
    stream.observed(RateLimits(limit_tokens=6000, remaining_tokens=600, reset_tokens_s=54))
    stream.failed(error(ErrorKind.BAD_REQUEST))
    assert wait_s(clock, health, tokens=700) == pytest.approx(1)


def test_real_usage_replaces_the_estimate_in_a_told_bucket(clock: Clock, health: Health) -> None:
    admitted(health).observed(RateLimits(limit_tokens=6000, remaining_tokens=6000))
    admitted(health, tokens=5000).succeeded(Usage(prompt=1000))
    admitted(health, tokens=5000).abandoned()
    assert wait_s(clock, health, tokens=100) == pytest.approx(1)


@pytest.mark.parametrize(
    "told",
    [
        RateLimits(),
        RateLimits(limit_tokens=0, remaining_tokens=0),
        RateLimits(remaining_tokens=0),
        RateLimits(limit_tokens=-5, remaining_tokens=-7, reset_tokens_s=-1),
        RateLimits(limit_tokens=100, remaining_tokens=10**9, reset_tokens_s=math.nan),
        RateLimits(limit_requests=5),
    ],
)
def test_headers_without_sense_change_nothing(health: Health, told: RateLimits) -> None:
    admitted(health).observed(told)
    admitted(health, tokens=100)


# For people, and for a long life


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
    assert {_key(GEMINI), _key(GROQ)} <= known
    assert len(known) < 1024


# All of it at once


class Life(RuleBasedStateMachine):
    """Any order of calls, ends, waits and clock jumps, against a plain account of what is due."""

    limits = Limits(requests_per_minute=4, tokens_per_minute=100, requests_per_day=40)
    candidates = (GROQ, GROQ_SMALL, GEMINI)

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.health = health_with(self.clock, groq=self.limits)
        self.under_way: list[tuple[Ticket, list[dict[str, float]]]] = []
        self.calls: dict[Candidate, list[dict[str, float]]] = {c: [] for c in self.candidates}
        self.told: dict[str, list[tuple[float, float]]] = {}
        self.doubted: dict[str, set[Ticket]] = {}  # calls let in since a place told a wait

    def places(self, candidate: Candidate) -> tuple[str, str]:
        return candidate.provider, str(candidate)

    def let_in(self, ticket: Ticket, tokens: int, calls: int) -> None:
        call = {"at": self.clock.now, "tokens": float(min(tokens, 100)), "requests": 1.0}
        begun = [dict(call) for _ in range(calls)]
        for place in self.places(ticket.candidate):
            for end, wall_end in self.told.get(place, []):
                assert self.clock.now >= end or self.clock.wall >= wall_end, "a told wait was cut"
            if place in self.doubted:
                self.doubted[place].add(ticket)
        self.calls[ticket.candidate] += begun
        self.under_way.append((ticket, begun))
        if ticket.candidate.provider == "groq":
            self.check_windows(ticket.candidate)

    def check_windows(self, candidate: Candidate) -> None:
        def used(what: str, period_s: float) -> float:
            since = self.clock.now - period_s
            return sum(call[what] for call in self.calls[candidate] if call["at"] > since)

        assert used("requests", 60) <= 4
        assert used("requests", DAY_S) <= 40
        assert used("tokens", 60) <= 100

    @rule(
        which=st.lists(st.sampled_from(candidates), min_size=1, unique=True),
        tokens=st.integers(0, 120),
        calls=st.dictionaries(st.sampled_from(candidates), st.integers(2, 6)),
    )
    def ask(self, which: list[Candidate], tokens: int, calls: dict[Candidate, int]) -> None:
        leave = self.health.admit_first(which, tokens, calls)
        if isinstance(leave, Ticket):
            self.let_in(leave, tokens, calls.get(leave.candidate, 1))
        else:
            assert sorted(leave, key=lambda wait: wait.at) == leave
            for wait in leave:
                is_never = wait.param is not None
                assert is_never or self.clock.now < wait.at <= self.clock.now + 26 * 3600
                assert not is_never or wait.candidate in calls

    @rule(candidate=st.sampled_from(candidates), tokens=st.integers(0, 120))
    def ask_one(self, candidate: Candidate, tokens: int) -> None:
        leave = self.health.admit(candidate, tokens)
        if isinstance(leave, Ticket):
            self.let_in(leave, tokens, 1)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), used=st.integers(0, 150))
    def answer(self, data: st.DataObject, used: int) -> None:
        ticket, calls = self.take(data)
        ticket.answered()
        ticket.succeeded(Usage(prompt=used))
        if len(calls) == 1:
            calls[0]["tokens"] = used
        self.trust(ticket)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), used=st.integers(0, 150), kind=st.none() | st.sampled_from(ErrorKind))
    def end_one(self, data: st.DataObject, used: int, kind: ErrorKind | None) -> None:
        """One of several calls ends, for itself."""
        ticket, calls = data.draw(st.sampled_from(self.under_way))
        number = data.draw(st.integers(0, len(calls) - 1))
        call = calls[number]
        if len(calls) > 1 and "over" not in call:
            ticket.spent(number, error(kind) if kind else Usage(completion=used))
            call["over"] = 1
            if kind:
                self.give_back(call, kind)
            else:
                call["tokens"] = used

    def give_back(self, call: dict[str, float], kind: ErrorKind) -> None:
        if kind in UNSENT_KINDS:
            call["requests"] = 0
        if kind not in LOST_KINDS:
            call["tokens"] = 0

    def trust(self, ticket: Ticket) -> None:
        """`ticket` was answered: a place that was in doubt when it was let in is so no more."""
        for place in self.places(ticket.candidate):
            if ticket in self.doubted.get(place, ()):
                del self.doubted[place]

    @precondition(lambda self: self.under_way)
    @rule(
        data=st.data(),
        limit=st.sampled_from([None, -1, 0, 50, 1000]),
        remaining=st.sampled_from([None, -1, 0, 7, 2000]),
        reset_s=st.sampled_from([None, -1.0, 0.0, 0.5, 1e9, math.inf]),
    )
    def observe(
        self, data: st.DataObject, limit: int | None, remaining: int | None, reset_s: float | None
    ) -> None:
        ticket = data.draw(st.sampled_from([ticket for ticket, _ in self.under_way]))
        ticket.observed(RateLimits(limit, remaining, reset_s, limit, remaining, reset_s))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.take(data)[0].abandoned()

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def make_none(self, data: st.DataObject) -> None:
        ticket, calls = self.take(data)
        ticket.unused()
        for call in calls:
            if "over" not in call:
                call["requests"] = call["tokens"] = 0

    @precondition(lambda self: self.under_way)
    @rule(
        data=st.data(),
        kind=st.sampled_from(sorted(ErrorKind)),
        scope=st.sampled_from(sorted(Scope)),
        wait_s=st.sampled_from([None, 0.5, 3, 40, 600, 7200]),
    )
    def fail(
        self, data: st.DataObject, kind: ErrorKind, scope: Scope, wait_s: float | None
    ) -> None:
        ticket, calls = self.take(data)
        ticket.failed(error(kind, wait_s, scope=scope))
        if len(calls) == 1:
            self.give_back(calls[0], kind)
        if kind in ANSWERS:
            self.trust(ticket)
        if wait_s and kind in (ErrorKind.RATE_LIMIT, ErrorKind.QUOTA_DAY, ErrorKind.SERVER):
            self.tell(ticket.candidate, kind, scope, wait_s)

    def tell(self, candidate: Candidate, kind: ErrorKind, scope: Scope, wait_s: float) -> None:
        provider, model = self.places(candidate)
        place = provider if scope in (Scope.PROVIDER, Scope.KEY) else model
        waits = self.told.setdefault(place, [])
        if kind is ErrorKind.QUOTA_DAY:
            end = self.clock.now + wait_s
            waits[:] = [wait for wait in waits if wait[0] > end or wait[1] == math.inf]
            waits.append((end, self.clock.wall + wait_s))
        else:
            waits.append((self.clock.now + min(wait_s, 3600), math.inf))
        self.doubted[place] = set()

    def take(self, data: st.DataObject) -> tuple[Ticket, list[dict[str, float]]]:
        return self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))

    @rule(seconds=st.sampled_from([0.25, 1, 5, 10, 30, 60, 600, 7200]))
    def wait(self, seconds: float) -> None:
        self.clock.passes(seconds)
        self.forget_ended_days()

    @rule(seconds=st.sampled_from([-DAY_S, -3600, 3600, DAY_S]))
    def jump(self, seconds: float) -> None:
        self.clock.wall += seconds
        self.health.snapshot()
        self.forget_ended_days()

    def forget_ended_days(self) -> None:
        self.told = {
            place: [ends for ends in waits if self.clock.wall < ends[1]]
            for place, waits in self.told.items()
        }

    @rule()
    def restart(self) -> None:
        kept = self.health.day_quotas()
        self.health = health_with(self.clock, groq=self.limits)
        self.health.restore(kept)
        self.under_way = []
        self.calls = {candidate: [] for candidate in self.candidates}
        self.told = {
            place: [ends for ends in waits if self.clock.now < ends[0] and ends[1] < math.inf]
            for place, waits in self.told.items()
        }
        self.doubted = {place: set() for place, waits in self.told.items() if waits}

    @invariant()
    def at_most_one_call_tries_what_is_in_doubt(self) -> None:
        open_tickets = {ticket for ticket, _ in self.under_way}
        assert all(len(tickets & open_tickets) <= 1 for tickets in self.doubted.values())
        trying = [ticket.candidate for ticket, _ in self.under_way if ticket.is_probe]
        assert len(trying) == len(set(trying))

    def teardown(self) -> None:
        for ticket, _ in self.under_way:
            ticket.abandoned()
        self.clock.passes(26 * 3600 + DAY_S)
        for candidate in self.candidates:
            admitted(self.health, candidate, tokens=100).succeeded()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
