"""JSON Schema -> the part of it that every Gemini model takes. Pure; nothing given is changed.

The result goes into `parametersJsonSchema` and `responseJsonSchema`. Their documents allow more
than all servers take, so of two forms the one that the strictest takes is chosen: `$ref` is inlined
(a cycle unrolled a few times) instead of sent with `$defs`; a list of types and `nullable` become
`anyOf`; `anyOf` stands alone, what stood beside it moves into its branches; an `enum` of a
function's argument holds strings only, and `restore` turns the answer back into what was asked for.
Source: `FunctionDeclaration.parameters_json_schema` and
`GenerateContentConfig.response_json_schema` in google-genai's types.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import orjson

from adapters.events import Json
from adapters.translation.schema_refs import (
    A_STEP,
    MAX_DEPTH,
    MAX_NODES,
    Path,
    Place,
    References,
    enum_of,
    stub,
    type_of,
    type_of_value,
    worked_out,
)

MAX_NOTE_CHARS = 200

FORMATS: Mapping[str, tuple[str, ...]] = {
    "date-time": ("string",),
    "date": ("string",),
    "time": ("string",),
    "int32": ("integer", "number"),
    "int64": ("integer", "number"),
    "float": ("number",),
    "double": ("number",),
}
NOTED = ("minLength", "maxLength", "pattern", "minProperties", "maxProperties")
LOST = (
    "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies",
    "patternProperties", "propertyNames", "unevaluatedProperties", "unevaluatedItems", "contains",
    "uniqueItems", "multipleOf",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Translation:
    """`schema` is None if there is nothing to say; `lost` names the keywords that had to go.

    `casts` tells, by place in the answer, which string stands for which value of an enum.
    `wrapped` is True where a root that is no object went into the property `value` of one.
    """

    schema: Json | None
    lost: tuple[str, ...] = ()
    casts: Mapping[Path, Mapping[str, Any]] | None = None
    wrapped: bool = False


def for_parameters(schema: Json) -> Translation:
    """The schema of a function's arguments: an object, whose enums are of strings."""
    return worked_out(_parameters, orjson.dumps(schema))


def for_response(schema: Json) -> Translation:
    """The schema of an answer. Its text reaches the client as it comes, so numbers stay numbers."""
    return worked_out(_response, orjson.dumps(schema))


def restore(arguments: Any, translation: Translation) -> Any:
    """The arguments as the client's own schema has them: unwrapped, enums of their own type."""
    if translation.wrapped and isinstance(arguments, dict):
        arguments = arguments.get("value", arguments)
    if not translation.casts:
        return arguments
    return _cast(arguments, (), translation.casts, max(map(len, translation.casts)))


def _cast(value: Any, path: Path, casts: Mapping[Path, Mapping[str, Any]], depth: int) -> Any:
    if isinstance(value, str):
        return casts[path].get(value, value) if path in casts else value
    if len(path) == depth:
        return value
    if isinstance(value, dict):
        return {name: _cast(part, (*path, name), casts, depth) for name, part in value.items()}
    if isinstance(value, list):
        return [_cast(part, (*path, None), casts, depth) for part in value]
    return value


def _parameters(text: bytes) -> Translation:
    translator = _Translator(orjson.loads(text), only_strings=True)
    schema = translator.translated(translator.root, Place())
    translation = translator.result(schema)
    if schema.get("type") == "object":
        return translation if schema.get("properties") else replace(translation, schema=None)
    if not schema:
        return replace(translation, schema=None)
    properties = {"value": schema}
    root = {"type": "object", "properties": properties, "required": ["value"]}
    return replace(translation, schema=root | {"propertyOrdering": ["value"]}, wrapped=True)


def _response(text: bytes) -> Translation:
    translator = _Translator(orjson.loads(text), only_strings=False)
    return translator.result(translator.translated(translator.root, Place()) or None)


class _Translator:
    def __init__(self, root: Any, *, only_strings: bool) -> None:
        self.root = root
        self._references = References(root)
        self._only_strings = only_strings
        self._left = MAX_NODES
        self._lost: dict[str, None] = {}
        self._casts: dict[Path, dict[str, Any]] = {}

    def result(self, schema: Json | None) -> Translation:
        lost = {**self._lost, **({"$ref": None} if self._references.dangling else {})}
        return Translation(schema, tuple(lost), self._casts)

    def translated(self, schema: Any, place: Place) -> Json:
        """`schema` in Gemini's words; only its type where it is too deep, too large or cyclic."""
        if not isinstance(schema, dict):
            return {}
        self._left -= 1
        if self._left < 0 or place.depth > MAX_DEPTH or self._references.is_spent:
            return stub(schema)
        flat, place = self._references.flattened(schema, place)
        self._references.steps.take(1 + len(enum_of(flat)) // A_STEP)
        branches = _alternatives(flat, self._references)
        if branches is None:
            plain = self._plain(flat, place)
            self._references.spend(*map(plain.get, ("title", "description", "enum")))
            return plain
        below = place.below()
        translated: dict[bytes, Json] = {}
        for branch in branches:
            one = self.translated(branch, below)
            for each in one.get("anyOf", [one]):
                translated.setdefault(orjson.dumps(each), each)
            if self._references.is_spent:
                break
        found = list(translated.values())
        return found[0] if len(found) == 1 else {"anyOf": found}

    def _plain(self, flat: Json, place: Place) -> Json:
        """A schema of one type, its keywords by the types that they belong to."""
        self._lost |= dict.fromkeys(key for key in LOST if flat.get(key) not in (None, False))
        kind = type_of(flat)
        out: Json = {"type": kind} if kind else {}
        out |= {key: flat[key] for key in ("title",) if isinstance(flat.get(key), str)}
        if description := _description(flat):
            out["description"] = description
        if kind == "null":
            return out
        if isinstance(name := flat.get("format"), str) and kind in FORMATS.get(name, ()):
            out["format"] = name
        self._add_enum(out, flat, place)
        match out.get("type"):  # an enum of numbers has become one of strings
            case "object":
                self._add_properties(out, flat, place)
            case "array":
                self._add_items(out, flat, place)
            case "number" | "integer":
                _add_bounds(out, flat, whole=kind == "integer")
        return out

    def _add_enum(self, out: Json, flat: Json, place: Place) -> None:
        values = [value for value in enum_of(flat) if value != "" and _fits(value, out.get("type"))]
        if not values:
            return
        if isinstance(values[0], str):
            out["enum"] = values
            return
        texts = {orjson.dumps(value).decode(): value for value in values}
        if isinstance(values[0], bool):
            self._casts.setdefault(place.path, {}).update({"true": True, "false": False})
            if len(texts) == 1:
                _note(out, f"always {next(iter(texts))}")
        elif self._only_strings:
            self._casts.setdefault(place.path, {}).update(texts)
            out["type"], out["enum"] = "string", list(texts)
            out.pop("format", None)
        else:
            out["enum"] = values

    def _add_properties(self, out: Json, flat: Json, place: Place) -> None:
        if isinstance(flat.get("additionalProperties"), dict) and flat["additionalProperties"]:
            self._lost["additionalProperties"] = None
        properties = flat.get("properties")
        if not isinstance(properties, dict) or not properties:
            return
        out["properties"] = {
            name: self.translated(part, place.below(name)) for name, part in properties.items()
        }
        required = flat.get("required")
        if isinstance(required, list):
            wanted = {name for name in required if isinstance(name, str)}
            names = [name for name in properties if name in wanted]
            out |= {"required": names} if names else {}
        out["propertyOrdering"] = list(properties)

    def _add_items(self, out: Json, flat: Json, place: Place) -> None:
        items, first = flat.get("items"), flat.get("prefixItems")
        if isinstance(items, list):  # how drafts before 2020-12 write prefixItems
            items, first = flat.get("additionalItems"), items
        if isinstance(items, dict) or not first:  # Gemini wants items of every array
            out["items"] = self.translated(items, place.below(None))
        if isinstance(first, list) and first:
            out["prefixItems"] = [self.translated(part, place.below(None)) for part in first]
        for key in ("minItems", "maxItems"):
            if _is_number(flat.get(key)):
                out[key] = int(flat[key])


def _alternatives(flat: Json, references: References) -> Iterable[Json] | None:
    """The schemas of which one must hold, each complete; None if there is but this one.

    Each is made when it is its turn, as it is a copy of all that stands beside the alternatives.
    """
    for key in ("anyOf", "oneOf"):
        if isinstance(branches := flat.get(key), list) and branches:
            base = {name: value for name, value in flat.items() if name != key}
            schemas = [branch for branch in branches if isinstance(branch, dict)]
            return (references.merged(base, branch) for branch in schemas) if schemas else [base]
    if isinstance(types := flat.get("type"), list):
        return (references.merged(flat, {"type": kind}) for kind in types or [None])
    if flat.get("nullable") is True:
        return [flat | {"nullable": False}, {"type": "null"}]
    if "type" not in flat and len(kinds := dict.fromkeys(map(type_of_value, enum_of(flat)))) > 1:
        return [flat | {"type": kind} for kind in kinds if kind]
    return None


def _fits(value: Any, kind: str | None) -> bool:
    own = type_of_value(value)
    return own is not None and (own == kind or (own, kind) == ("integer", "number"))


def _description(flat: Json) -> str:
    """The description, with what has no keyword at Gemini said in words."""
    out: Json = {"description": text} if isinstance(text := flat.get("description"), str) else {}
    for key in NOTED:
        if isinstance(flat.get(key), str | int | float):
            _note(out, f"{key}: {flat[key]}")
    if isinstance(name := flat.get("format"), str) and name not in FORMATS:
        _note(out, f"format: {name}")
    if isinstance(value := flat.get("const"), dict | list):
        _note(out, f"always {orjson.dumps(value).decode()}")
    return str(out.get("description", ""))


def _note(out: Json, note: str) -> None:
    note = f"({note[:MAX_NOTE_CHARS]})"
    out["description"] = f"{out['description']} {note}" if out.get("description") else note


def _add_bounds(out: Json, flat: Json, *, whole: bool) -> None:
    least = [v for v in (flat.get("minimum"),) if _is_number(v)]
    most = [v for v in (flat.get("maximum"),) if _is_number(v)]
    if _is_number(above := flat.get("exclusiveMinimum")):
        least.append(math.floor(above) + 1 if whole else above)
    if _is_number(below := flat.get("exclusiveMaximum")):
        most.append(math.ceil(below) - 1 if whole else below)
    out |= {"minimum": max(least)} if least else {}
    out |= {"maximum": min(most)} if most else {}


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
