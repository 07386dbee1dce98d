"""Speech and Groq: what its Whisper hears and its Orpheus says, nearly in OpenAI's own form.

Source: groq-python's types; console.groq.com/docs/speech-to-text and /text-to-speech.
"""

from __future__ import annotations

import contextlib
import re
from abc import abstractmethod
from collections.abc import AsyncGenerator, Iterator, Mapping
from functools import partial
from typing import Any

import httpx
import orjson

from adapters.base import AdapterError, ErrorKind, Json, NativeCall, Scope
from adapters.bounds import items, word
from adapters.compatible.answer import rate_limits
from adapters.groq.messages import PROVIDER
from adapters.native import exchange
from adapters.tasks import Heard, SpeechRequest, Spoken, TranscriptionRequest, TranslationRequest
from adapters.upstream import Target
from adapters.wav import samples_of
from adapters.whole import WholeAnswer

HEARING_MODEL = "whisper-large-v3-turbo"
TRANSLATING_MODEL = "whisper-large-v3"
FORM_PATHS = ("openai/v1/audio/transcriptions", "openai/v1/audio/translations")
MAX_SEGMENTS = 20_000
SPEAKING_MODEL = "canopylabs/orpheus-v1-english"
SPEECH_PATH = "openai/v1/audio/speech"
MAX_SPOKEN = 200
"""Characters that it takes at once."""
ANY_VOICE = "hannah"
VOICES: Mapping[str, str] = {
    "alloy": "hannah",
    "ash": "austin",
    "ballad": "daniel",
    "cedar": "daniel",
    "coral": "autumn",
    "echo": "troy",
    "fable": "daniel",
    "marin": "hannah",
    "nova": "autumn",
    "onyx": "troy",
    "sage": "diana",
    "shimmer": "diana",
    "verse": "austin",
}
OWN_VOICES = frozenset({*VOICES.values(), "fahad", "sultan", "lulwa", "noura"})
_SENTENCE = re.compile(r"[^.!?…\n]*[.!?…\n]*\s*")


class GroqAudio:
    """The methods that an adapter fulfils `Hears` and `Speaks` with."""

    boundary: str
    speaking_model = SPEAKING_MODEL

    @abstractmethod
    async def audio_target(self, path: str) -> Target: ...

    @abstractmethod
    def audio_refusal(self, response: httpx.Response) -> AdapterError: ...

    def hearing_model(self, *, translates: bool) -> str:
        return TRANSLATING_MODEL if translates else HEARING_MODEL

    def to_native_hearing(self, request: TranscriptionRequest) -> NativeCall:
        return to_native_hearing(request, self.boundary)

    def hear(self, request: TranscriptionRequest) -> AsyncGenerator[list[Any], None]:
        call = self.to_native_hearing(request)
        return exchange(
            partial(self.audio_target, call.path), call, HeardAnswer(self.audio_refusal)
        )

    def to_native_speech(self, request: SpeechRequest) -> NativeCall:
        return to_native_speech(request, next(iter(in_pieces(request.text))))

    async def speak(self, request: SpeechRequest) -> AsyncGenerator[list[Any], None]:
        """One call after the other, for there is so much that it takes at once."""
        for text in in_pieces(request.text):
            call = to_native_speech(request, text)
            answer = SpokenAnswer(self.audio_refusal)
            said = exchange(partial(self.audio_target, call.path), call, answer)
            async with contextlib.aclosing(said) as batches:
                async for batch in batches:
                    yield batch


def to_native_speech(request: SpeechRequest, text: str) -> NativeCall:
    """The call for one piece of the text."""
    named = request.voice.lower()
    voice = VOICES.get(named) or (named if named in OWN_VOICES else None)
    dropped = [f"dropped={name}" for name in request.dropped]
    if request.manner:
        dropped.append("dropped=instructions")
    if voice is None:
        dropped.append("changed=voice")
    body = {
        "model": request.model,
        "input": text,
        "voice": voice or ANY_VOICE,
        "response_format": "wav",
    }
    return NativeCall("POST", f"/{SPEECH_PATH}", body, tuple(dropped))


def in_pieces(text: str) -> Iterator[str]:
    """The text, cut after sentences, else after words, so that no piece is too long."""
    piece = ""
    for sentence in _SENTENCE.findall(text):
        for part in _parts(sentence):
            if len(piece) + len(part) > MAX_SPOKEN:
                if piece.strip():
                    yield piece
                piece = ""
            piece += part
    if piece.strip():
        yield piece


def _parts(sentence: str) -> Iterator[str]:
    while len(sentence) > MAX_SPOKEN:
        at = sentence.rfind(" ", 1, MAX_SPOKEN) + 1 or MAX_SPOKEN
        yield sentence[:at]
        sentence = sentence[at:]
    yield sentence


class SpokenAnswer(WholeAnswer):
    """How one answer of sound is read (a `native.Dialect`)."""

    provider = PROVIDER

    def head(self, headers: Mapping[str, str]) -> list[Any]:
        return [*rate_limits(headers)]

    def whole(self, body: bytes) -> list[Any]:
        return [Spoken(*samples_of("", body))]


def to_native_hearing(request: TranscriptionRequest, boundary: str) -> NativeCall:
    """The call: a form, whose parts are parted by `boundary`."""
    translates = type(request) is TranslationRequest
    fields = list(_fields(request, translates=translates))
    mark = f"--{boundary}\r\n"
    told = "".join(
        f'{mark}Content-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields
    )
    name = request.file_name.replace("\\", "_").replace('"', "_")
    file = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
    head = f"{told}{mark}{file}Content-Type: {request.mime_type}\r\n\r\n".encode()
    dropped = [*request.dropped, *(["language"] if translates and request.language else [])]
    return NativeCall(
        "POST",
        f"/{FORM_PATHS[translates]}",
        dict(fields),
        tuple(f"dropped={name}" for name in dropped),
        content=b"".join((head, request.audio, f"\r\n--{boundary}--\r\n".encode())),
    )


def _fields(request: TranscriptionRequest, *, translates: bool) -> Iterator[tuple[str, str]]:
    yield "model", request.model
    yield "response_format", "verbose_json" if request.times else "json"
    if request.language and not translates:
        yield "language", request.language
    if request.prompt:
        yield "prompt", request.prompt
    if request.temperature is not None:
        yield "temperature", f"{request.temperature:g}"
    if not translates:
        yield from (("timestamp_granularities[]", one) for one in request.times)


class HeardAnswer(WholeAnswer):
    """How one answer is read (a `native.Dialect`)."""

    provider = PROVIDER

    def head(self, headers: Mapping[str, str]) -> list[Any]:
        return [*rate_limits(headers)]

    def whole(self, body: bytes) -> list[Any]:
        answer = orjson.loads(body)
        if type(answer) is not dict or type(text := answer.get("text")) is not str:
            raise AdapterError(
                ErrorKind.BAD_RESPONSE,
                "the answer holds no text",
                provider=PROVIDER,
                scope=Scope.PROVIDER,
            )
        segments = items(answer.get("segments"), MAX_SEGMENTS)
        words = items(answer.get("words"), MAX_SEGMENTS * 10)
        duration_s = answer.get("duration")
        return [
            Heard(
                text.strip(),
                language=word(answer.get("language")),
                duration_s=float(duration_s) if duration_s is not None else None,
                segments=tuple(_timed(one, "text") for one in segments),
                words=tuple(_timed(one, "word") for one in words),
            )
        ]


def _timed(row: Any, name: str) -> Json:
    """A piece of the text and its times. Raises ValueError and such for what is none."""
    if type(row[name]) is not str:
        raise TypeError
    return {**row, "start": float(row["start"]), "end": float(row["end"])}
