"""Which of the owner's names a client's name is."""

from __future__ import annotations

import pytest

from proxy.routing.planning.aliases import alias_of

NAMES = {
    "claude-*-haiku*": {"north": "small"},
    "claude-*": {"north": "large"},
    "claude-opus": {"north": "exact"},
    "xy*x": {"north": "pair"},
    "a*b*c": {"north": "three"},
}


@pytest.mark.parametrize(
    ("asked", "model"),
    [
        ("claude-3-5-haiku-latest", "small"),
        ("claude--haiku", "small"),
        ("claude-haiku", "large"),
        ("claude-opus-4", "large"),
        ("claude-", "large"),
        ("claude-opus", "exact"),
        ("a claude-opus-4", None),
        ("xyx", "pair"),
        ("xy", None),
        ("abc", "three"),
        ("a-bb-c", "three"),
        ("acb", None),
    ],
)
def test_a_star_stands_for_any_text(asked: str, model: str | None) -> None:
    assert alias_of(NAMES, asked).get("north") == model


def test_many_stars_take_no_time() -> None:
    pattern = "a*" * 60 + "b"

    assert alias_of({pattern: {"north": "m"}}, "a" * 128) == {}
