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
from proxy.doors.writing.whole import last


def embeddings(events: Sequence[Any], *, model: str, in_base64: bool, prompt_guess: int) -> bytes:
    vectors = (vector for event in events if type(event) is Vectors for vector in event.values)
    data: list[Json] = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _encoded(vector) if in_base64 else vector,
        }
        for index, vector in enumerate(vectors)
    ]
    start, usage = last(Start, events), last(Usage, events)
    prompt = prompt_guess if usage is None else usage.prompt
    return dumps(
        {
            "object": "list",
            "data": data,
            "model": (start and start.model) or model,
            "usage": {"prompt_tokens": prompt, "total_tokens": prompt},
        }
    )


def _encoded(vector: Sequence[float]) -> str:
    """32-bit floats, the lowest byte first."""
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode("ascii")
