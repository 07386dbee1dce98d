"""The arguments of a call as an object, which models do not always write. Pure."""

from __future__ import annotations

from typing import Any

import orjson

from adapters.base import Json


def arguments_object(text: str) -> Json | None:
    """The object that the text of a call's arguments means; None where it cannot be read."""
    if not text.strip():
        return {}
    try:
        return as_object(orjson.loads(text))
    except orjson.JSONDecodeError:
        return None


def arguments_or_text(text: str) -> Json:
    """The same; what cannot be read is kept under a key of its own."""
    found = arguments_object(text)
    return {"_raw": text} if found is None else found


def as_object(value: Any) -> Json:
    """Any JSON value as an object: "null" is written for a call without parameters."""
    if value is None:
        return {}
    return value if isinstance(value, dict) else {"value": value}
