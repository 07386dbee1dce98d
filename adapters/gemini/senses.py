"""What Gemini hears, says and paints: chats whose answers are nothing but that."""

from __future__ import annotations

import base64
import contextlib
from abc import abstractmethod
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from msgspec.structs import replace

from adapters.base import (
    AdapterError,
    ChatRequest,
    ErrorKind,
    Event,
    Finish,
    Media,
    NativeCall,
    Text,
    Warn,
)
from adapters.gemini import hearing
from adapters.gemini.errors import bad_response, refused
from adapters.gemini.names import ANY_VOICE, OWN_VOICES, VOICES
from adapters.kind import SdkKind
from adapters.tasks import PictureRequest, SpeechRequest, Spoken, TranscriptionRequest
from adapters.translation.wav import samples_of

SPEAKING_MODEL = "gemini-3.8-flash-tts"
PAINTING_MODEL = "gemini-3.1-flash-image"
MAX_WORDS = 300


class Senses(SdkKind):
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
        return self._native(hearing.asked(request), request.dropped)

    def hear(self, request: TranscriptionRequest) -> AsyncGenerator[list[Any], None]:
        return hearing.heard(self.chat(hearing.asked(request)), request.dropped)

    def to_native_speech(self, request: SpeechRequest) -> NativeCall:
        chat, warnings = spoken_chat(request)
        return self._native(chat, (), warnings)

    def speak(self, request: SpeechRequest) -> AsyncGenerator[list[Any], None]:
        chat, warnings = spoken_chat(request)
        return _made(self.chat(chat), warnings, sounds=True)

    def to_native_picture(self, request: PictureRequest) -> NativeCall:
        return self._native(painted_chat(request), request.dropped)

    def paint(self, request: PictureRequest) -> AsyncGenerator[list[Any], None]:
        warnings = [f"dropped={name}" for name in request.dropped]
        return _made(self.chat(painted_chat(request)), warnings, sounds=False)

    def _native(
        self, chat: ChatRequest, dropped: Sequence[str], warnings: Sequence[str] = ()
    ) -> NativeCall:
        call = self.to_native(chat)
        told = [*call.warnings, *warnings, *(f"dropped={name}" for name in dropped)]
        return replace(call, warnings=tuple(told))


def spoken_chat(request: SpeechRequest) -> tuple[ChatRequest, Sequence[str]]:
    """The chat in which the text is spoken, and what of the request is lost."""
    named = request.voice.capitalize()
    voice = VOICES.get(request.voice.lower()) or (named if named in OWN_VOICES else None)
    warnings = [f"dropped={name}" for name in request.dropped]
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


async def _made(
    batches: AsyncGenerator[list[Event], None], warnings: Sequence[str], *, sounds: bool
) -> AsyncGenerator[list[Any], None]:
    """What came of a chat, when all of it is there; its words only where there is nothing else."""
    events: list[Any] = [Warn(word) for word in warnings]
    said: list[str] = []
    made = 0
    async with contextlib.aclosing(batches):
        async for batch in batches:
            for event in batch:
                if type(event) is Media:
                    made += 1
                    events.append(_sound(event) if sounds else event)
                elif type(event) is Text:
                    said.append(event.text)
                elif type(event) is not Finish:
                    events.append(event)
    if not made:
        raise _nothing(" ".join("".join(said).split()), sounds=sounds)
    yield events


def _sound(media: Media) -> Spoken:
    try:
        return Spoken(*samples_of(media.mime_type, base64.b64decode(media.data)))
    except ValueError:
        raise bad_response("the answer is no sound that can be read") from None


def _nothing(said: str, *, sounds: bool) -> AdapterError:
    """The error of an answer that is but words."""
    why = f": {said[:MAX_WORDS]}" if said else ""
    if sounds:
        return refused(f"nothing was spoken{why}", "input", ErrorKind.UNSUPPORTED)
    return refused(f"nothing was painted{why}", "prompt", ErrorKind.UNSUPPORTED)
