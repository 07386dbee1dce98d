"""Words become pictures: an operation of all that can, one after the other."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from msgspec.structs import replace

from adapters.base import Adapter, Capabilities, Media, NativeCall, Usage
from adapters.tasks import Paints, PictureRequest
from proxy.routing.operations.operation import Calls
from proxy.routing.operations.several import together
from proxy.routing.operations.single import Single


class Painting(Single[PictureRequest]):
    """A call makes one picture."""

    name = "image_generation"
    begins = Media

    def model(self, adapter: Adapter) -> str | None:
        return adapter.painting_model if isinstance(adapter, Paints) else None

    def tokens(self, request: PictureRequest) -> tuple[int, int]:
        return math.ceil(len(request.prompt) / 4), 0

    def native(self, adapter: Adapter, request: PictureRequest) -> NativeCall:
        return _able(adapter).to_native_picture(request)

    def may_take_more(self, request: PictureRequest) -> bool:
        return request.n > 1

    def calls(self, request: PictureRequest, can: Capabilities) -> int:
        return request.n

    async def events(
        self, adapter: Adapter, request: PictureRequest, calls: Calls
    ) -> AsyncGenerator[list[Any], None]:
        """All pictures at once: one call that fails makes the whole fail."""
        asks = [partial(_able(adapter).paint, replace(request, n=1))] * calls.count
        answers = await together(asks, calls)
        usage = [event for answer in answers for event in answer if type(event) is Usage]
        yield [event for answer in answers for event in answer if type(event) is not Usage]
        if usage:
            written = sum(event.completion for event in usage)
            yield [Usage(prompt=sum(event.prompt for event in usage), completion=written)]


def _able(adapter: Adapter) -> Paints:
    assert isinstance(adapter, Paints)  # noqa: S101 - nobody else is a candidate
    return adapter
