"""The two kinds of schema that Gemini takes, and what it says to any other.

`parametersJsonSchema` and `responseJsonSchema` are JSON Schema with the keywords that its documents
list (`$schema` and `pattern` were seen to pass); `parameters` and `responseSchema` are OpenAPI's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.fakes.model import Json, words

JSON_SCHEMA_KEYS = words(
    "$id $defs $ref $anchor $schema type format title description enum items prefixItems minItems "
    "maxItems minimum maximum anyOf oneOf properties additionalProperties required "
    "propertyOrdering pattern"
)
OPENAPI_KEYS = words(
    "type format title description nullable enum items maxItems minItems properties required "
    "minProperties maxProperties minLength maxLength pattern example anyOf propertyOrdering "
    "default minimum maximum"
)
TYPES = words("string number integer boolean array object null")
OBJECTS = ("properties", "$defs")
LISTS = ("required", "enum", "anyOf", "oneOf", "prefixItems", "propertyOrdering")


def check_json_schema(schema: Any, *, wants_object: bool = False) -> str | None:
    """What is wrong with a JSON Schema, or None."""
    if not isinstance(schema, dict):
        return "the schema must be an object"
    if wants_object and schema.get("type") != "object":
        return "the schema of a function must be of type object"
    return next(_problems(schema, schema), None) or _endless(schema)


def _misshapen(schema: Json) -> str | None:
    """A keyword whose value is none of its kind: the service reads no further then."""
    for keys, kind in ((OBJECTS, dict), (LISTS, list)):
        for key in keys:
            if schema.get(key) is not None and not isinstance(schema[key], kind):
                return f"Invalid value at '{key}'"
    return None


def _problems(schema: Json, root: Json) -> Iterator[str]:
    if problem := _misshapen(schema):
        yield problem
        return
    yield from _own_problems(schema, root)
    for inner in children(schema):
        if isinstance(inner, dict):
            yield from _problems(inner, root)
        elif not isinstance(inner, bool):
            yield "a schema must be an object"


def _own_problems(schema: Json, root: Json) -> Iterator[str]:
    for key in sorted(set(schema) - JSON_SCHEMA_KEYS):
        yield f'unsupported keyword "{key}"'
    if "$ref" in schema:
        if any(not key.startswith("$") for key in schema):
            yield "beside $ref only keys with $ are allowed"
        if target(schema["$ref"], root) is None:
            yield f"reference to undefined schema {schema['$ref']}"
    kinds = schema.get("type", [])
    for kind in set(kinds if isinstance(kinds, list) else [kinds]) - TYPES:
        yield f'unknown type "{kind}"'
    for value in schema.get("enum") or ():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            yield "enum: only strings and numbers are allowed"
    for name in set(schema.get("required") or ()) - set(schema.get("properties") or ()):
        yield f"required: property {name} is not defined"


def children(schema: Json) -> Iterator[Any]:
    """The schemas within a schema."""
    for key in ("properties", "$defs"):
        yield from (schema.get(key) or {}).values()
    for key in ("anyOf", "oneOf", "prefixItems"):
        yield from schema.get(key) or ()
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield schema[key]


def target(ref: str, root: Json) -> Json | None:
    """The schema that a reference within the document names."""
    if ref == "#":
        return root
    name = ref.removeprefix("#/$defs/")
    found = (root.get("$defs") or {}).get(name) if name != ref else None
    return found if isinstance(found, dict) else None


def _endless(root: Json) -> str | None:
    """Cycles may run through properties that are not required only."""

    def walk(schema: Json, open_refs: frozenset[str]) -> bool:
        ref = schema.get("$ref")
        if ref is not None:
            return ref in open_refs or walk(target(ref, root) or {}, open_refs | {ref})
        required = schema.get("required") or ()
        properties = schema.get("properties") or {}
        return any(walk(properties[name], open_refs) for name in required if name in properties)

    return "a required property refers back to itself" if walk(root, frozenset({"#"})) else None


def check_openapi_schema(schema: Any) -> str | None:
    """What is wrong with a schema of OpenAPI's kind, or None."""
    if not isinstance(schema, dict):
        return "the schema must be an object"
    for key in schema:
        if key not in OPENAPI_KEYS:
            return f'Unknown name "{key}": Cannot find field.'
    if problem := _misshapen(schema):
        return problem
    kind = schema.get("type")
    if kind is not None and str(kind).lower() not in TYPES:
        return f'Invalid value at type: "{kind}"'
    if str(kind).lower() == "object" and not schema.get("properties"):
        return "properties: should be non-empty for OBJECT type"
    if any(not isinstance(value, str) for value in schema.get("enum") or ()):
        return "enum: only strings are allowed"
    inner = [*(schema.get("properties") or {}).values(), *(schema.get("anyOf") or ())]
    inner += [schema["items"]] if "items" in schema else []
    return next((problem for one in inner if (problem := check_openapi_schema(one))), None)
