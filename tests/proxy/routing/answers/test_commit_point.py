"""The commit point: what is content, and what becomes of calls that end before or after it."""

from __future__ import annotations

import asyncio

import pytest

from adapters.base import (
    CONTENT_EVENTS,
    AdapterError,
    Annotation,
    Event,
    Finish,
    Logprobs,
    Media,
    Phase,
    RateLimits,
    Reasoning,
    Refusal,
    Start,
    Text,
    ToolCall,
    Usage,
    Warn,
)
from tests.proxy.kit import HANG, failure, request
from tests.proxy.routing.kit import SERVER, Build

pytestmark = pytest.mark.anyio

CONTENT: list[Event] = [
    Text("x"),
    Reasoning("x"),
    Refusal("x"),
    ToolCall(0, "f"),
    Finish("stop"),
    Media("image/png", "AA=="),
    Annotation({}),
    Logprobs([]),
]


@pytest.mark.parametrize("event", [Start(), RateLimits(), Usage(), Warn("w")], ids=repr)
async def test_what_is_no_content_commits_nothing(build: Build, event: Event) -> None:
    station = build()
    station.play("north", [[event], failure(SERVER, "north")])

    events = await station.ask()

    assert Text("lo") in events
    assert station.receipt.attempts == ["north:server", "south:200"]


@pytest.mark.parametrize("event", CONTENT, ids=lambda event: type(event).__name__)
async def test_after_content_no_stream_rotates(build: Build, event: Event) -> None:
    assert type(event) in CONTENT_EVENTS
    station = build()
    station.play("north", [[Start()], [event], failure(SERVER, "north")])
    found: list[Event] = []

    with pytest.raises(AdapterError) as caught:
        async with station.answer(request(stream=True)) as events:
            async for batch in events:
                found += batch

    assert found == [Start(), event]
    assert caught.value.phase is Phase.AFTER_CONTENT
    assert station.calls() == [1, 0]


async def test_a_plain_answer_that_breaks_on_its_way_rotates(build: Build) -> None:
    station = build()
    station.play("north", [[Start()], [Text("half an ans")], failure(SERVER, "north")])

    events = await station.ask()

    assert [event.text for event in events if type(event) is Text] == ["Hel", "lo"]
    assert station.receipt.attempts == ["north:server", "south:200"]


async def test_leaving_a_plain_answer_on_its_way_closes_the_provider(build: Build) -> None:
    station = build()
    station.play("north", [[Text("a")], HANG])
    asking = asyncio.create_task(station.ask())
    assert await asyncio.to_thread(station.adapters["north"].script.began.wait, 5)

    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    assert station.is_quiet


def test_every_content_event_has_a_row_here() -> None:
    assert {type(event) for event in CONTENT} == set(CONTENT_EVENTS)


async def test_an_answer_that_ends_before_it_began_rotates(build: Build) -> None:
    station = build()
    station.play("north", [[Start()], [Usage(3, 0)]])

    await station.ask()

    assert station.receipt.attempts == ["north:bad_response", "south:200"]


async def test_nothing_of_a_failed_attempt_is_in_the_answer(build: Build) -> None:
    station = build()
    station.play("north", [[Start(model="north-1"), Warn("north")], failure(SERVER, "north")])

    events = await station.ask()

    assert Start(model="north-1") not in events
    assert station.receipt.model == "toy-1"
    assert station.receipt.warnings == []


async def test_leaving_early_closes_the_provider(build: Build) -> None:
    station = build()
    station.play("north", [[Text("a")], HANG])

    async with station.answer(request(stream=True)) as events:
        await anext(events)

    assert station.is_quiet


async def test_leaving_before_the_first_content_closes_the_provider(build: Build) -> None:
    station = build()
    station.play("north", [[Start()], HANG])
    asking = asyncio.create_task(station.ask())
    assert await asyncio.to_thread(station.adapters["north"].script.began.wait, 5)

    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    assert station.is_quiet
