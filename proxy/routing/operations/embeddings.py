"""Texts become vectors: an operation of one model, whose vectors go with no other's."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from msgspec.structs import replace

from adapters.base import Adapter, Capabilities, NativeCall, Usage, Warn
from adapters.tasks import EmbeddingRequest, Embeds, Vectors
from proxy.routing.operations.operation import Calls, Pin
from proxy.routing.operations.several import together
from proxy.routing.operations.single import Single

OPENAIS = re.compile(r"default|text-embedding-.*")
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
        return len(request.texts) > 1

    def calls(self, request: EmbeddingRequest, can: Capabilities) -> int:
        return math.ceil(len(request.texts) / can.texts_at_once)

    def native(self, adapter: Adapter, request: EmbeddingRequest) -> NativeCall:
        return _able(adapter).to_native_embedding(request)

    async def events(
        self, adapter: Adapter, request: EmbeddingRequest, calls: Calls
    ) -> AsyncGenerator[list[Any], None]:
        """All vectors at once, in their order: one call that fails makes the whole fail."""
        texts, able = request.texts, _able(adapter)
        most = adapter.capabilities(request.model).texts_at_once
        shares = (texts[begin : begin + most] for begin in range(0, len(texts), most))
        asks = [partial(able.embed, replace(request, texts=share)) for share in shares]
        answers = await together(asks, calls)
        usage = [event for answer in answers for event in answer if type(event) is Usage]
        yield [event for answer in answers for event in answer if type(event) is not Usage]
        if len(usage) == len(answers):
            yield [Usage(prompt=sum(event.prompt for event in usage))]
        else:
            yield [UNCOUNTED]

    async def first(
        self, events: AsyncGenerator[list[Any], None], provider: str
    ) -> tuple[list[Any], AsyncGenerator[list[Any], None]]:
        """Nothing is handed on before all of it is there."""
        first, rest = await super().first(events, provider)
        async for batch in rest:
            first += batch
        return first, rest


def _able(adapter: Adapter) -> Embeds:
    assert isinstance(adapter, Embeds)  # noqa: S101 - nobody else is a candidate
    return adapter
