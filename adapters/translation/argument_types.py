"""Arguments that a model wrote, in the types of its tool's schema where nothing is lost. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from adapters.events import Json
from adapters.translation.schema_refs import inlined

MAX_DEPTH = 32
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,14})", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?([eE][+-]?\d{1,2})?", re.ASCII)
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}
_NOTHING = object()


def fitted(arguments: Json, schema: Json) -> Json:
    """The arguments, `"30"` a number and `"[1]"` a list where the schema takes no text there."""
    value: Json = _fit(arguments, inlined(schema), 0)
    return value


def _fit(value: Any, schema: Any, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return value
    kinds = _kinds(schema)
    if kinds and not any(type(value) in _TYPES.get(kind, (type(value),)) for kind in kinds):
        value = next((v for k in kinds if (v := _as(value, k)) is not _NOTHING), value)
    match value:
        case dict():
            return {key: _fit(one, _property(schema, key), depth + 1) for key, one in value.items()}
        case list():
            items = _of_branches(schema, "items")
            return [_fit(one, items, depth + 1) for one in value]
    return value


def _branches(schema: Json) -> list[Json]:
    """The schema and its alternatives."""
    found = [schema]
    for word in ("anyOf", "oneOf", "allOf"):
        branches = schema.get(word)
        if isinstance(branches, list):
            found += [branch for branch in branches if isinstance(branch, dict)]
    return found


def _kinds(schema: Json) -> list[str]:
    """The types that are taken; none where anything is."""
    kinds: list[str] = []
    for branch in _branches(schema):
        told = branch.get("type")
        kinds += told if isinstance(told, list) else [told] if told else []
        if told is None and branch is not schema:
            return []  # an alternative that says nothing of types takes all
    return [kind for kind in kinds if isinstance(kind, str)]


def _of_branches(schema: Json, word: str) -> Any:
    return next((found for one in _branches(schema) if (found := one.get(word))), None)


def _property(schema: Json, key: str) -> Any:
    for branch in _branches(schema):
        properties = branch.get("properties")
        if isinstance(properties, dict) and key in properties:
            return properties[key]
    return _of_branches(schema, "additionalProperties")


def _as(value: Any, kind: str) -> Any:
    """The value as one of this type, `_NOTHING` where something would be lost or guessed."""
    if kind == "integer" and type(value) is float and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if kind == "string" and type(value) in (int, float, bool):
        return orjson.dumps(value).decode()
    if not isinstance(value, str):
        return _NOTHING
    text = value.strip()
    match kind:
        case "integer" if _WHOLE.fullmatch(text):
            return int(text)
        case "number" if _NUMBER.fullmatch(text):
            return orjson.loads(text)
        case "boolean" if text.lower() in ("true", "false"):
            return text.lower() == "true"
        case "null" if text.lower() in ("null", "none"):
            return None
        case "object" | "array" if text[:1] == ("{" if kind == "object" else "["):
            try:
                return orjson.loads(text)
            except orjson.JSONDecodeError:
                return _NOTHING
    return _NOTHING
