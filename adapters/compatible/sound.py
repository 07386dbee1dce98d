"""Speech in a form as OpenAI takes it, the words in the answer, and answers that are sound."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import httpx

from adapters.base import NativeCall
from adapters.compatible.errors import House, refusal
from adapters.compatible.limits import rate_limits
from adapters.errors import BEFORE_CONTENT, AdapterError, not_promised
from adapters.events import Json
from adapters.kind import Kind
from adapters.tasks import Heard, SpeechRequest, Spoken, TranscriptionRequest, TranslationRequest
from adapters.translation.sound import ending_of
from adapters.translation.wav import samples_of
from adapters.wire.bounds import items, word
from adapters.wire.pieces import loads
from adapters.wire.whole import WholeAnswer

FORM_PATHS = ("/audio/transcriptions", "/audio/translations")
BOUNDARY = f"pointsman-{secrets.token_hex(16)}"  # in no file that anybody can make
MAX_SEGMENTS = 20_000


class Hearing(Kind):
    """The methods that an adapter fulfils `Hears` with, whose paths begin with `root`."""

    root = ""
    _house: House

    def refused(self, response: httpx.Response) -> AdapterError:
        return refusal(self._house, response, BEFORE_CONTENT)

    def to_native_hearing(self, request: TranscriptionRequest) -> NativeCall:
        return to_native_hearing(request, self.root)

    def hear(self, request: TranscriptionRequest) -> AsyncGenerator[list[Any], None]:
        return self.ask(self.to_native_hearing(request), HeardAnswer(self._house))

    def _content_type(self, path: str) -> str:
        if path.endswith(FORM_PATHS):
            return f"multipart/form-data; boundary={BOUNDARY}"
        return super()._content_type(path)


def to_native_speech(
    path: str, request: SpeechRequest, voice: str, warnings: Sequence[str], **more: str
) -> NativeCall:
    """The call for a text in a voice of the house's own, with what `more` the house takes."""
    body = {"model": request.model, "input": request.text, "voice": voice}
    words = (*(f"dropped={name}" for name in request.dropped), *warnings)
    return NativeCall("POST", path, {**body, "response_format": "wav", **more}, words)


def to_native_hearing(request: TranscriptionRequest, root: str) -> NativeCall:
    """The call: a form at a path below `root`."""
    translates = type(request) is TranslationRequest
    fields = list(_fields(request, translates=translates))
    mark = f"--{BOUNDARY}\r\n"
    told = "".join(
        f'{mark}Content-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields
    )
    name = _name(request).replace("\\", "_").replace('"', "_")
    file = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
    head = f"{told}{mark}{file}Content-Type: {request.mime_type}\r\n\r\n".encode()
    dropped = [*request.dropped, *(["language"] if translates and request.language else [])]
    return NativeCall(
        "POST",
        root + FORM_PATHS[translates],
        dict(fields),
        tuple(f"dropped={name}" for name in dropped),
        content=(head, request.audio, f"\r\n--{BOUNDARY}--\r\n".encode()),
    )


def _name(request: TranscriptionRequest) -> str:
    """The file's name, with an ending that is taken."""
    ending = ending_of(request.file_name, request.mime_type, request.audio)
    if ending is None or request.file_name.lower().endswith(f".{ending}"):
        return request.file_name
    return f"{request.file_name}.{ending}"


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


class HouseAnswer(WholeAnswer):
    """What all answers of a house have in common that come in one piece."""

    def __init__(self, house: House) -> None:
        super().__init__(house.provider, partial(refusal, house, phase=BEFORE_CONTENT))
        self._limits = house.limits

    def head(self, headers: Mapping[str, str]) -> list[Any]:
        return [*rate_limits(headers, self._limits)]


class SpokenAnswer(HouseAnswer):
    """How one answer of sound is read (a `native.Dialect`)."""

    def whole(self, body: bytes | bytearray) -> list[Any]:
        return [Spoken(*samples_of("", bytes(body)))]


class HeardAnswer(HouseAnswer):
    """How the answer is read that holds what was said (a `native.Dialect`)."""

    def whole(self, body: bytes | bytearray) -> list[Any]:
        answer = loads(body)
        if type(answer) is not dict or type(text := answer.get("text")) is not str:
            raise not_promised(self.provider, "the answer holds no text")
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
