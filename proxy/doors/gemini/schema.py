"""Gemini's `Schema`, a part of OpenAPI's -> JSON Schema. Pure; nothing given is changed.

What already is JSON Schema comes out as it went in, since some clients write it here all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.base import Json
from proxy.doors.gemini.fields import named, snake

NUMBERS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_NAMES: Mapping[str, str] = {
    snake(name): name
    for name in (*NUMBERS, "anyOf", "prefixItems", "propertyOrdering", "additionalProperties")
} | {"defs": "$defs", "ref": "$ref"}
NULL: Mapping[str, Any] = {"type": "null"}


def json_schema(schema: Any) -> Any:
    """The same as JSON Schema; `true` and `false` are schemas there, too."""
    if not isinstance(schema, dict):
        return schema if isinstance(schema, bool) else {}
    out: Json = {}
    for spelled, value in schema.items():
        name = _NAMES.get(spelled, spelled)
        if value is None or name in ("nullable", "propertyOrdering", "example"):
            continue
        if (kept := _keyword(name, named(name, value))) is not None:
            out[name] = kept
    if isinstance(properties := out.get("properties"), dict):
        out["properties"] = _ordered(properties, schema)
    return _or_null(out) if schema.get("nullable") is True else out


def in_camels(schema: Any) -> Any:
    """The same Schema with its keywords in one spelling; the names of properties are the user's."""
    if not isinstance(schema, dict):
        return schema
    out: Json = {}
    for spelled, value in schema.items():
        name = spelled if spelled in ("defs", "ref") else _NAMES.get(spelled, spelled)
        match name, value:
            case (("anyOf" | "oneOf" | "allOf" | "prefixItems"), list()):
                value = [in_camels(one) for one in value]
            case (("properties" | "defs"), dict()):
                value = {key: in_camels(one) for key, one in value.items()}
            case (("items" | "additionalProperties"), _):
                value = in_camels(value)
        out[name] = named(name, value)
    return out


def _keyword(name: str, value: Any) -> Any:
    """The value of one keyword; None to leave it out."""
    match name, value:
        case "type", str():
            return None if value.upper() == "TYPE_UNSPECIFIED" else value.lower()
        case "type", list():
            return [one.lower() if isinstance(one, str) else one for one in value]
        case "format", "enum":  # how Gemini marks a text that has an `enum`
            return None
        case (("items" | "additionalProperties"), _):
            return json_schema(value)
        case (("anyOf" | "oneOf" | "allOf" | "prefixItems"), list()):
            return [json_schema(one) for one in value]
        case (("properties" | "$defs"), dict()):
            return {key: json_schema(one) for key, one in value.items()}
        case "$ref", str():
            return value.replace("#/defs/", "#/$defs/", 1)
        case _, str() if name in NUMBERS and value.isascii() and value.isdigit():
            return int(value[:18])
    return value


def _ordered(properties: Json, schema: Json) -> Json:
    """The properties in the order that is given, those it does not name behind."""
    order = schema.get("propertyOrdering") or schema.get("property_ordering")
    named = [name for name in order if isinstance(name, str)] if isinstance(order, list) else []
    return {name: properties[name] for name in dict.fromkeys([*named, *properties])
            if name in properties}  # fmt: skip


def _or_null(schema: Json) -> Json:
    if isinstance(values := schema.get("enum"), list):
        schema = {**schema, "enum": [*values, None]}
    match schema.get("type"):
        case str(kind):
            schema = {**schema, "type": [kind, "null"]}
        case list(kinds) if "null" not in kinds:
            schema = {**schema, "type": [*kinds, "null"]}
    if isinstance(branches := schema.get("anyOf"), list):
        schema = {**schema, "anyOf": [*branches, dict(NULL)]}
    return schema
