"""What is remembered of each of a provider's keys, and what of all of them."""

from __future__ import annotations

import pytest

from adapters.base import ErrorKind, Scope
from proxy.candidate import Candidate
from proxy.limits.health import DayQuota, Health
from proxy.limits.ticket import Wait
from proxy.limits.windows import Limits
from tests.proxy.limits.kit import Clock, admitted, error, fail, health_with

MODEL = "llama-3.3-70b-versatile"
FIRST, SECOND = (Candidate("groq", MODEL, key) for key in (1, 2))
OTHER = Candidate("groq", "another", 1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def is_free(health: Health, candidate: Candidate) -> bool:
    return health.wait(candidate) is None


@pytest.mark.parametrize(
    ("kind", "scope", "rests"),
    [
        (ErrorKind.AUTH, Scope.KEY, {FIRST, OTHER}),
        (ErrorKind.ACCOUNT, Scope.PROVIDER, {FIRST, OTHER}),
        (ErrorKind.RATE_LIMIT, Scope.MODEL, {FIRST}),
        (ErrorKind.QUOTA_DAY, Scope.MODEL, {FIRST}),
        (ErrorKind.MODEL_MISSING, Scope.MODEL, {FIRST, SECOND}),
        (ErrorKind.OVERLOADED, Scope.PROVIDER, {FIRST, SECOND, OTHER}),
        (ErrorKind.TLS, Scope.PROVIDER, {FIRST, SECOND, OTHER}),
    ],
)
def test_a_failure_is_held_against_what_it_is_of(
    clock: Clock, kind: ErrorKind, scope: Scope, rests: set[Candidate]
) -> None:
    health = health_with(clock)
    admitted(health, FIRST).failed(error(kind, scope=scope))

    assert {c for c in (FIRST, SECOND, OTHER) if not is_free(health, c)} == rests


def test_three_failures_by_whichever_keys_open_the_breaker_of_all(clock: Clock) -> None:
    health = health_with(clock)
    for candidate in (FIRST, SECOND, FIRST):
        fail(health, ErrorKind.NETWORK, candidate=candidate)

    assert not is_free(health, FIRST) and not is_free(health, SECOND)
    early = health.admit_first([FIRST, SECOND])
    assert not isinstance(early, list)
    early.answered()
    assert is_free(health, FIRST) and is_free(health, SECOND)


def test_a_refused_key_is_left_out_for_a_day_or_until_its_owner_says(clock: Clock) -> None:
    health = health_with(clock)
    fail(health, ErrorKind.AUTH, candidate=FIRST)
    clock.passes(3600)
    assert not is_free(health, FIRST)

    health.try_again("groq")
    assert is_free(health, FIRST)
    fail(health, ErrorKind.AUTH, candidate=FIRST)
    clock.passes(86_401)
    assert is_free(health, FIRST)


def test_keys_of_one_account_use_up_the_same_limits(clock: Clock) -> None:
    limits = {"groq": Limits(requests_per_minute=2)}
    for sharing, most in ((frozenset[str](), 4), (frozenset({"groq"}), 2)):
        health = Health(limits, clock=lambda: clock.now, wall=lambda: clock.wall, sharing=sharing)
        taken = 0
        for candidate in (FIRST, SECOND) * 3:
            taken += not isinstance(health.admit(candidate), Wait)
        assert taken == most


def test_a_limit_that_keys_share_is_told_of_once(clock: Clock) -> None:
    health = Health(
        {}, clock=lambda: clock.now, wall=lambda: clock.wall, sharing=frozenset({"groq"})
    )
    fail(health, ErrorKind.QUOTA_DAY, candidate=SECOND)

    assert [(quota.model, quota.key) for quota in health.day_quotas()] == [(MODEL, 0)]
    assert not is_free(health, FIRST)
    fail(health, ErrorKind.AUTH, candidate=Candidate("groq", "another", 2))
    assert not is_free(health, Candidate("groq", "third", 2))
    assert is_free(health, OTHER)


def test_a_spent_day_outlives_the_run_by_its_key(clock: Clock) -> None:
    health = health_with(clock)
    fail(health, ErrorKind.QUOTA_DAY, candidate=SECOND)
    kept = health.day_quotas()
    assert kept == [DayQuota("groq", MODEL, clock.wall + 3600, 2)]

    again = health_with(clock)
    again.restore(kept)
    assert is_free(again, FIRST) and not is_free(again, SECOND)


def test_what_is_swept_leaves_nobody_without_the_record_it_stands_on(clock: Clock) -> None:
    health = health_with(clock)
    fail(health, ErrorKind.QUOTA_DAY, candidate=FIRST)
    for i in range(2000):
        health.wait(Candidate("groq", f"model-{i}", 1))
    health.try_again("groq")

    assert not is_free(health, FIRST)
