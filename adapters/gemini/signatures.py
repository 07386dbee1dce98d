"""Where a call's signature is kept for clients that bring the call back without its id. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import islice
from typing import Any

import orjson

from adapters.events import Json
from adapters.translation.content import texts
from adapters.wire.writing import IN_PIECES, dumps

MOST_TEXTS, MOST_CHARS = 16, 4000
"""Of what was asked: all of it would be gone through once more for each of many calls."""


def key_of_content(name: str, arguments: Any, before: Sequence[Json]) -> str:
    """The key of a call by what it says, and what the user had asked in the messages before it."""
    asked = next((one for one in reversed(before) if one["role"] == "user"), {})
    begin = islice(texts(asked.get("content")), MOST_TEXTS)
    said = [name, arguments, *(text[:MOST_CHARS] for text in begin)]
    if IN_PIECES.get():
        text = dumps(_in_order(said))
    else:
        text = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)  # a fifth of the time
    return f"gemini-call:{hashlib.sha256(text).hexdigest()}"


def _in_order(value: Any) -> Any:
    """The same with all keys in order: who sends a call back may have put them in another."""
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return list(map(_in_order, value)) if isinstance(value, list) else value
