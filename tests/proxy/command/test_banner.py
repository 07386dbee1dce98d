"""What the first words say of each provider: ready is only who can answer, as far as is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from adapters.base import Availability, Model
from proxy.command.banner import banner
from proxy.limits.retired import Retired
from proxy.routing.planning.candidates import Chooser
from proxy.routing.planning.preference import Preference
from proxy.settings import load_settings
from tests.proxy.kit import ScriptedAdapter, adapter

pytestmark = pytest.mark.anyio


async def line(one: ScriptedAdapter, models: Sequence[str] | None, *, default: str = "") -> str:
    """What is said of a provider, by its list of models if that has come."""
    text = await said_by(one, models, default=default)
    [found] = [row for row in text.splitlines() if row.startswith(f"  {one.name}  ")]
    return found.removeprefix(f"  {one.name}  ")


async def said_by(one: ScriptedAdapter, models: Sequence[str] | None, *, default: str = "") -> str:
    lists: Mapping[str, Sequence[Model]] = (
        {} if models is None else {one.name: [Model(name) for name in models]}
    )
    retired = Retired({one.name: default}, wall=lambda: 0.0)
    for name, listed in lists.items():
        retired.listed(name, listed)
    chooser = Chooser(
        {one.name: one}, retired=retired, listed=lambda _model: (), last_resort=lambda _: None
    )
    preference = Preference(provider=one.name)
    return await banner(
        load_settings(),
        8000,
        chooser,
        preference,
        {one.name: one},
        lists,
        None,
        needs_key=False,
    )


@pytest.mark.parametrize("local", [False, True])
async def test_ready_is_who_lists_the_model(local: bool) -> None:
    one = adapter("north", model="own", local=local)
    assert await line(one, ["own", "other"]) == "ready, own"
    assert await line(one, ["other"]) == (
        "set up, but own is not in its list of models: choose another"
    )
    assert await line(one, []) == "set up, but it lists no models"
    assert await line(one, None) == "set up, own; which models there are is not known yet"


async def test_a_default_that_is_gone_is_ready_by_another_and_names_the_setting() -> None:
    said = await line(adapter("north", model="own"), ["own-2"], default="own")
    assert said.startswith("ready, own-2 answers instead of own (")
    assert said.endswith("choose a model, or set NORTH_MODEL")


async def test_who_cannot_be_asked_is_not_ready_whatever_it_lists() -> None:
    unset, away = adapter("north", model="own"), adapter("south", model="own", local=True)
    unset.script.unset = "NORTH_API_KEY is not set"

    async def is_available() -> Availability:
        return Availability(reachable=False, detail="it is not running")

    away.is_available = is_available  # type: ignore[method-assign]
    assert await line(unset, ["own"]) == "not set up: NORTH_API_KEY is not set"
    assert await line(away, ["own"]) == "set up, but it is not running"
    assert "nobody can answer until" in await said_by(unset, ["own"])
    assert "nobody can answer" not in await said_by(adapter("north", model="own"), ["own"])


async def test_the_last_resort_needs_no_list() -> None:
    assert (
        await line(adapter("north", model="own", local=True, last_resort=True), None)
        == "ready, own"
    )
