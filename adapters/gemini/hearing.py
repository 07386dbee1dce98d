"""Speech for Gemini: a chat about a recording, whose answer is nothing but its words. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from adapters.base import ChatRequest
from adapters.errors import ErrorKind
from adapters.gemini.errors import refused
from adapters.tasks import TranscriptionRequest, TranslationRequest
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
