"""Ollama's own API."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec.structs import replace

from adapters.base import Json
from proxy.doors.apps import App
from proxy.doors.door import Call, Opening
from proxy.doors.ollama.errors import OllamaErrors
from proxy.doors.ollama.objects import moment
from proxy.doors.ollama.read import Parsed, parse_chat, parse_generate
from proxy.doors.ollama.write import Answer, LineStream, ObjectFold, shaped
from proxy.doors.reading.body import parse_json
from proxy.doors.writing.whole import json_reply
from proxy.reply import Reply

APP = App(
    {"OLLAMA_HOST": ""},
    note="Where pointsman itself runs, OLLAMA_BASE_URL names the real server.",
)


class _Door(OllamaErrors):
    """One endpoint of two; `wall` is Unix time, `clock` measures how long something took."""

    parse: Callable[[Json], Parsed]

    def __init__(
        self, wall: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self._clock = clock

    def read(self, call: Call) -> Parsed | Reply:
        """The request; where nothing is asked, that a model is loaded."""
        began_s = self._clock()
        asked = replace(self.parse(parse_json(call.body)), began_s=began_s)
        if not asked.only:
            return asked
        loaded = shaped(asked, {}, created_at=moment(self._wall()))
        return json_reply(loaded | {"done": True, "done_reason": asked.only})

    def stream(self, asked: Parsed, opening: Opening) -> LineStream:
        return LineStream(Answer(asked, opening, self._clock))

    def fold(self, asked: Parsed, opening: Opening) -> ObjectFold:
        return ObjectFold(Answer(asked, opening, self._clock))


class OllamaChat(_Door):
    """POST /api/chat."""

    parse = staticmethod(parse_chat)


class OllamaGenerate(_Door):
    """POST /api/generate."""

    parse = staticmethod(parse_generate)
