"""What was spoken -> a file, or OpenAI's events of one. Pure."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from adapters.base import Usage
from proxy.doors.door import Indivisible
from proxy.doors.frames.sse import sse
from proxy.doors.openai import OpenAIStream, tokens_object
from proxy.reply import Header
from proxy.routing.operations.speaking import Sound


class SpeechFold(Indivisible):
    """The file."""

    def __init__(self) -> None:
        self._sound = Sound(b"", "audio/wav")

    @property
    def headers(self) -> Sequence[Header]:
        return ((b"content-type", self._sound.mime_type.encode("ascii")),)

    def feed(self, events: Sequence[Any]) -> None:
        for event in events:
            if type(event) is Sound:
                self._sound = event

    def end(self) -> bytes:
        return self._sound.data


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
