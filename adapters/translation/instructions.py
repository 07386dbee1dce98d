"""Structured output by words, for models that do not take it as a parameter. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from adapters.base import ResponseFormat
from adapters.events import Json


def instruction(wanted: ResponseFormat) -> str:
    """The sentence that asks for `wanted`."""
    if wanted.schema is None:
        return "Answer with a JSON object and nothing else."
    schema = orjson.dumps(wanted.schema).decode()
    return f"Answer with JSON that matches this JSON Schema, and nothing else:\n{schema}"


def instructed(messages: Sequence[Json], wanted: ResponseFormat) -> list[Json]:
    """The messages with that sentence as one more system message, after the first of them."""
    at = next((i for i, each in enumerate(messages) if each["role"] != "system"), len(messages))
    return [*messages[:at], {"role": "system", "content": instruction(wanted)}, *messages[at:]]
