"""The keys of a provider: their order, their names, and what is kept of them over a restart."""

from __future__ import annotations

from adapters.base import ProviderSettings
from proxy.candidate import Candidate
from proxy.routing.planning.keys import Keys, ends_of
from proxy.routing.planning.plan import Plan
from tests.proxy.kit import ScriptedAdapter, adapter_class


def adapters(name: str, keys: str, **fields: object) -> list[ScriptedAdapter]:
    settings = ProviderSettings.model_validate({"name": name, "api_key": keys, **fields})
    made = adapter_class(name)
    return [made(one) for one in settings.by_key()]


def test_a_plan_holds_each_key_behind_the_other() -> None:
    keys = Keys({"north": adapters("north", "one,two"), "south": adapters("south", "three")})
    plan = Plan((Candidate("south", "s"), Candidate("north", "n")), True)
    told = keys.spread(plan)

    assert told.candidates == (
        Candidate("south", "s"),
        Candidate("north", "n", 1),
        Candidate("north", "n", 2),
    )
    assert told.pinned


def test_what_is_written_where_a_key_should_be_is_none() -> None:
    for text, count in (("one,your_key_here", 1), ("one,,one, two,", 2), ("<key>,...", 1)):
        assert len(adapters("north", text)) == count, text
    assert adapters("north", "<key>,...")[0].settings.api_key is None


def test_a_key_is_called_by_its_end_where_that_tells_it_from_others() -> None:
    assert ends_of(["gsk_aaaaaaaa1111", "gsk_aaaaaaaa2222"]) == ["…1111", "…2222"]
    assert ends_of(["gsk_aaaaaaaa1111", "gsk_bbbbbbbb1111", "short"]) == ["#1", "#2", "#3"]


def test_a_place_outlives_a_change_of_the_order() -> None:
    before = Keys({"north": adapters("north", "one,two")})
    after = Keys({"north": adapters("north", "two,new")})
    shared = Keys({"north": adapters("north", "one,two", keys_share_limits=True)})

    assert after.placed(before.place("north", 2)) == ("north", 1)
    assert after.placed(before.place("north", 1)) is None
    assert "two" not in before.place("north", 2)
    assert before.placed("south") == ("south", 0)
    assert (before.placed("north"), shared.placed("north")) == (None, ("north", 0))
