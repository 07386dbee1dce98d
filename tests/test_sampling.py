"""What is left of a long row of cases."""

from __future__ import annotations

from tests.sampling import spread


def test_a_part_has_both_ends_and_nothing_twice() -> None:
    for count in (2, 3, 64, 65, 100, 1000):
        for most in (2, 3, 64):
            found = spread(range(count), most, everything=False)
            assert len(found) == min(most, count)
            assert found == sorted(set(found)) and {0, count - 1} <= set(found)


def test_everything_is_everything() -> None:
    assert spread(iter("abc"), 2, everything=True) == ["a", "b", "c"]
