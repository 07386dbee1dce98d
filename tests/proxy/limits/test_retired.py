"""Models that are gone: when another one is asked for them, and when they are back."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.base import AdapterError, ErrorKind, Model
from proxy.limits.retired import KEPT_S, MAX_GONE, Retired

REFUSAL = AdapterError(
    ErrorKind.MODEL_MISSING,
    "`old` was decommissioned",
    provider="north",
    status=404,
    upstream_code="decommissioned",
)


@dataclass
class Wall:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def retired(wall: Wall | None = None) -> Retired:
    return Retired({"north": "built-in"}, wall=wall or Wall())


def listed(one: Retired, *names: str) -> None:
    one.listed("north", [Model(name) for name in names])


def test_a_built_in_default_that_the_list_lacks_is_never_asked() -> None:
    one = retired()
    assert one.serving["north", "built-in"] == "built-in"  # nobody knows yet

    listed(one, "young")

    assert one.serving["north", "built-in"] == "young"
    assert one.serving["north", "set by hand"] == "set by hand"  # its provider has the last word
    assert "not in the provider's list" in one.words("north", "built-in")
    listed(one, "young", "built-in:latest")
    assert one.serving["north", "built-in"] == "built-in"
    assert not one.has_news


def test_what_its_provider_refuses_is_replaced_until_the_list_has_it_again() -> None:
    one = retired()
    listed(one, "young")
    assert one.retire("north", "old", REFUSAL)

    assert one.serving["north", "old"] == "young"
    assert one.words("north", "old") == "has no such model: 404 decommissioned"
    listed(one, "young")
    assert one.serving["north", "old"] == "young"
    listed(one, "young", "old")
    assert one.serving["north", "old"] == "old"
    assert one.gone() == []


def test_a_model_that_is_listed_and_refused_all_the_same_stays_replaced() -> None:
    one = retired()
    listed(one, "old", "young")
    one.retire("north", "old", REFUSAL)
    listed(one, "old", "young")

    assert one.serving["north", "old"] == "young"
    one.answered("north", "old")
    assert one.serving["north", "old"] == "old"


def test_nothing_is_retired_where_no_list_can_be_had() -> None:
    one = retired()

    assert not one.retire("north", "old", REFUSAL)
    listed(one)
    assert not one.retire("north", "old", REFUSAL)
    assert (one.serving["north", "old"], one.gone()) == ("old", [])


def test_a_replacement_that_is_gone_too_is_replaced() -> None:
    one = retired()
    listed(one, "a", "b")
    one.retire("north", "old", REFUSAL)
    assert one.serving["north", "old"] == "a"
    one.retire("north", "a", REFUSAL)

    assert one.serving["north", "old"] == "b"
    one.retire("north", "b", REFUSAL)
    assert one.serving["north", "old"] == "old"  # nobody is left: its provider's words stand


def test_what_an_earlier_run_knew_holds_and_ends_after_a_week() -> None:
    wall = Wall()
    before = retired(wall)
    listed(before, "young")
    before.retire("north", "old", REFUSAL)
    after = retired(wall)
    after.restore(before.gone())
    assert after.serving["north", "old"] == "built-in"  # until the list is known
    listed(after, "young")

    assert after.serving["north", "old"] == "young"
    assert after.words("north", "old") == "has no such model: 404 decommissioned"
    wall.now += KEPT_S
    assert after.gone() == []
    assert after.serving["north", "old"] == "old"


def test_no_more_are_kept_than_there_is_room_for() -> None:
    one = retired()
    listed(one, "young")
    for i in range(MAX_GONE + 5):
        one.retire("north", f"m{i}", REFUSAL)

    assert [gone.model for gone in one.gone()] == [f"m{i}" for i in range(5, MAX_GONE + 5)]
