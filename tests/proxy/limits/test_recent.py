"""A count over a sliding window."""

from __future__ import annotations

import pytest

from proxy.limits.recent import PARTS, Recent


def test_what_is_as_old_as_the_window_is_forgotten() -> None:
    recent = Recent(10)
    for now in (100, 101, 101.5):
        recent.add(now)
    assert [recent.count(now) for now in (101.5, 109.9, 110, 111, 112)] == [3, 3, 2, 1, 0]


def test_nothing_is_forgotten_late_and_little_early() -> None:
    recent = Recent(10)
    times = [100 + n * 0.013 for n in range(2000)]
    for now in times:
        recent.add(now)
        exact = sum(time > now - 10 for time in times if time <= now)
        assert exact - 8 <= recent.count(now) <= exact  # 8 of them come in a hundredth of 10 s


def test_it_stays_small_however_many_come() -> None:
    recent = Recent(10)
    for n in range(100_000):
        recent.add(n * 0.001)
    assert len(recent._parts) <= PARTS + 1
    assert recent.count(100) == pytest.approx(10_000, rel=0.01)


def test_it_is_empty_once_cleared() -> None:
    recent = Recent(10)
    recent.add(1)
    recent.clear()
    assert recent.count(1) == 0
    recent.add(1)
    assert recent.count(1) == 1
