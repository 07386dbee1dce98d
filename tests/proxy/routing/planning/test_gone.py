"""A model that is gone is no dead end, unless the client has named it."""

from __future__ import annotations

import pytest

from adapters.base import AdapterError, ErrorKind, Model, Text
from proxy.routing.planning.preference import Preference
from tests.proxy.kit import adapter, failure
from tests.proxy.routing.kit import Build, Station

pytestmark = pytest.mark.anyio

GONE = "The model `north-model` has been decommissioned"


def gone(status: int = 404) -> list[AdapterError]:
    error = failure(ErrorKind.MODEL_MISSING, "north", status=status)
    error.message = GONE
    return [error]


def alone(*listed: str) -> Station:
    station = Station({"north": adapter("north")})
    station.adapters["north"].script.listed = [Model(name) for name in listed]
    return station


def asked(station: Station) -> list[str]:
    return [one.model for one in station.adapters["north"].script.requests]


@pytest.mark.parametrize("model", ["default", "north", "NORTH", "gpt-4o"])
async def test_a_configured_model_that_is_gone_is_replaced_at_once_and_for_good(model: str) -> None:
    station = alone("young")
    station.play("north", gone())

    events = await station.ask(model)

    assert Text("Hel") in events
    assert asked(station) == ["north-model", "young"]
    assert "replaced=north-model" in station.receipt.warnings
    await station.ask(model)
    assert asked(station) == ["north-model", "young", "young"]
    assert "replaced=north-model" in station.receipt.warnings


async def test_a_model_named_by_the_client_stays_an_error_in_the_providers_words() -> None:
    station = alone("young")
    station.play("north", gone())

    error = await station.refused("north/north-model")

    assert (error.status, error.code) == (404, "model_not_found")
    assert GONE in error.message
    assert asked(station) == ["north-model"]


async def test_a_model_that_was_set_or_given_a_name_is_replaced_too() -> None:
    for fields in ({"models": {"north": "mine"}}, {"aliases": {"smart": {"north": "mine"}}}):
        station = alone("young")
        station.preference = Preference("north", chosen=True, **fields)
        station.play("north", gone(410))

        await station.ask("smart")

        assert asked(station) == ["mine", "young"]
        assert "replaced=mine" in station.receipt.warnings


async def test_replacements_that_are_gone_are_replaced_while_there_are_attempts_left() -> None:
    station = alone("a", "b", "c")
    station.play("north", gone(), gone(), gone())

    await station.ask()

    assert asked(station) == ["north-model", "a", "b", "c"]


async def test_without_a_list_the_providers_words_are_the_answer() -> None:
    for listed in ([], failure(ErrorKind.NETWORK, "north")):
        station = alone()
        station.adapters["north"].script.listed = listed
        station.play("north", gone())

        error = await station.refused()

        assert GONE in error.message
        assert asked(station) == ["north-model"]


async def test_a_name_that_never_left_the_house_retires_nothing() -> None:
    station = alone("young")
    station.play("north", [failure(ErrorKind.MODEL_MISSING, "north")])

    await station.refused()

    assert not station.retired.has_news


async def test_the_client_that_names_the_replacement_is_told_of_nothing() -> None:
    station = alone("young")
    station.play("north", gone())
    await station.ask()

    await station.ask("north/young")

    assert "replaced=north-model" not in station.receipt.warnings


async def test_others_stand_in_behind_the_replacement(build: Build) -> None:
    station = build("north", "south")
    station.adapters["north"].script.listed = [Model("young")]
    station.play("north", gone(), [failure(ErrorKind.NETWORK, "north")])

    await station.ask()

    assert (asked(station), station.calls()) == (["north-model", "young"], [2, 1])
