"""Speech becomes text: an operation of all that can, one after the other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

from adapters.base import Adapter, AdapterError, Capabilities, Usage
from adapters.tasks import Heard, Hears, TranscriptionRequest
from proxy.routing.conversion import Album
from proxy.routing.first import until_kind
from proxy.routing.images import ImageFetcher


class Hearing:
    """Of recordings; `translates` into English."""

    pin = None

    def __init__(self, *, translates: bool) -> None:
        self._translates = translates

    def model(self, adapter: Adapter) -> str | None:
        if not isinstance(adapter, Hears):
            return None
        return adapter.hearing_model(translates=self._translates)

    def needs(self, request: TranscriptionRequest) -> Mapping[str, str]:
        return {}

    def tokens(self, request: TranscriptionRequest) -> tuple[int, int]:
        """Nobody knows: providers limit the seconds of speech, and tell when it is too much."""
        return 0, 0

    def may_take_more(self, request: TranscriptionRequest) -> bool:
        return False

    def calls(self, request: TranscriptionRequest, can: Capabilities) -> int:
        return 1

    def warnings(self, adapter: Adapter, request: TranscriptionRequest) -> Sequence[str]:
        return _able(adapter).to_native_hearing(request).warnings

    async def prepared(
        self,
        request: TranscriptionRequest,
        adapter: Adapter,
        images: ImageFetcher,
        album: Album,
    ) -> TranscriptionRequest:
        return request

    def events(
        self,
        adapter: Adapter,
        request: TranscriptionRequest,
        calls: int,
        spent: Callable[[int, Usage | AdapterError], None],
        *,
        one_first: bool,
    ) -> AsyncGenerator[list[Any], None]:
        return _able(adapter).hear(request)

    async def first(
        self, events: AsyncGenerator[list[Any], None], provider: str
    ) -> tuple[list[Any], AsyncGenerator[list[Any], None]]:
        return await until_kind(Heard, events, provider)


def _able(adapter: Adapter) -> Hears:
    assert isinstance(adapter, Hears)  # noqa: S101 - nobody else is a candidate
    return adapter
