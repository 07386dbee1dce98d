"""Several choices from a provider that gives one at a time: as many calls at once, merged."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from msgspec.structs import replace

from adapters.base import (
    Adapter,
    AdapterError,
    ChatRequest,
    Event,
    RateLimits,
    Start,
    Usage,
    Warn,
    has_content,
)
from adapters.tasks import CompletionRequest, with_prompts
from proxy.routing.operations.operation import Spent

Batch = list[Event]


async def fan_out(
    adapter: Adapter,
    request: ChatRequest,
    spent: Spent,
    *,
    one_first: bool = False,
) -> AsyncGenerator[Batch, None]:
    """The events of a call for each choice, each with its own `index`; one usage at the end.

    With a seed the calls get seed, seed + 1, …: the same seed would give the same answer. One
    call that fails makes the whole fail. Closing it closes all of them. `spent` is told how each
    call has ended; `one_first` keeps the others back until one has got its first content.
    """
    shares = shares_of(request)
    queue: asyncio.Queue[Batch | Exception | None] = asyncio.Queue(maxsize=len(shares))
    tasks: list[asyncio.Task[None]] = []

    def start(count: int) -> None:
        for index in range(len(tasks), count):
            one = _one(adapter, shares[index], index, queue, spent)
            tasks.append(asyncio.create_task(one))

    start(1 if one_first else len(shares))
    usage = Usage()
    ended = 0
    yield [Warn("emulated=n")] if request.n > 1 else []
    try:
        while ended < len(tasks):
            match await queue.get():
                case None:
                    ended += 1
                case AdapterError() as error:
                    raise error.but()
                case Exception() as error:
                    raise error
                case batch:
                    if len(tasks) < len(shares) and has_content(batch):
                        start(len(shares))
                    usage = _sum(usage, batch)
                    kept: Batch = [event for event in batch if not isinstance(event, Usage)]
                    if kept:
                        yield kept
        yield [usage]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def shares_of(request: ChatRequest) -> list[ChatRequest]:
    """A request for each choice, and where there are several prompts, for each choice of each."""
    if type(request) is CompletionRequest and len(request.prompts) > 1:
        alone = (with_prompts(request, [prompt]) for prompt in request.prompts)
        return [share for one in alone for share in shares_of(one)]
    return [_share(request, index) for index in range(request.n)]


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
    spent: Spent,
) -> None:
    usage = nothing = Usage()
    try:
        async with contextlib.aclosing(adapter.chat(request)) as batches:
            async for batch in batches:
                usage = _sum(usage, batch)
                await queue.put(_at(batch, index))
        if usage is not nothing:
            spent(index, usage)
        await queue.put(None)
    except Exception as error:  # raised again by the one who waits
        if isinstance(error, AdapterError):
            spent(index, error)
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
