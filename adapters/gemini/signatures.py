"""Where a call's signature is kept for clients that bring the call back without its id. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import islice
from typing import Any

import orjson

from adapters.events import Json
from adapters.translation.content import texts

MOST_TEXTS, MOST_CHARS = 16, 4000
"""Of what was asked: all of it would be gone through once more for each of many calls."""


def key_of_content(name: str, arguments: Any, before: Sequence[Json]) -> str:
    """The key of a call by what it says, and what the user had asked in the messages before it."""
    asked = next((one for one in reversed(before) if one["role"] == "user"), {})
    begin = islice(texts(asked.get("content")), MOST_TEXTS)
    said = [name, arguments, *(text[:MOST_CHARS] for text in begin)]
    text = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    return f"gemini-call:{hashlib.sha256(text).hexdigest()}"
