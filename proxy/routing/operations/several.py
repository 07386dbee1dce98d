"""Several calls of one request, whose answers are handed on once all are there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from typing import Any

from adapters.base import AdapterError, Usage
from proxy.routing.operations.operation import Calls, Spent

AT_ONCE = 4
"""Calls of one request."""
Ask = Callable[[], AsyncGenerator[list[Any], None]]


async def together(asks: Sequence[Ask], calls: Calls) -> list[list[Any]]:
    """The events of each call, in their order; the first failure ends the others.

    Of a single call the answer tells enough.
    """
    room, tell = asyncio.Semaphore(AT_ONCE), calls.spent if len(asks) > 1 else _untold
    answers: list[list[Any]] = []
    if calls.one_first or len(asks) == 1:
        answers.append(await _answer(asks[0], 0, tell, room))
    rest = range(len(answers), len(asks))
    return answers + await _all(_answer(asks[at], at, tell, room) for at in rest)


async def _answer(ask: Ask, number: int, spent: Spent, room: asyncio.Semaphore) -> list[Any]:
    events: list[Any] = []
    try:
        async with room, contextlib.aclosing(ask()) as batches:
            async for batch in batches:
                events += batch
    except AdapterError as error:
        spent(number, error)
        raise
    for event in events:
        if type(event) is Usage:
            spent(number, event)
    return events


async def _all(calls: Iterable[Coroutine[Any, Any, list[Any]]]) -> list[list[Any]]:
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _untold(_number: int, _end: Usage | AdapterError) -> None:
    """Of a single call."""
