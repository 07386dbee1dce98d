"""Answers with nothing in them: asked for once more, then elsewhere, then given as they are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from adapters.base import ErrorKind, Event, Finish, Reasoning, Start, Text, Usage, Warn
from tests.proxy.kit import adapter, failure
from tests.proxy.routing.kit import Station

pytestmark = pytest.mark.anyio

EMPTY: Sequence[list[Event]] = ([Start(model="n")], [Finish("stop"), Usage(40, 0)])


@pytest.fixture
def station() -> Station:
    return Station({name: adapter(name) for name in ("north", "south")})


async def test_an_empty_answer_is_asked_for_once_more(station: Station) -> None:
    station.play("north", EMPTY)
    assert Text("Hel") in await station.ask()
    assert (station.calls(), station.clock.slept) == ([2, 0], [0.0])


async def test_after_two_another_is_asked(station: Station) -> None:
    station.play("north", EMPTY, [[Start()], [Finish("stop")], [Usage(40, 1)]])
    assert Text("Hel") in await station.ask()
    assert station.calls() == [2, 1]
    assert station.receipt.attempts == ["north:empty_answer", "north:empty_answer", "south:200"]


async def test_another_is_asked_where_no_more_may_be_tried_again(station: Station) -> None:
    station.play("north", *[EMPTY] * 7)
    for calls in ([2, 1], [4, 2], [6, 3], [7, 4]):  # three times is what the budget has
        assert Text("Hel") in await station.ask()
        assert station.calls() == calls


@pytest.mark.parametrize("fails", [False, True], ids=["all empty", "others fail"])
async def test_where_nobody_has_more_to_say_it_is_given(station: Station, fails: bool) -> None:
    station.play("north", EMPTY, EMPTY)
    refused = [[failure(ErrorKind.BROKEN, "south")]]
    station.play("south", *(refused if fails else [EMPTY, EMPTY]))

    events = await station.ask()

    assert events == [*EMPTY[0], *EMPTY[1], Warn("empty_answer")]
    assert station.receipt.warnings[-1] == "empty_answer"
    assert station.receipt.provider == "north"
    assert station.receipt.usage == Usage(40, 0)
    assert Text("Hel") in await station.ask()  # nobody is blamed for it
    assert station.calls() == [3, 1 if fails else 2]


@pytest.mark.parametrize(
    "answer",
    [
        [[Finish("length"), Usage(40, 0)]],
        [[Finish("stop"), Usage(40, 12)]],
        [[Finish("content_filter"), Usage(40, 0)]],
        [[Finish("stop")]],
        [[Reasoning("Hm."), Finish("stop"), Usage(40, 0)]],
    ],
    ids=["length", "hidden thoughts", "filter", "untold", "thoughts"],
)
async def test_what_says_why_it_is_empty_is_an_answer(
    station: Station, answer: list[list[Event]]
) -> None:
    station.play("north", answer)
    await station.ask()
    assert station.calls() == [1, 0]
