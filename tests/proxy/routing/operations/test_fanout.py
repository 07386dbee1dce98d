"""Several choices from a provider that gives one at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.base import (
    AdapterError,
    ErrorKind,
    Event,
    Finish,
    Logprobs,
    RateLimits,
    Start,
    Text,
    ToolCall,
    Usage,
    Warn,
)
from proxy.routing.operations.fanout import fan_out
from tests.proxy.kit import HANG, ScriptedAdapter, adapter, failure, request

pytestmark = pytest.mark.anyio


def nobody(_number: int, _end: Usage | AdapterError) -> None:
    """Who keeps no count."""


async def collected(toy: ScriptedAdapter, **fields: Any) -> list[Event]:
    events = fan_out(toy, request(**fields), nobody)
    return [event async for batch in events for event in batch]


async def test_each_choice_has_an_index_of_its_own() -> None:
    toy = adapter("toy")
    toy.script.play(
        [[Text("a"), Finish("stop")]],
        [[Text("b"), ToolCall(0, "f"), Logprobs([{}]), Finish("length")]],
    )

    events = await collected(toy, n=2)

    assert [event for event in events if getattr(event, "index", None) == 0] == [
        Text("a", 0),
        Finish("stop", 0),
    ]
    assert [event for event in events if getattr(event, "index", None) == 1] == [
        Text("b", 1),
        ToolCall(0, "f", index=1),
        Logprobs([{}], 1),
        Finish("length", 1),
    ]


async def test_usage_is_summed_and_comes_once_at_the_end() -> None:
    toy = adapter("toy")
    toy.script.play(
        [[Finish("stop"), Usage(3, 4, reasoning=1)]], [[Finish("stop"), Usage(3, 5, cached=2)]]
    )

    events = await collected(toy, n=2)

    assert [event for event in events if isinstance(event, Usage)] == [
        Usage(6, 9, reasoning=1, cached=2)
    ]
    assert isinstance(events[-1], Usage)


async def test_the_answer_has_one_start_and_says_what_was_done() -> None:
    events = await collected(adapter("toy"), n=3)

    assert events[0] == Warn("emulated=n")
    assert len([event for event in events if isinstance(event, Start)]) == 1
    assert len([event for event in events if isinstance(event, Finish)]) == 3


async def test_limits_and_warnings_of_every_call_are_kept() -> None:
    toy = adapter("toy")
    toy.script.play(*[[[RateLimits(remaining_requests=i), Warn("w")]] for i in range(2)])

    events = await collected(toy, n=2)

    assert len([event for event in events if isinstance(event, RateLimits)]) == 2
    assert events.count(Warn("w")) == 2


@pytest.mark.parametrize(
    ("seed", "seeds"), [({"seed": 5}, [5, 6, 7]), ({}, [None] * 3)], ids=["seed", "none"]
)
async def test_every_call_is_for_one_choice_with_a_seed_of_its_own(
    seed: dict[str, Any], seeds: list[int | None]
) -> None:
    toy = adapter("toy")
    asked = request(n=3, params={"user": "u", **seed})

    async for _ in fan_out(toy, asked, nobody):
        pass

    assert [sent.n for sent in toy.script.requests] == [1, 1, 1]
    assert [sent.params.get("seed") for sent in toy.script.requests] == seeds
    assert all(sent.params["user"] == "u" for sent in toy.script.requests)
    assert asked.params == {"user": "u", **seed}


async def test_one_failure_fails_all_and_closes_the_rest() -> None:
    toy = adapter("toy")
    toy.script.play([[Text("a")], HANG], [failure(ErrorKind.SERVER)], [HANG])

    with pytest.raises(AdapterError):
        await collected(toy, n=3)

    assert toy.script.open_calls == 0


async def test_a_failure_that_is_no_adapter_error_ends_it_too() -> None:
    toy = adapter("toy")
    toy.script.play([HANG], [ZeroDivisionError("our own bug")])

    async with asyncio.timeout(5):
        with pytest.raises(ZeroDivisionError):
            await collected(toy, n=2)

    assert toy.script.open_calls == 0


async def test_closing_it_closes_all_calls() -> None:
    toy = adapter("toy")
    toy.script.play(*[[[Text("a")], HANG]] * 3)
    events = fan_out(toy, request(n=3), nobody)
    await anext(events)
    await anext(events)

    await events.aclose()

    assert toy.script.open_calls == 0


async def test_the_end_of_each_call_is_told() -> None:
    toy = adapter("toy")
    limit = failure(ErrorKind.RATE_LIMIT)
    toy.script.play([[Text("a")], [Usage(3, 4)]], [[Text("b"), Usage(3, 9)], HANG], [limit])
    ends: list[tuple[int, Usage | AdapterError]] = []

    with pytest.raises(AdapterError):
        async for _ in fan_out(toy, request(n=3), lambda *end: ends.append(end)):
            pass

    assert sorted(ends, key=lambda end: end[0]) == [(0, Usage(3, 4)), (2, limit)]


async def test_the_others_may_be_kept_back_until_one_has_content() -> None:
    toy = adapter("toy")
    toy.script.play([[Start()], [Text("a")], [Finish("stop")]])
    events = fan_out(toy, request(n=3), nobody, one_first=True)

    under_way = [len(toy.script.requests) async for _ in events]

    assert under_way[:2] == [0, 1]
    assert under_way[-1] == 3


async def test_who_has_no_content_lets_no_others_follow() -> None:
    toy = adapter("toy")
    toy.script.play([[Start()]])

    async for _ in fan_out(toy, request(n=3), nobody, one_first=True):
        pass

    assert len(toy.script.requests) == 1
