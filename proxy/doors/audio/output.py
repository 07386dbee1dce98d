"""What was spoken -> a file, or OpenAI's events of one. Pure."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from adapters.base import Usage
from proxy.doors.frames.sse import sse
from proxy.doors.openai import OpenAIStream, tokens_object
from proxy.doors.writing.whole import Whole
from proxy.routing.operations.speaking import Sound


class SpeechFold(Whole):
    """The file, under its own type."""

    def __init__(self) -> None:
        super().__init__(lambda events: b"".join(one.data for one in _sounds(events)))

    def feed(self, events: Sequence[Any]) -> None:
        super().feed(events)
        for sound in _sounds(events):
            self.headers = ((b"content-type", sound.mime_type.encode("ascii")),)


def _sounds(events: Sequence[Any]) -> list[Sound]:
    return [event for event in events if type(event) is Sound]


class SpeechStream(OpenAIStream):
    """The file in base64, and what it took."""

    def __init__(self) -> None:
        self._usage = Usage()

    def feed(self, events: Sequence[Any]) -> bytes:
        sent = b""
        for event in events:
            if type(event) is Sound:
                audio = base64.b64encode(event.data).decode("ascii")
                sent += sse({"type": "speech.audio.delta", "audio": audio})
            elif type(event) is Usage:
                self._usage = event
        return sent

    def end(self) -> bytes:
        return sse({"type": "speech.audio.done", "usage": tokens_object(self._usage)})
