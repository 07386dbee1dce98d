"""Which providers may answer, in which order: row by row of the table in the README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec import structs

from adapters.base import Capabilities
from proxy.candidate import Candidate
from proxy.errors import ApiError
from proxy.routing.operations.chat import CHAT
from proxy.routing.planning.candidates import Chooser, lacks
from proxy.routing.planning.plan import Skipped
from proxy.routing.planning.preference import Preference
from tests.proxy.kit import EVERYTHING, ScriptedAdapter, adapter, request

TOOL = {"type": "function", "function": {"name": "measure"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
FILE = {"type": "file", "file": {"file_data": "AA=="}}


@dataclass
class Station:
    """Three providers and a last resort, and what a chooser makes of them."""

    adapters: dict[str, ScriptedAdapter]
    lists: dict[str, Sequence[str]] = field(default_factory=dict)
    stand_in: str | None = None

    def plan_of(self, model: str, preference: Preference | None = None, **fields: Any) -> Any:
        chooser = Chooser(self.adapters, listed=self.listed, last_resort=lambda _: self.stand_in)
        chosen = preference or Preference("local", chosen=True)
        return chooser.plan(request(model, **fields), chosen)

    def order(self, model: str, preference: Preference | None = None, **fields: Any) -> list[str]:
        return [str(found) for found in self.plan_of(model, preference, **fields).candidates]

    def listed(self, model: str) -> Sequence[str]:
        return [name for name, models in self.lists.items() if model in models]

    def unset(self, *names: str) -> None:
        for name in names:
            self.adapters[name].script.unset = f"{name.upper()}_API_KEY is not set"

    def can(self, name: str, abilities: Capabilities) -> None:
        self.adapters[name].script.abilities = abilities


@pytest.fixture
def station() -> Station:
    made = [
        adapter("local"),
        adapter("north"),
        adapter("south"),
        adapter("inside", last_resort=True),
    ]
    return Station({one.name: one for one in made})


# Any name that no provider lists


@pytest.mark.parametrize("model", ["gpt-4o", "default", "openai/gpt-4o", "a/b/c", "localx/y"])
def test_any_other_name_goes_to_the_preferred_provider(station: Station, model: str) -> None:
    assert station.order(model) == ["local/local-model", "north/north-model", "south/south-model"]


def test_the_preferred_one_comes_first_then_the_fallback_order(station: Station) -> None:
    preference = Preference("south", chosen=True, fallback=("north", "south", "local"))

    assert station.order("x", preference) == [
        "south/south-model",
        "north/north-model",
        "local/local-model",
    ]


def test_a_fallback_list_leaves_out_who_is_not_on_it(station: Station) -> None:
    preference = Preference("south", chosen=True, fallback=("north",))

    assert station.order("x", preference) == ["south/south-model", "north/north-model"]


def test_the_preference_may_name_another_model(station: Station) -> None:
    preference = Preference("north", models={"north": "big", "local": "small"})

    assert station.order("x", preference) == ["north/big", "local/small", "south/south-model"]


def test_who_is_not_set_up_is_left_out(station: Station) -> None:
    station.unset("local", "south")

    assert station.order("x") == ["north/north-model"]


# An alias


def test_an_alias_is_each_providers_own_model(station: Station) -> None:
    aliases = {"fast": {"north": "tiny", "south": "flash"}}
    preference = Preference("south", chosen=True, aliases=aliases)

    assert station.order("fast", preference) == ["south/flash", "north/tiny", "local/local-model"]
    assert station.order("slow", preference)[0] == "south/south-model"


def test_a_star_in_an_alias_stands_for_any_text(station: Station) -> None:
    aliases = {"claude-*haiku*": {"north": "tiny"}, "claude-*": {"north": "flash"}}
    preference = Preference("north", aliases=aliases)

    assert station.order("claude-3-5-haiku-latest", preference)[0] == "north/tiny"
    assert station.order("claude-opus-4", preference)[0] == "north/flash"
    assert station.order("gpt-4o", preference)[0] == "north/north-model"


def test_an_alias_stands_over_a_listed_name(station: Station) -> None:
    station.lists = {"north": ["fast"]}
    preference = Preference("local", aliases={"fast": {"south": "flash"}})

    assert station.order("fast", preference)[0] == "south/flash"


# provider/model and provider


@pytest.mark.parametrize(
    ("model", "candidate"),
    [
        ("north/llama-3.3-70b", "north/llama-3.3-70b"),
        ("north/openai/gpt-oss-20b", "north/openai/gpt-oss-20b"),
        ("local/llama3.2:1b", "local/llama3.2:1b"),
        ("north", "north/north-model"),
        ("inside", "inside/inside-model"),
        ("inside/other", "inside/other"),
        ("North", "north/north-model"),
        ("LOCAL/llama3.2", "local/llama3.2"),
        ("Local/Llama3.2:1B", "local/Llama3.2:1B"),
        ("local:llama3.2", "local/llama3.2"),
        ("Local:llama3.2:1b", "local/llama3.2:1b"),
        ("local:hf.co/a/b:q4", "local/hf.co/a/b:q4"),
    ],
)
def test_a_named_provider_answers_alone(station: Station, model: str, candidate: str) -> None:
    plan = station.plan_of(model)

    assert [str(found) for found in plan.candidates] == [candidate]
    assert plan.pinned


def test_a_named_provider_uses_the_model_of_the_preference(station: Station) -> None:
    assert station.order("north", Preference("local", models={"north": "big"})) == ["north/big"]


@pytest.mark.parametrize("model", ["north/", "North/", "north:"])
def test_a_named_provider_without_the_model_that_it_announces_is_404(
    station: Station, model: str
) -> None:
    with pytest.raises(ApiError) as caught:
        station.plan_of(model)

    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


@pytest.mark.parametrize("model", ["north", "north/m"])
def test_a_named_provider_that_is_not_set_up_says_why(station: Station, model: str) -> None:
    station.unset("north")

    with pytest.raises(ApiError) as caught:
        station.plan_of(model)

    assert (caught.value.status, caught.value.provider) == (503, "north")
    assert "NORTH_API_KEY is not set" in caught.value.message
    assert caught.value.should_retry is False


# A name that a provider lists


def test_a_name_that_nobody_knows_is_warned_of(station: Station) -> None:
    station.lists = {"south": ["gemma"]}
    preference = Preference("local", aliases={"fast": {"south": "flash"}})

    for unknown in ("gpt-4o", "gemma2", "northern/m", "fastest"):
        plan = station.plan_of(unknown, preference)
        assert list(plan.warnings()) == [f"unknown_model={unknown}"]
    for known in ("default", "gemma", "fast", "north", "North/m"):
        assert list(station.plan_of(known, preference).warnings()) == []


def test_who_lists_the_name_comes_first_with_it(station: Station) -> None:
    station.lists = {"south": ["gemma"]}

    assert station.order("gemma") == ["south/gemma", "local/local-model", "north/north-model"]


def test_of_two_who_list_the_name_the_preferred_comes_first(station: Station) -> None:
    station.lists = {"south": ["gemma"], "north": ["gemma"]}

    assert station.order("gemma", Preference("north", chosen=True)) == [
        "north/gemma",
        "south/gemma",
        "local/local-model",
    ]


def test_who_lists_the_name_comes_first_even_off_the_fallback_list(station: Station) -> None:
    station.lists = {"south": ["gemma"], "inside": ["smol"]}
    preference = Preference("local", chosen=True, fallback=("north",))

    assert station.order("gemma", preference) == [
        "south/gemma",
        "local/local-model",
        "north/north-model",
    ]
    assert station.order("smol", preference)[0] == "inside/smol"


def test_a_list_of_one_who_is_not_set_up_any_more_does_not_count(station: Station) -> None:
    station.lists = {"south": ["gemma"]}
    station.unset("south")

    assert station.order("gemma") == ["local/local-model", "north/north-model"]


# The last resort


def test_the_last_resort_never_joins_by_itself(station: Station) -> None:
    assert "inside/inside-model" not in station.order("x")


def test_the_last_resort_joins_at_the_end_while_nothing_is_set_up(station: Station) -> None:
    station.unset("north", "south")
    station.stand_in = "inside"

    assert station.order("x", Preference("local")) == ["local/local-model", "inside/inside-model"]


def test_the_last_resort_can_be_chosen(station: Station) -> None:
    assert station.order("x", Preference("inside", chosen=True))[0] == "inside/inside-model"
    preference = Preference("local", chosen=True, fallback=("inside",))
    assert station.order("x", preference) == ["local/local-model", "inside/inside-model"]


def test_nobody_being_set_up_says_every_way_to_an_answer(station: Station) -> None:
    station.unset("local", "north", "south", "inside")

    with pytest.raises(ApiError) as caught:
        station.plan_of("x")

    error = caught.value
    assert (error.status, error.code) == (503, "no_provider_available")
    assert error.should_retry is False
    for name in ("LOCAL", "NORTH", "SOUTH", "INSIDE"):
        assert f"set {name}_API_KEY" in error.message


# What a request needs


def message(*parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({}, {}),
        ({"tools": [TOOL]}, {"tools": "tools"}),
        ({"tools": [TOOL], "tool_choice": "none"}, {}),
        ({"params": {"logprobs": True}}, {"logprobs": "logprobs"}),
        ({"params": {"logprobs": False}}, {}),
        (
            {"messages": [message({"type": "text", "text": "x"}, IMAGE), message(IMAGE, AUDIO)]},
            {"images": "messages[0].content[1]", "audio": "messages[1].content[1]"},
        ),
        ({"messages": [message(FILE)]}, {"files": "messages[0].content[0]"}),
        ({"n": 3}, {}),
    ],
    ids=str,
)
def test_what_a_request_needs_is_named_with_its_place(
    fields: dict[str, Any], needs: dict[str, str]
) -> None:
    assert CHAT.needs(request(**fields)) == needs


def test_a_model_that_can_do_all_lacks_nothing() -> None:
    assert lacks(EVERYTHING, {"tools": "tools", "images": "messages[0].content[0]"}) is None
    assert lacks(structs.replace(EVERYTHING, images=False), {"images": "x"}) == "x"


def test_who_cannot_do_it_is_skipped_and_named(station: Station) -> None:
    station.can("local", Capabilities(tools=False))

    plan = station.plan_of("x", tools=[TOOL])

    assert [found.provider for found in plan.candidates] == ["north", "south"]
    assert plan.skipped == (Skipped(Candidate("local", "local-model"), "tools"),)


@pytest.mark.parametrize(
    "extensions",
    [
        {"cached_content": "c/1"},
        {"google": {"cached_content": "c/1"}},
        {"extra_body": {"google": {"cached_content": "c/1"}}},
        {"gemini": {"cachedContent": "c/1"}},
    ],
)
def test_kept_contents_are_gone_on_from_by_who_keeps_them(
    station: Station, extensions: dict[str, Any]
) -> None:
    station.can("south", structs.replace(EVERYTHING, caches=True))
    plan = station.plan_of("x", extensions=extensions)

    assert [found.provider for found in plan.candidates] == ["south"]
    assert {skip.param for skip in plan.skipped} == {"cached_content"}
    assert len(station.plan_of("x", extensions={"cached_content": None}).candidates) == 3
    with pytest.raises(ApiError, match="north/y cannot go on from cached contents") as caught:
        station.plan_of("north/y", extensions=extensions)
    assert (caught.value.status, caught.value.param) == (400, "cached_content")


def test_where_nobody_can_the_error_names_what_and_who_could(station: Station) -> None:
    station.can("local", Capabilities(images=False))
    station.can("north", Capabilities(images=False))

    with pytest.raises(ApiError) as caught:
        station.plan_of("north", messages=[message(IMAGE)])

    error = caught.value
    assert (error.status, error.code) == (400, "unsupported_feature")
    assert (error.param, error.provider) == ("messages[0].content[0]", "north")
    assert "south" in error.message and "local could" not in error.message


def test_where_nobody_at_all_can_the_error_says_so(station: Station) -> None:
    for name in station.adapters:
        station.can(name, Capabilities(tools=False))

    with pytest.raises(ApiError) as caught:
        station.plan_of("x", tools=[TOOL])

    assert "No provider that is set up could." in caught.value.message
