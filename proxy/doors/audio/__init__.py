"""OpenAI's audio: what is said becomes text, and text is spoken."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from adapters.tasks import TranscriptionRequest
from proxy.doors.audio.read import Parsed, parse_request
from proxy.doors.audio.write import HeardStream, transcript
from proxy.doors.door import Call, Opening
from proxy.doors.openai import EXTENDED, OpenAIErrors, extension, form_of
from proxy.doors.writing.whole import JSON_TYPE, TEXT_TYPE, Whole


class HearingDoor(OpenAIErrors):
    """POST /v1/audio/transcriptions and /v1/audio/translations."""

    def __init__(self, name: str, kind: type[TranscriptionRequest]) -> None:
        self.name = name
        self._kind = kind

    def read(self, call: Call) -> Parsed:
        asked = parse_request(form_of(call), self._kind)
        return replace(asked, is_extended=True) if call.path.startswith(EXTENDED) else asked

    def stream(self, asked: Parsed, opening: Opening) -> HeardStream:
        return HeardStream()

    def fold(self, asked: Parsed, opening: Opening) -> Whole:
        write = partial(
            transcript,
            form=asked.form,
            name=self.name,
            times=asked.request.times,
            more=extension(opening.request_id) if asked.is_extended else {},
        )
        return Whole(write, (JSON_TYPE if "json" in asked.form else TEXT_TYPE,))
