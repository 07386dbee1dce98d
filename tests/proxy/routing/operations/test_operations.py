"""What is no chat goes the same way: one method of those adapters that can, one neutral request."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from msgspec import Struct

from adapters.base import Adapter, AdapterError, Capabilities, ErrorKind, NativeCall
from proxy.candidate import Candidate
from proxy.errors import ApiError
from proxy.routing.operations.operation import Calls
from proxy.routing.operations.table import OPERATIONS
from tests.proxy.kit import ScriptedAdapter, adapter, failure
from tests.proxy.routing.kit import Station

pytestmark = pytest.mark.anyio


class Weigh(Struct, frozen=True):
    """A neutral request of its own."""

    model: str
    thing: str = "a feather"


class Meter(ScriptedAdapter):
    """An adapter with one method more."""

    weight: float | AdapterError = 1.0

    async def weigh(self, request: Weigh) -> float:
        self.script.requests.append(request)  # type: ignore[arg-type] # no chat
        if isinstance(self.weight, AdapterError):
            raise self.weight
        return self.weight


class Weighing:
    """The operation: who can, with which model, and how."""

    name = "weighing"
    pin = None

    def model(self, adapter: Adapter) -> str | None:
        return "scales" if isinstance(adapter, Meter) else None

    def needs(self, request: Weigh) -> Mapping[str, str]:
        return {}

    def tokens(self, request: Weigh) -> tuple[int, int]:
        return len(request.thing), 0

    def may_take_more(self, request: Weigh) -> bool:
        return False

    def calls(self, request: Weigh, can: Capabilities) -> int:
        return 1

    def native(self, adapter: Adapter, request: Weigh) -> NativeCall:
        return NativeCall("POST", "weigh", {"thing": request.thing})

    async def prepared(self, request: Weigh, *_: object) -> Weigh:
        return request

    async def events(
        self, adapter: Any, request: Weigh, calls: Calls
    ) -> AsyncGenerator[list[Any], None]:
        yield [await adapter.weigh(request)]

    async def first(
        self, events: AsyncGenerator[list[Any], None], provider: str
    ) -> tuple[list[Any], AsyncGenerator[list[Any], None]]:
        return await anext(events), events


def meter(name: str, weight: float | AdapterError = 1.0) -> Meter:
    plain = adapter(name)
    made = type(name.title(), (Meter,), {"name": name, "script": plain.script, "weight": weight})
    one: Meter = made(plain.settings)
    return one


def station(*adapters: ScriptedAdapter) -> Station:
    operations = MappingProxyType({**OPERATIONS, Weigh: Weighing()})
    return Station({one.name: one for one in adapters}, operations=operations)


async def weights(of: Station, asked: Weigh) -> list[Any]:
    async with of.answer(asked) as answer:
        return [event async for batch in answer for event in batch]


async def test_only_those_are_asked_that_can_do_it_each_with_its_model_for_that() -> None:
    here = station(adapter("north"), meter("south", 2.5))

    assert await weights(here, Weigh("default")) == [2.5]
    assert list(here.receipt.considered) == [Candidate("south", "scales")]
    assert here.receipt.attempts == ["south:200"]
    assert here.receipt.prompt_guess == len("a feather")


async def test_a_failure_rotates_and_is_remembered() -> None:
    refused = failure(ErrorKind.RATE_LIMIT, "south", retry_after_s=30)
    here = station(adapter("north"), meter("south", refused), meter("west", 3.0))

    assert await weights(here, Weigh("default")) == [3.0]
    assert await weights(here, Weigh("default")) == [3.0]
    assert here.calls() == [0, 1, 2]  # the second request did not come to who is limited


async def test_a_named_model_is_asked_as_it_is_named() -> None:
    here = station(adapter("north"), meter("south", 2.5))

    await weights(here, Weigh("south/balance"))

    assert list(here.receipt.considered) == [Candidate("south", "balance")]


@pytest.mark.parametrize("model", ["default", "north", "north/north-model"])
async def test_where_nobody_can_the_request_is_refused(model: str) -> None:
    with pytest.raises(ApiError) as caught:
        await weights(station(adapter("north")), Weigh(model))

    assert (caught.value.status, caught.value.code) == (400, "unsupported_feature")
