"""Speech becomes text: an operation of all that can, one after the other."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from adapters.base import Adapter, NativeCall
from adapters.tasks import Heard, Hears, TranscriptionRequest
from proxy.routing.operations.operation import Calls
from proxy.routing.operations.single import Single


class Hearing(Single[TranscriptionRequest]):
    """Of recordings; `translates` into English."""

    begins = Heard

    def __init__(self, *, translates: bool) -> None:
        self._translates = translates
        self.name = "translation" if translates else "transcription"

    def model(self, adapter: Adapter) -> str | None:
        if not isinstance(adapter, Hears):
            return None
        return adapter.hearing_model(translates=self._translates)

    def native(self, adapter: Adapter, request: TranscriptionRequest) -> NativeCall:
        return _able(adapter).to_native_hearing(request)

    def events(
        self, adapter: Adapter, request: TranscriptionRequest, calls: Calls
    ) -> AsyncGenerator[list[Any], None]:
        return _able(adapter).hear(request)


def _able(adapter: Adapter) -> Hears:
    assert isinstance(adapter, Hears)  # noqa: S101 - nobody else is a candidate
    return adapter
