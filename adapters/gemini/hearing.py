"""Speech for Gemini: a chat about a recording, whose answer is nothing but its words."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from adapters.base import ChatRequest, ErrorKind, Event, Finish, Text, Warn
from adapters.gemini.errors import refused
from adapters.tasks import Heard, TranscriptionRequest, TranslationRequest
from adapters.translation.sound import ending_of

MAX_INLINE_BYTES = 14 * 1024 * 1024
"""In base64 it fills the 20 MB that a request may have."""
FORMATS: Mapping[str, str] = {
    "wav": "wav",
    "mp3": "mp3",
    "mpga": "mp3",
    "mpeg": "mp3",
    "aac": "aac",
    "m4a": "aac",
    "mp4": "aac",
    "aiff": "aiff",
    "flac": "flac",
    "ogg": "ogg",
    "oga": "ogg",
    "opus": "ogg",
    "webm": "ogg",
}
TRANSCRIBE = "Write down word for word what is said in this recording, in the language spoken"
TRANSLATE = "Translate into English what is said in this recording"
ALONE = "Answer with the text alone; with nothing at all where nobody speaks."


def asked(request: TranscriptionRequest) -> ChatRequest:
    """The chat. Raises AdapterError for what Gemini cannot give or take."""
    if request.times:
        raise refused("Gemini tells no times", "response_format", ErrorKind.UNSUPPORTED)
    kind = FORMATS.get(request.file_name.rpartition(".")[2].lower())
    if kind is None and (ending := ending_of(request.file_name, request.mime_type, request.audio)):
        kind = FORMATS[ending]
    if kind is None:
        raise refused("Gemini hears no file of this format", "file", ErrorKind.UNSUPPORTED)
    if len(request.audio) > MAX_INLINE_BYTES:
        raise refused("the file is too large for Gemini", "file", ErrorKind.TOO_LARGE)
    words = TRANSLATE if type(request) is TranslationRequest else TRANSCRIBE
    if request.language and type(request) is not TranslationRequest:
        words += f" ({request.language})"
    words += f". {ALONE}"
    if request.prompt:
        words += f"\nThese words may come in it, or go before it: {request.prompt}"
    data = base64.b64encode(request.audio).decode("ascii")
    parts = [
        {"type": "input_audio", "input_audio": {"format": kind, "data": data}},
        {"type": "text", "text": words},
    ]
    params = {} if request.temperature is None else {"temperature": request.temperature}
    return ChatRequest(request.model, [{"role": "user", "content": parts}], params=params)


async def heard(
    batches: AsyncGenerator[list[Event], None], dropped: Sequence[str]
) -> AsyncGenerator[list[Any], None]:
    """The answer of that chat as what was heard: its text, when all of it is there."""
    text: list[str] = []
    others: list[Any] = [Warn(f"dropped={name}") for name in dropped]
    async with contextlib.aclosing(batches):
        async for batch in batches:
            for event in batch:
                if type(event) is Text:
                    text.append(event.text)
                elif type(event) is not Finish:
                    others.append(event)
    yield [*others, Heard("".join(text).strip())]
