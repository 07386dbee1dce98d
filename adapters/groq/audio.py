"""Speech and Groq: what its Whisper hears and its Orpheus says, nearly in OpenAI's own form.

Source: groq-python's types; console.groq.com/docs/speech-to-text and /text-to-speech.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from adapters.base import NativeCall
from adapters.compatible.sound import Hearing, SpokenAnswer, to_native_speech
from adapters.groq.request import ROOT
from adapters.tasks import SpeechRequest

HEARING_MODEL = "whisper-large-v3-turbo"
TRANSLATING_MODEL = "whisper-large-v3"
SPEAKING_MODEL = "canopylabs/orpheus-v1-english"
SPEECH_PATH = f"{ROOT}/audio/speech"
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


class GroqAudio(Hearing):
    """The methods that an adapter fulfils `Hears` and `Speaks` with."""

    root = ROOT
    speaking_model = SPEAKING_MODEL

    def hearing_model(self, *, translates: bool) -> str:
        return TRANSLATING_MODEL if translates else HEARING_MODEL

    def to_native_speech(self, request: SpeechRequest) -> NativeCall:
        return _spoken(request, next(iter(in_pieces(request.text))))

    async def speak(self, request: SpeechRequest) -> AsyncGenerator[list[Any], None]:
        """One call after the other, for there is so much that it takes at once."""
        for text in in_pieces(request.text):
            said = self.ask(_spoken(request, text), SpokenAnswer(self._house))
            async with contextlib.aclosing(said) as batches:
                async for batch in batches:
                    yield batch


def _spoken(request: SpeechRequest, text: str) -> NativeCall:
    """The call for one piece of the text."""
    named = request.voice.lower()
    voice = VOICES.get(named) or (named if named in OWN_VOICES else None)
    warnings = ["dropped=instructions"] if request.manner else []
    if voice is None:
        warnings.append("changed=voice")
    return to_native_speech(SPEECH_PATH, replace(request, text=text), voice or ANY_VOICE, warnings)


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
