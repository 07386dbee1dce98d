"""Vectors -> OpenAI's list of embeddings. Pure."""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Sequence
from typing import Any

from adapters.base import Json, Start, Usage
from adapters.tasks import Vectors
from adapters.wire.writing import dumps
from proxy.doors.door import Indivisible
from proxy.doors.writing.whole import JSON_TYPE
from proxy.reply import Header


class EmbeddingFold(Indivisible):
    """Keeps the vectors until all are there."""

    headers: Sequence[Header] = (JSON_TYPE,)

    def __init__(self, model: str, *, in_base64: bool, prompt_guess: int) -> None:
        self._model = model
        self._in_base64 = in_base64
        self._prompt = prompt_guess
        self._vectors: list[Sequence[float]] = []

    def feed(self, events: Sequence[Any]) -> None:
        for event in events:
            match event:
                case Vectors():
                    self._vectors += event.values
                case Usage():
                    self._prompt = event.prompt
                case Start():
                    self._model = event.model or self._model
                case _:
                    pass

    def end(self) -> bytes:
        data: list[Json] = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _encoded(vector) if self._in_base64 else vector,
            }
            for index, vector in enumerate(self._vectors)
        ]
        usage = {"prompt_tokens": self._prompt, "total_tokens": self._prompt}
        return dumps({"object": "list", "data": data, "model": self._model, "usage": usage})


def _encoded(vector: Sequence[float]) -> str:
    """32-bit floats, the lowest byte first."""
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode("ascii")
