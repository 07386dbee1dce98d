"""What a request says to one provider alone, in a block of its name, laid over the body. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.base import Json


def merged(base: Json, over: Any) -> Json:
    """`base` with `over` laid on it, objects merged key by key; neither is changed."""
    if not isinstance(over, Mapping):
        return base
    result = dict(base)
    for key, value in over.items():
        inner = result.get(key)
        both = isinstance(inner, dict) and isinstance(value, Mapping)
        result[key] = merged(inner, value) if both and isinstance(inner, dict) else value
    return result
