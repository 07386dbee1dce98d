"""A plain answer is read to its end before it is told; very many events are told by turns."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind, Event, Text
from adapters.wire.portions import MANY
from proxy.gate.work import Rounds, Work
from proxy.routing.answers.first import until_end

pytestmark = pytest.mark.anyio


async def said(batches: list[list[Event]], error: Exception | None = None) -> Any:
    async def rest() -> AsyncGenerator[list[Any], None]:
        for batch in batches:
            yield batch
        if error:
            raise error

    return await until_end([Text("first")], rest(), Work(Rounds()))


@contextlib.contextmanager
def turns() -> Iterator[list[int]]:
    """How many turns others have meanwhile."""
    taken = [0]

    async def others() -> None:
        while True:
            taken[0] += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    yield taken
    beside.cancel()


async def test_few_events_are_one_batch() -> None:
    first, rest = await said([[Text("a")], [Text("b")]])

    assert first == [Text("first"), Text("a"), Text("b")]
    assert [batch async for batch in rest] == []


async def test_very_many_are_told_by_turns_and_none_is_lost() -> None:
    words = [Text(str(at)) for at in range(20 * MANY)]
    first, rest = await said([words[at : at + 7] for at in range(0, len(words), 7)])
    with turns() as taken:
        batches = [first, *[batch async for batch in rest]]

    assert [event for batch in batches for event in batch] == [Text("first"), *words]
    assert max(map(len, batches)) <= MANY + 8
    assert taken[0] >= len(batches) - 2


async def test_what_fails_on_its_way_fails_before_anything_is_told() -> None:
    failure = AdapterError(ErrorKind.BROKEN, "broken", provider="p")
    with turns() as taken, pytest.raises(AdapterError):
        await said([[Text("a")] * 2 * MANY] * 9, failure)

    assert taken[0] >= 9  # very many are also let go of by turns
