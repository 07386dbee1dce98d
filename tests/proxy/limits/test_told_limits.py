"""Limits as the provider tells them in its answers' headers."""

from __future__ import annotations

import math

import pytest

from adapters.base import ErrorKind, Phase, RateLimits, Usage
from proxy.limits.health import Health
from proxy.limits.ticket import Ticket
from proxy.limits.windows import DAY_S
from tests.proxy.limits.kit import GROQ, Clock, admitted, error, refused, state_of, wait_s

# Limits of our own


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
    assert "tokens a minute, as reported" in refused(health, tokens=600).why
    clock.passes(6.001)
    admitted(health, tokens=600)


def test_a_spent_day_refills_request_by_request(clock: Clock, health: Health) -> None:
    told = RateLimits(limit_requests=1000, remaining_requests=0, reset_requests_s=DAY_S)
    admitted(health).observed(told)
    assert wait_s(clock, health) == pytest.approx(86.4)


def test_a_limit_of_requests_a_minute_is_called_so_and_refills_within_one(
    clock: Clock, health: Health
) -> None:
    told = RateLimits(limit_requests=600, remaining_requests=0, requests_s=60)
    admitted(health).observed(told)
    assert wait_s(clock, health) == pytest.approx(0.1)
    assert "requests a minute, as reported" in refused(health).why


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
