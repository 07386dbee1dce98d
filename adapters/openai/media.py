"""What servers that speak as OpenAI does hear, say and paint, by OpenAI's own endpoints.

Which model does it is set, else the profile tells it, else it must be named.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from adapters.base import NativeCall
from adapters.compatible.sound import Hearing, HouseAnswer, SpokenAnswer, to_native_speech
from adapters.errors import ErrorKind, not_promised, unsent
from adapters.events import Json, Media, Start, Usage
from adapters.openai.settings import KIND, OpenAISettings
from adapters.tasks import PictureRequest, SpeechRequest
from adapters.wire.bounds import count, items, word
from adapters.wire.pieces import loads

SPEECH_PATH, PICTURE_PATH = "/audio/speech", "/images/generations"
BASE64_ALONE = ("gpt-image", "chatgpt-image")
"""Models that know no other form, and refuse to be told one."""
MAX_PICTURES = 10


class MediaMethods(Hearing):
    """The methods that an adapter fulfils `Hears`, `Speaks` and `Paints` with."""

    _own: OpenAISettings

    def hearing_model(self, *, translates: bool) -> str:
        profile = self._own.of
        return self._own.hearing_model or (profile.translating if translates else profile.hearing)

    @property
    def speaking_model(self) -> str:
        return self._own.speaking_model or self._own.of.speaking

    @property
    def painting_model(self) -> str:
        return self._own.painting_model or self._own.of.painting

    def to_native_speech(self, request: SpeechRequest) -> NativeCall:
        more = {"instructions": request.manner} if request.manner else {}
        return to_native_speech(SPEECH_PATH, request, request.voice, (), **more)

    def speak(self, request: SpeechRequest) -> AsyncGenerator[list[Any], None]:
        return self.ask(self.to_native_speech(request), SpokenAnswer(self._house))

    def to_native_picture(self, request: PictureRequest) -> NativeCall:
        return to_native_picture(request)

    def paint(self, request: PictureRequest) -> AsyncGenerator[list[Any], None]:
        return self.ask(to_native_picture(request), PictureAnswer(self._house))


def to_native_picture(request: PictureRequest) -> NativeCall:
    """The call for one picture. Raises AdapterError where it is to be made of others."""
    if request.sources:
        raise unsent(
            KIND,
            ErrorKind.UNSUPPORTED,
            "pictures are made of words alone by this provider",
            param="image",
        )
    body: Json = {"model": request.model, "prompt": request.prompt, "n": 1}
    if request.size:
        body["size"] = request.size
    if not request.model.rpartition("/")[2].startswith(BASE64_ALONE):
        body["response_format"] = "b64_json"
    warnings = tuple(f"dropped={name}" for name in request.dropped)
    return NativeCall("POST", PICTURE_PATH, body, warnings)


class PictureAnswer(HouseAnswer):
    """How one answer of pictures is read (a `native.Dialect`)."""

    def whole(self, body: bytes | bytearray) -> list[Any]:
        answer = loads(body)
        rows = items(answer["data"], MAX_PICTURES)
        pictures = [row.get("b64_json") for row in rows]
        if not pictures or not all(type(one) is str and one for one in pictures):
            raise not_promised(KIND, "the answer holds no picture")
        kind = f"image/{word(answer.get('output_format')) or 'png'}"
        events: list[Any] = [Start(), *(Media(kind, data) for data in pictures)]
        match answer.get("usage"):
            case {"input_tokens": asked, "output_tokens": written}:
                events.append(Usage(prompt=count(asked) or 0, completion=count(written) or 0))
        return events
