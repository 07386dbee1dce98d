"""Several choices from a provider that gives one at a time: as many calls at once, merged."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from msgspec.structs import replace

from adapters.base import Adapter, ChatRequest, Event, RateLimits, Start, Usage, Warn

Batch = list[Event]


async def fan_out(adapter: Adapter, request: ChatRequest) -> AsyncGenerator[Batch, None]:
    """The events of `request.n` calls, each call's with its own `index`; one usage at the end.

    With a seed the calls get seed, seed + 1, …: the same seed would give the same answer. One
    call that fails makes the whole fail. Closing it closes all of them.
    """
    queue: asyncio.Queue[Batch | Exception | None] = asyncio.Queue(maxsize=request.n)
    tasks = [
        asyncio.create_task(_one(adapter, _share(request, index), index, queue))
        for index in range(request.n)
    ]
    usage = Usage()
    running = len(tasks)
    yield [Warn("emulated=n")]
    try:
        while running:
            match await queue.get():
                case None:
                    running -= 1
                case Exception() as error:
                    raise error
                case batch:
                    usage = _sum(usage, batch)
                    kept: Batch = [event for event in batch if not isinstance(event, Usage)]
                    if kept:
                        yield kept
        yield [usage]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _share(request: ChatRequest, index: int) -> ChatRequest:
    params = dict(request.params)
    if "seed" in params:
        params["seed"] += index
    return replace(request, n=1, params=params)


async def _one(
    adapter: Adapter,
    request: ChatRequest,
    index: int,
    queue: asyncio.Queue[Batch | Exception | None],
) -> None:
    try:
        async with contextlib.aclosing(adapter.chat(request)) as batches:
            async for batch in batches:
                await queue.put(_at(batch, index))
        await queue.put(None)
    except Exception as error:  # raised again by the one who waits
        await queue.put(error)


def _at(batch: Batch, index: int) -> Batch:
    if index == 0:
        return batch
    # All calls tell who they are; the answer takes the first one's word.
    return [_moved(event, index) for event in batch if not isinstance(event, Start)]


def _moved(event: Event, index: int) -> Event:
    match event:
        case Start() | RateLimits() | Usage() | Warn():
            return event
        case _:
            return replace(event, index=index)


def _sum(total: Usage, batch: Batch) -> Usage:
    for event in batch:
        if isinstance(event, Usage):
            total = Usage(
                prompt=total.prompt + event.prompt,
                completion=total.completion + event.completion,
                reasoning=_plus(total.reasoning, event.reasoning),
                cached=_plus(total.cached, event.cached),
            )
    return total


def _plus(a: int | None, b: int | None) -> int | None:
    return None if a is None and b is None else (a or 0) + (b or 0)
