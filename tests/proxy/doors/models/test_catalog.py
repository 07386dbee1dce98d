"""The lists of models: asked in parallel, kept when a provider is away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import AsyncMock

import pytest

from adapters.base import Availability, Capabilities, ErrorKind, Model
from adapters.wire.aside import Aside
from proxy.candidate import Candidate
from proxy.doors.models import catalog as models
from proxy.doors.models.catalog import Catalog
from proxy.redact import Redactor
from proxy.routing.planning.candidates import ANY_MODEL
from tests.proxy.doors.models.kit import Station
from tests.proxy.kit import HANG, adapter, failure

pytestmark = pytest.mark.anyio


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(models, "TIMEOUT_S", 0.01)
    monkeypatch.setattr(models, "FIRST_LIST_S", 0.02)
    yield


async def test_a_fresh_list_is_not_asked_for_again(station: Station) -> None:
    await station.catalog.refreshed()
    station.clock.now_s += models.FRESH_S - 1
    await station.catalog.refreshed()
    assert station.calls() == [1, 1]

    station.clock.now_s += 2
    await station.catalog.refreshed()
    assert station.calls() == [2, 2]


async def test_askers_at_the_same_time_share_one_question(station: Station) -> None:
    await asyncio.gather(*(station.catalog.refreshed() for _ in range(5)))

    assert station.calls() == [1, 1]


@pytest.mark.usefixtures("no_time")
@pytest.mark.parametrize(
    "trouble", [HANG, failure(ErrorKind.NETWORK), ValueError("a bug")], ids=["hang", "away", "bug"]
)
async def test_a_provider_in_trouble_keeps_its_last_list_and_delays_nobody(
    station: Station, trouble: Any
) -> None:
    await station.catalog.refreshed()
    station.clock.now_s += models.FRESH_S + 1
    station.lists("north", trouble)
    station.lists("south", [Model("new")])

    lists = await station.catalog.refreshed()
    await station.catalog.refreshed()

    assert station.calls() == [2, 2]
    assert [model.id for model in lists["north"]] == ["gemma", "qwen"]
    assert [model.id for model in lists["south"]] == ["new"]


async def test_providers_are_asked_in_parallel(station: Station) -> None:
    reached = asyncio.Barrier(2)

    async def models_of_one() -> list[Model]:
        async with asyncio.timeout(5):
            await reached.wait()
        return [Model("met")]

    for one in station.adapters.values():
        one.models = models_of_one  # type: ignore[method-assign]

    assert set(await station.catalog.refreshed()) == {"north", "south"}


async def test_who_is_not_set_up_is_not_asked(station: Station) -> None:
    station.adapters["north"].script.unset = "NORTH_API_KEY is not set"

    assert set(await station.catalog.refreshed()) == {"south"}
    assert station.calls() == [0, 1]


# Whose model is it


async def test_a_name_belongs_to_all_who_list_it_or_are_set_to_it(station: Station) -> None:
    station.lists("south", [Model("gemma"), Model("tiny:latest")])
    await station.catalog.refreshed()

    assert station.catalog.providers_of("gemma") == ["north", "south"]
    assert station.catalog.providers_of("tiny") == ["south"]
    assert station.catalog.providers_of("north-model") == ["north"]
    assert station.catalog.providers_of("absent") == []


async def test_the_first_lists_are_waited_for(station: Station) -> None:
    await station.catalog.know("gemma")

    assert station.catalog.providers_of("gemma") == ["north", "south"]


async def test_later_lists_are_asked_for_in_the_background(station: Station) -> None:
    await station.catalog.know("gemma")
    station.clock.now_s += models.FRESH_S + 1
    station.lists("north", HANG)

    await station.catalog.know("gemma")

    assert station.catalog.providers_of("gemma") == ["north", "south"]


@pytest.mark.usefixtures("no_time")
async def test_nobody_waits_long_for_the_first_lists(station: Station) -> None:
    station.lists("north", HANG)
    station.lists("south", HANG)

    await station.catalog.know("gemma")

    assert station.catalog.providers_of("gemma") == []


async def test_a_name_that_is_set_needs_no_list(station: Station) -> None:
    await station.catalog.know("north-model")

    assert station.calls() == [0, 0]


async def test_windows_are_told_by_the_lists_and_else_by_the_adapters(station: Station) -> None:
    listed, told = Candidate("north", "n1"), Candidate("south", "s1")
    station.lists("north", [Model("n1", context=8192)])
    station.adapters["north"].script.abilities = Capabilities(context=4096)

    assert await station.catalog.windows([listed, told]) == {listed: 8192}
    station.adapters["south"].script.abilities = Capabilities(context=4096)
    assert await station.catalog.windows([listed, told]) == {listed: 8192, told: 4096}
    assert station.calls() == [1, 1]


async def test_closing_stops_a_question_under_way(station: Station) -> None:
    station.lists("north", HANG)
    asking = asyncio.create_task(station.catalog.refreshed())
    await asyncio.sleep(0)

    await station.catalog.close()
    await asking

    assert set(station.catalog.lists()) <= {"south"}


# Warm from the start


async def test_who_can_be_asked_is_asked_once_before_anybody_needs_it(station: Station) -> None:
    station.adapters["north"].script.unset = "NORTH_API_KEY is not set"

    await station.catalog.warm()
    await station.catalog.know("gemma")

    assert station.calls() == [0, 1]


@pytest.mark.usefixtures("no_time")
async def test_a_list_that_cannot_be_had_keeps_nobody_from_the_others(station: Station) -> None:
    station.lists("north", HANG)

    await station.catalog.warm()

    assert set(station.catalog.lists()) == {"south"}


def prepared(station: Station, name: str, trouble: Exception | None = None) -> AsyncMock:
    """How often a provider has made what no request waits for."""
    station.adapters[name].prepare = made = AsyncMock(side_effect=trouble)  # type: ignore[attr-defined]
    return made


async def test_what_no_request_waits_for_is_not_made_with_the_lists(station: Station) -> None:
    north, south = prepared(station, "north"), prepared(station, "south")
    await station.catalog.warm()
    north.assert_not_awaited()

    await station.catalog.prepare()

    north.assert_awaited_once()
    south.assert_awaited_once()


async def test_what_one_provider_cannot_make_keeps_the_others_from_nothing(
    station: Station, caplog: pytest.LogCaptureFixture
) -> None:
    prepared(station, "north", ValueError("SECRET"))
    south = prepared(station, "south")

    await station.catalog.prepare()

    south.assert_awaited_once()
    assert "north could not be prepared: ValueError" in caplog.text
    assert "SECRET" not in caplog.text


async def test_nothing_is_made_for_who_is_not_set_up_or_not_there() -> None:
    homes = {name: adapter(name, local=True) for name in ("away", "here")}
    station = Station({**homes, "unset": adapter("unset")})
    station.adapters["unset"].script.unset = "UNSET_API_KEY is not set"
    away, here, other = (prepared(station, name) for name in ("away", "here", "unset"))
    station.lists("away", failure(ErrorKind.NETWORK))
    await station.catalog.warm()

    await station.catalog.prepare()

    assert [made.await_count for made in (away, here, other)] == [0, 1, 0]


async def test_nothing_is_asked_of_who_is_not_there_or_only_stands_in() -> None:
    away, last = adapter("away", local=True), adapter("last", last_resort=True)

    async def is_available() -> Availability:
        return Availability(reachable=False)

    away.is_available = is_available  # type: ignore[method-assign]
    station = Station({"away": away, "last": last, "here": adapter("here", local=True)})

    await station.catalog.warm()

    assert station.calls() == [0, 0, 1]


async def test_any_model_is_asked_for_without_waiting_for_a_list(station: Station) -> None:
    station.lists("north", HANG)
    station.lists("south", HANG)
    async with asyncio.timeout(models.FIRST_LIST_S / 2):
        await station.catalog.know(ANY_MODEL)


async def test_of_one_provider_alone_a_fresh_list_is_asked(station: Station) -> None:
    await station.catalog.relist("south")

    assert station.calls() == [0, 1]


async def test_a_model_that_is_called_like_a_key_is_not_told_of(station: Station) -> None:
    listed = [Model("a"), Model("of-secret-key-123"), Model("b", owned_by="secret-key-123")]
    station.lists("north", listed)
    catalog = Catalog(station.adapters, mask=Redactor(["secret-key-123"]))
    lists = await catalog.refreshed()

    assert [model.id for model in lists["north"]] == ["a"]


async def test_a_long_list_is_looked_through_aside(station: Station) -> None:
    looked: dict[str, set[str]] = {}

    def mask(words: str) -> str:
        looked.setdefault(words[0], set()).add(threading.current_thread().name)
        return words

    station.lists("north", [Model(f"n{at}") for at in range(models.MAX_MODELS + 1)])
    station.lists("south", [Model("s")])
    catalog = Catalog(station.adapters, mask=mask, thread=Aside())
    lists = await catalog.refreshed()

    assert len(lists["north"]) == models.MAX_MODELS
    assert looked == {"n": {"large_0"}, "s": {threading.current_thread().name}}
