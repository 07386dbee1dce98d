"""Texts become vectors: an operation of one model, whose vectors go with no other's."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any

from msgspec.structs import replace

from adapters.base import Adapter, AdapterError, Capabilities, NativeCall, Usage, Warn
from adapters.tasks import MAX_TEXTS, EmbeddingRequest, Embeds, Vectors
from proxy.routing.pin import Pin
from proxy.routing.single import Single

OPENAIS = re.compile(r"default|text-embedding-.*")
AT_ONCE = 4
"""Calls of one request."""
UNCOUNTED = Warn("missing=usage")


class Embeddings(Single[EmbeddingRequest]):
    """`model` does it, where the client has not named another one."""

    name = "embeddings"
    begins = Vectors

    def __init__(self, model: str) -> None:
        self.pin = Pin(model, OPENAIS)

    def model(self, adapter: Adapter) -> str | None:
        return adapter.embedding_model if isinstance(adapter, Embeds) else None

    def tokens(self, request: EmbeddingRequest) -> tuple[int, int]:
        """At four characters each."""
        return math.ceil(sum(map(len, request.texts)) / 4), 0

    def may_take_more(self, request: EmbeddingRequest) -> bool:
        return len(request.texts) > MAX_TEXTS

    def calls(self, request: EmbeddingRequest, can: Capabilities) -> int:
        return math.ceil(len(request.texts) / MAX_TEXTS)

    def native(self, adapter: Adapter, request: EmbeddingRequest) -> NativeCall:
        return _able(adapter).to_native_embedding(request)

    async def events(
        self,
        adapter: Adapter,
        request: EmbeddingRequest,
        calls: int,
        spent: Callable[[int, Usage | AdapterError], None],
        *,
        one_first: bool,
    ) -> AsyncGenerator[list[Any], None]:
        """All vectors at once, in their order: one call that fails makes the whole fail."""
        one = _Calls(_able(adapter), request, spent if calls > 1 else _not_told)
        answers = [await one.answer(0)] if one_first or calls == 1 else []
        rest = [one.answer(number) for number in range(len(answers), calls)]
        if rest:
            answers += await _together(rest)
        usage = [event for answer in answers for event in answer if type(event) is Usage]
        yield [event for answer in answers for event in answer if type(event) is not Usage]
        if len(usage) == len(answers):
            yield [Usage(prompt=sum(event.prompt for event in usage))]
        else:
            yield [UNCOUNTED]

    async def first(
        self, events: AsyncGenerator[list[Any], None], provider: str
    ) -> tuple[list[Any], AsyncGenerator[list[Any], None]]:
        """Nothing is told before all of it is there."""
        first, rest = await super().first(events, provider)
        async for batch in rest:
            first += batch
        return first, rest


class _Calls:
    """The calls that one request becomes."""

    def __init__(
        self,
        adapter: Embeds,
        request: EmbeddingRequest,
        spent: Callable[[int, Usage | AdapterError], None],
    ) -> None:
        self._adapter = adapter
        self._request = request
        self._spent = spent
        self._room = asyncio.Semaphore(AT_ONCE)

    async def answer(self, number: int) -> list[Any]:
        """The events of one of them."""
        begin = number * MAX_TEXTS
        share = replace(self._request, texts=self._request.texts[begin : begin + MAX_TEXTS])
        events: list[Any] = []
        try:
            async with self._room, contextlib.aclosing(self._adapter.embed(share)) as batches:
                async for batch in batches:
                    events += batch
        except AdapterError as error:
            self._spent(number, error)
            raise
        for event in events:
            if type(event) is Usage:
                self._spent(number, event)
        return events


async def _together(calls: Sequence[Coroutine[Any, Any, list[Any]]]) -> list[list[Any]]:
    """The answers of all of them; the first failure ends the others."""
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _not_told(_number: int, _end: Usage | AdapterError) -> None:
    """The ticket hears of a single call by its answer."""


def _able(adapter: Adapter) -> Embeds:
    assert isinstance(adapter, Embeds)  # noqa: S101 - nobody else is a candidate
    return adapter
