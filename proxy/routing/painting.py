"""Words become pictures: an operation of all that can, one after the other."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from typing import Any

from adapters.base import Adapter, AdapterError, Media, NativeCall, Usage
from adapters.tasks import Paints, PictureRequest
from proxy.routing.single import Single


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

    def events(
        self,
        adapter: Adapter,
        request: PictureRequest,
        calls: int,
        spent: Callable[[int, Usage | AdapterError], None],
        *,
        one_first: bool,
    ) -> AsyncGenerator[list[Any], None]:
        return _able(adapter).paint(request)


def _able(adapter: Adapter) -> Paints:
    assert isinstance(adapter, Paints)  # noqa: S101 - nobody else is a candidate
    return adapter
