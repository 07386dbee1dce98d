"""Lists, tests and counts by several keys: a refused one is known to all, and asked once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.base import AdapterError, Availability, ErrorKind, Model, ProviderSettings, Scope
from proxy.candidate import Candidate
from proxy.limits.health import Health
from proxy.limits.ticket import Ticket, Wait
from proxy.redact import Redactor
from proxy.routing.planning.any_key import AnyKey
from proxy.routing.planning.keys import Keys
from proxy.routing.planning.plan import Plan
from tests.proxy.kit import adapter_class
from tests.proxy.routing.kit import Clock

pytestmark = pytest.mark.anyio

SECRET = "planted-secret-of-north"
FIRST, SECOND = Candidate("north", "m", 1), Candidate("north", "m", 2)


def refusal(kind: ErrorKind = ErrorKind.AUTH, scope: Scope = Scope.KEY) -> AdapterError:
    return AdapterError(kind, f"no: {SECRET}", provider="north", status=401, scope=scope)


@dataclass
class House:
    """A provider of two keys: `told` is what each is answered, `asked` by which it was asked."""

    told: dict[str, AdapterError | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        house = self
        self.free.set()

        class Lists(adapter_class("north")):  # type: ignore[misc] # made at run time
            async def models(self) -> list[Model]:
                key = self.settings.api_key.get_secret_value()
                house.asked.append(key)
                await house.free.wait()
                if error := house.told.get(key):
                    raise error
                return [Model(key)]

            async def is_available(self) -> Availability:
                try:
                    await self.models()
                except AdapterError as error:
                    return Availability(reachable=False, detail=error.message, error=error)
                return Availability(reachable=True)

        settings = ProviderSettings.model_validate({"name": "north", "api_key": "one,two"})
        self.keys = Keys({"north": [Lists(by) for by in settings.by_key()]})
        self.health = Health({}, clock=Clock(), wall=Clock(), keys={"north": 2})
        self.by = AnyKey(self.keys, self.health, Redactor([SECRET]).masked)
        self.adapter: Any = self.keys.adapters["north"]

    def order(self) -> list[int]:
        plan = Plan((Candidate("north", "m"),), False)
        return [one.key for one in self.keys.spread(plan).candidates]

    async def listed(self) -> list[str]:
        return [model.id for model in await self.by.models(self.adapter)]


async def turns() -> None:
    """Time enough for whatever does not wait."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_key_that_a_list_was_refused_is_asked_by_nobody() -> None:
    house = House({"one": refusal()})

    assert await house.listed() == await house.listed() == ["two"]
    reached = await house.by.reached(house.adapter, again=False)
    assert house.asked == ["one", "two", "two", "two"]
    assert (reached.reachable, reached.detail) == (True, "key #1: no: ***")
    wait = house.health.admit(FIRST)
    assert isinstance(wait, Wait) and wait.kind is ErrorKind.AUTH
    assert wait.said and wait.said.message == "no: ***"
    assert house.by.usable(Candidate("north", "m")) == SECOND


async def test_a_key_that_was_taken_and_then_refused_is_left_out_as_well() -> None:
    house = House()
    assert await house.listed() == ["one"]
    house.told["one"] = refusal()

    assert await house.listed() == await house.listed() == ["two"]
    assert house.asked == ["one", "one", "two", "two"]


@pytest.mark.parametrize(
    ("error", "listed"),
    [
        (refusal(scope=Scope.REQUEST), ["two"]),
        (refusal(ErrorKind.RATE_LIMIT, Scope.MODEL), ["two"]),
        (refusal(ErrorKind.SERVER, Scope.PROVIDER), None),
    ],
)
async def test_what_is_no_refusal_of_the_key_is_held_against_nobody(
    error: AdapterError, listed: list[str] | None
) -> None:
    house = House({"one": error})
    if listed is None:
        with pytest.raises(AdapterError):
            await house.listed()
    else:
        assert await house.listed() == listed

    assert isinstance(house.health.admit(FIRST), Ticket)


async def test_where_each_is_refused_nobody_is_asked() -> None:
    house = House({"one": refusal(), "two": refusal()})
    for _ in range(2):
        with pytest.raises(AdapterError) as told:
            await house.listed()
        assert told.value.kind is ErrorKind.AUTH
    assert house.asked == ["one", "two"]
    assert house.by.usable(Candidate("north", "m")) is None

    house.told.clear()
    assert (await house.by.reached(house.adapter, again=True)).reachable
    house.health.try_again("north")
    assert await house.listed() == ["one"]


async def test_lists_and_tests_at_once_ask_a_new_key_once() -> None:
    house = House({"one": refusal()})
    house.free.clear()
    tasks = [asyncio.create_task(house.listed()) for _ in range(3)]
    await turns()
    assert house.asked == ["one"]
    assert house.order() == [2, 1], "requests go by the other key meanwhile"

    house.free.set()
    reached = house.by.reached(house.adapter, again=False)
    await asyncio.gather(*tasks, reached)
    assert house.asked.count("one") == 1
    assert house.order() == [1, 2]


async def test_a_list_waits_for_the_request_that_tries_a_new_key() -> None:
    house = House({"one": refusal()})
    ticket = house.health.admit(FIRST)
    assert isinstance(ticket, Ticket)
    listing = asyncio.create_task(house.listed())
    await turns()
    assert house.asked == []

    ticket.failed(refusal())
    assert await listing == ["two"]
    assert house.asked == ["two"]
