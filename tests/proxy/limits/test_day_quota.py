"""A spent day: it ends by the wall clock, and survives a restart."""

from __future__ import annotations

import math

import pytest

from adapters.base import ErrorKind, Scope
from proxy.limits.health import DayQuota, Health
from proxy.limits.windows import DAY_S
from tests.proxy.limits.kit import GROQ, Clock, admitted, error, health_with, refused, wait_s


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


def test_a_restored_day_that_was_told_by_a_wrong_clock_ends_within_a_day_by_each(
    clock: Clock, health: Health
) -> None:
    admitted(health).failed(error(ErrorKind.QUOTA_DAY, 40))
    clock.wall -= 2 * DAY_S  # it was two days ahead
    again = health_with(clock)
    again.restore(health.day_quotas())
    assert wait_s(clock, again) == 26 * 3600
    later = health_with(clock)
    later.restore(again.day_quotas())
    assert wait_s(clock, later) == 26 * 3600, "no restart prolongs it"
    clock.wall += 26 * 3600
    probe = admitted(later)
    assert probe.is_probe
    refused(later)


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


def test_a_shorter_day_that_was_told_later_is_not_cut_by_the_end_of_a_longer_one(
    clock: Clock, health: Health
) -> None:
    first, second = admitted(health), admitted(health)
    first.failed(error(ErrorKind.QUOTA_DAY, 7200))
    clock.passes(3500)
    clock.wall += 3600  # the first would end in 100 s by the wall clock
    second.failed(error(ErrorKind.QUOTA_DAY, 600))
    clock.passes(599)
    refused(health)
    clock.passes(1)
    assert admitted(health).is_probe
    refused(health)


def test_a_day_that_is_over_by_the_wall_clock_prolongs_no_later_one(
    clock: Clock, health: Health
) -> None:
    first, second = admitted(health), admitted(health)
    first.failed(error(ErrorKind.QUOTA_DAY, 7200))
    clock.wall += 7200
    second.failed(error(ErrorKind.QUOTA_DAY, 600))
    assert wait_s(clock, health) == 600
