"""Gemini's API, as Google's own clients speak it."""

from __future__ import annotations

from proxy.doors.apps import App
from proxy.doors.door import Call, Opening
from proxy.doors.gemini.errors import GeminiErrors
from proxy.doors.gemini.read import Parsed, named_model, parse_request
from proxy.doors.gemini.write import ChunkStream, Fold
from proxy.doors.reading.body import parse_json

# This server reads the variable too, and takes this word for no key.
APP = App({"GOOGLE_GEMINI_BASE_URL": ""}, "GEMINI_API_KEY", unused="none")


class GenerateDoor(GeminiErrors):
    """POST …/{model}:generateContent, or `:streamGenerateContent`."""

    name = "gemini"

    def __init__(self, *, stream: bool = False) -> None:
        self._stream = stream

    def read(self, call: Call) -> Parsed:
        """The request; without `alt=sse` its stream is one array."""
        in_array = self._stream and b"alt=sse" not in call.query.split(b"&")
        data = parse_json(call.body)
        model = named_model(call, data)
        return parse_request(data, model, stream=self._stream, in_array=in_array)

    def stream(self, asked: Parsed, opening: Opening) -> ChunkStream:
        return ChunkStream(asked, opening)

    def fold(self, asked: Parsed, opening: Opening) -> Fold:
        return Fold(asked, opening)
