"""Cooldowns: whom a failure keeps out, for how long, and who is let in after it."""

from __future__ import annotations

import math

import pytest

from adapters.base import ErrorKind, Phase, Scope
from proxy.limits.health import Health
from proxy.limits.ticket import Wait
from tests.proxy.limits.kit import (
    ANSWERS,
    GEMINI,
    GROQ,
    GROQ_SMALL,
    Clock,
    admitted,
    error,
    fail,
    refused,
    wait_s,
)


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


def test_whoever_has_seen_to_it_brings_a_provider_back_at_once(health: Health) -> None:
    held = admitted(health)
    fail(health, ErrorKind.AUTH)
    health.try_again("groq")
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


def test_a_refused_account_is_left_alone_for_a_while_that_grows(
    clock: Clock, health: Health
) -> None:
    for out_s in (60, 120, 240, 480, 960, 1920, 3600, 3600):
        fail_account(health)
        assert wait_s(clock, health, GROQ_SMALL) == out_s  # its other models as well
        clock.passes(out_s)

    admitted(health).succeeded()
    fail_account(health)
    assert wait_s(clock, health) == 60


def fail_account(health: Health) -> None:
    admitted(health).failed(error(ErrorKind.ACCOUNT, scope=Scope.PROVIDER))


def test_many_that_fail_at_once_by_the_account_make_one_wait(clock: Clock, health: Health) -> None:
    for call in [admitted(health) for _ in range(5)]:
        call.failed(error(ErrorKind.ACCOUNT, scope=Scope.PROVIDER))
    assert wait_s(clock, health) == 60


def test_an_account_refused_for_one_model_leaves_the_others(health: Health) -> None:
    fail(health, ErrorKind.ACCOUNT)
    refused(health)
    admitted(health, GROQ_SMALL)
