"""What Gemini hears, says and paints: chats whose answers are nothing but that."""

from __future__ import annotations

import base64
import contextlib
from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from adapters.base import ChatRequest, NativeCall
from adapters.errors import ErrorKind
from adapters.events import Event, Finish, Media, Text, Warn
from adapters.gemini import hearing
from adapters.gemini.errors import bad_response, refused
from adapters.gemini.names import ANY_VOICE, OWN_VOICES, VOICES
from adapters.kind import SdkKind
from adapters.tasks import Heard, PictureRequest, SpeechRequest, Spoken, TranscriptionRequest
from adapters.translation.wav import samples_of

SPEAKING_MODEL = "gemini-3.8-flash-tts"
PAINTING_MODEL = "gemini-3.1-flash-image"
MAX_WORDS = 300


class MediaMethods(SdkKind):
    """The methods that an adapter fulfils `Hears`, `Speaks` and `Paints` with, by its chat."""

    speaking_model = SPEAKING_MODEL
    painting_model = PAINTING_MODEL

    @abstractmethod
    def to_native(self, request: ChatRequest) -> NativeCall: ...

    @abstractmethod
    def chat(self, request: ChatRequest) -> AsyncGenerator[list[Event], None]: ...

    def hearing_model(self, *, translates: bool) -> str:
        return str(self.settings.model)

    def to_native_hearing(self, request: TranscriptionRequest) -> NativeCall:
        return self._native(hearing.asked(request), _dropped(request.dropped))

    def hear(self, request: TranscriptionRequest) -> AsyncGenerator[list[Any], None]:
        chat = self.chat(hearing.asked(request))
        return _gathered(chat, _dropped(request.dropped), lambda said, _: [Heard(said.strip())])

    def to_native_speech(self, request: SpeechRequest) -> NativeCall:
        chat, warnings = spoken_chat(request)
        return self._native(chat, warnings)

    def speak(self, request: SpeechRequest) -> AsyncGenerator[list[Any], None]:
        chat, warnings = spoken_chat(request)
        return _gathered(self.chat(chat), warnings, _spoken)

    def to_native_picture(self, request: PictureRequest) -> NativeCall:
        return self._native(painted_chat(request), _dropped(request.dropped))

    def paint(self, request: PictureRequest) -> AsyncGenerator[list[Any], None]:
        chat = self.chat(painted_chat(request))
        return _gathered(chat, _dropped(request.dropped), _painted)

    def _native(self, chat: ChatRequest, warnings: Sequence[str]) -> NativeCall:
        call = self.to_native(chat)
        return call.but(call.body, *warnings)


def _dropped(names: Sequence[str]) -> list[str]:
    return [f"dropped={name}" for name in names]


def spoken_chat(request: SpeechRequest) -> tuple[ChatRequest, Sequence[str]]:
    """The chat in which the text is spoken, and what of the request is lost."""
    named = request.voice.capitalize()
    voice = VOICES.get(request.voice.lower()) or (named if named in OWN_VOICES else None)
    warnings = _dropped(request.dropped)
    if voice is None:
        warnings.append("changed=voice")
    text = f"{request.manner}: {request.text}" if request.manner else request.text
    params = {
        "modalities": ["audio"],
        "audio": {"voice": voice or ANY_VOICE, "format": "pcm16"},
    }
    return ChatRequest(request.model, [{"role": "user", "content": text}], params=params), warnings


def painted_chat(request: PictureRequest) -> ChatRequest:
    """The chat whose answer is a picture."""
    own = {"generationConfig": {"imageConfig": {"aspectRatio": request.aspect}}}
    content: Any = request.prompt
    if request.sources:
        shown = [{"type": "image_url", "image_url": {"url": uri}} for uri in request.sources]
        content = [*shown, {"type": "text", "text": request.prompt}]
    return ChatRequest(
        request.model,
        [{"role": "user", "content": content}],
        params={"modalities": ["image"]},
        extensions={"gemini": own} if request.aspect else {},
    )


async def _gathered(
    batches: AsyncGenerator[list[Event], None],
    warnings: Sequence[str],
    made: Callable[[str, Sequence[Media]], Sequence[Any]],
) -> AsyncGenerator[list[Any], None]:
    """What is `made` of a chat's text and media, when all of it is there."""
    events: list[Any] = [Warn(word) for word in warnings]
    said: list[str] = []
    media: list[Media] = []
    async with contextlib.aclosing(batches):
        async for batch in batches:
            for event in batch:
                if type(event) is Media:
                    media.append(event)
                elif type(event) is Text:
                    said.append(event.text)
                elif type(event) is not Finish:
                    events.append(event)
    yield [*events, *made("".join(said), media)]


def _painted(said: str, media: Sequence[Media]) -> Sequence[Media]:
    if not media:
        raise refused(f"nothing was painted{_why(said)}", "prompt", ErrorKind.UNSUPPORTED)
    return media


def _spoken(said: str, media: Sequence[Media]) -> Sequence[Spoken]:
    if not media:
        raise refused(f"nothing was spoken{_why(said)}", "input", ErrorKind.UNSUPPORTED)
    try:
        return [Spoken(*samples_of(one.mime_type, base64.b64decode(one.data))) for one in media]
    except ValueError:
        raise bad_response("the answer is no sound that can be read") from None


def _why(said: str) -> str:
    """The model's own words, where it gave nothing else."""
    words = " ".join(said.split())[:MAX_WORDS]
    return f": {words}" if words else ""
