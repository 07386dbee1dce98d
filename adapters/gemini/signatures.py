"""Where a call's signature is kept for clients that bring the call back without its id. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson

from adapters.base import Json
from adapters.gemini.parts import texts


def key_of_content(name: str, arguments: Any, before: Sequence[Json]) -> str:
    """The key of a call by what it says, and what the user had asked in the messages before it."""
    asked = next((one for one in reversed(before) if one["role"] == "user"), {})
    said = [name, arguments, *texts(asked.get("content"))]
    text = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    return f"gemini-call:{hashlib.sha256(text).hexdigest()}"
