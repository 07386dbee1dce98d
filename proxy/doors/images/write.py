"""Pictures -> OpenAI's object of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.base import Json, Media, Usage
from adapters.wire.writing import dumps
from proxy.doors.door import Indivisible
from proxy.doors.openai import tokens_object
from proxy.doors.writing.whole import JSON_TYPE
from proxy.reply import Header


class PictureFold(Indivisible):
    """Keeps the pictures until all are there."""

    headers: Sequence[Header] = (JSON_TYPE,)

    def __init__(self, created: int) -> None:
        self._created = created
        self._pictures: list[Json] = []
        self._usage: Usage | None = None

    def feed(self, events: Sequence[Any]) -> None:
        for event in events:
            if type(event) is Media:
                self._pictures.append({"b64_json": event.data})
            elif type(event) is Usage:
                self._usage = event

    def end(self) -> bytes:
        answer: Json = {"created": self._created, "data": self._pictures}
        if used := self._usage:
            details = {"text_tokens": used.prompt, "image_tokens": 0}
            answer["usage"] = tokens_object(used) | {"input_tokens_details": details}
        return dumps(answer)
