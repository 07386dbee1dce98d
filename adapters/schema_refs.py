"""JSON Schema without references: `$ref` and `allOf` taken into the schemas that name them. Pure.

A cycle is unrolled a few times, then only its type is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import orjson

from adapters.base import Json

MAX_NODES = 1500
MAX_DEPTH = 40
MAX_REPEATS = 2  # how often a path may come back to a definition that it is already in

TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")

Path = tuple[str | None, ...]  # names of properties; None is any item of an array


def inlined(schema: Json) -> Json:
    """A schema that says the same without `$ref`, `$defs` and `allOf`; not to be changed."""
    try:
        text = orjson.dumps(schema)
    except TypeError:  # too deep or too large a number, as sending it will show
        return schema
    return _inlined(text) if b'"$ref"' in text or b'"allOf"' in text else schema


@lru_cache(maxsize=256)
def _inlined(text: bytes) -> Json:
    schema = orjson.loads(text)
    found: Json = _Inliner(schema).inlined(schema, Place())
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the answer a schema stands, and which definitions led there."""

    path: Path = ()
    refs: tuple[str, ...] = ()
    depth: int = 0

    def below(self, *names: str | None) -> Place:
        return Place((*self.path, *names), self.refs, self.depth + 1)

    def through(self, *refs: str) -> Place:
        return Place(self.path, (*self.refs, *refs), self.depth)

    def repeats(self, ref: str) -> bool:
        return ref in self.refs and len(self.refs) - len(set(self.refs)) >= MAX_REPEATS


class References:
    """The references within one document, `root`; `dangling` if any of them leads nowhere."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.dangling = False

    def flattened(self, schema: Json, place: Place) -> tuple[Json, Place]:
        """The schema with `$ref` and `allOf` taken into it."""
        flat = schema
        while isinstance(ref := flat.get("$ref"), str):
            target = _at(self.root, ref)
            if target is None:
                self.dangling = True
            if place.repeats(ref):
                return stub(target or {}), place
            place = place.through(ref)
            flat = merged(target or {}, {key: v for key, v in flat.items() if key != "$ref"})
        members = flat.get("allOf")
        if not isinstance(members, list) or place.depth > MAX_DEPTH:
            return flat, place
        whole: Json = {}
        for member in members:
            if isinstance(member, dict):
                one, inner = self.flattened(member, place.below())
                whole = merged(whole, one)
                place = place.through(*inner.refs[len(place.refs) :])
        return merged(whole, {key: v for key, v in flat.items() if key != "allOf"}), place


class _Inliner:
    def __init__(self, root: Json) -> None:
        self._references = References(root)
        self._left = MAX_NODES

    def inlined(self, schema: Any, place: Place) -> Any:
        if not isinstance(schema, dict):
            return schema
        self._left -= 1
        if self._left < 0 or place.depth > MAX_DEPTH:
            return stub(schema)
        flat, place = self._references.flattened(schema, place)
        below = place.below()
        out: Json = {}
        for key, value in flat.items():
            match key, value:
                case "$defs" | "definitions", _:
                    pass
                case "properties", dict():
                    out[key] = {name: self.inlined(part, below) for name, part in value.items()}
                case "anyOf" | "oneOf" | "prefixItems" | "items", list():
                    out[key] = [self.inlined(part, below) for part in value]
                case "items" | "additionalProperties", dict():
                    out[key] = self.inlined(value, below)
                case _:
                    out[key] = value
        return out


def _at(root: Any, ref: str) -> Json | None:
    """The schema that a JSON pointer into `root` names, None if there is none."""
    if ref != "#" and not ref.startswith("#/"):
        return None
    here = root
    for name in unquote(ref).split("/")[1:]:
        name = name.replace("~1", "/").replace("~0", "~")
        if isinstance(here, list) and name.isdecimal() and int(name) < len(here):
            here = here[int(name)]
        elif isinstance(here, dict) and name in here:
            here = here[name]
        else:
            return None
    return here if isinstance(here, dict) else None


def stub(schema: Json) -> Json:
    """What is left of a schema that goes too deep: its type."""
    return {"type": kind} if (kind := type_of(schema)) else {}


def merged(base: Json, extra: Json) -> Json:
    """What holds to both; where they contradict each other, `extra` has it."""
    both = base | extra
    for key in base.keys() & extra.keys():
        match key, base[key], extra[key]:
            case "properties", dict() as ours, dict() as theirs:
                both[key] = ours | theirs
                for name in ours.keys() & theirs.keys():
                    both[key][name] = {"allOf": [ours[name], theirs[name]]}
            case "required", list() as ours, list() as theirs:
                both[key] = ours + theirs
            case "enum", list() as ours, list() as theirs:
                both[key] = [value for value in theirs if value in ours] or theirs
            case "anyOf" | "oneOf" | "allOf", list() as ours, list() as theirs if ours != theirs:
                both[key] = theirs
                both["allOf"] = (
                    [*both.get("allOf", []), {key: ours}] if key != "allOf" else (ours + theirs)
                )
    return both


def type_of(flat: Json) -> str | None:
    """The one type of a schema: as it says, or as its other keywords tell."""
    kind = flat.get("type")
    if isinstance(kind, str) and kind.lower() in TYPES:
        return kind.lower()
    if "properties" in flat:
        return "object"
    if "items" in flat or "prefixItems" in flat:
        return "array"
    kinds = {type_of_value(value) for value in enum_of(flat)} - {None}
    return next(iter(kinds)) if len(kinds) == 1 else None


def enum_of(flat: Json) -> list[Any]:
    """The values that a schema allows, empty where it names none."""
    values = [flat["const"]] if "const" in flat else flat.get("enum")
    return values if isinstance(values, list) else []


def type_of_value(value: Any) -> str | None:
    """JSON Schema's name for the type of a scalar."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case _:
            return None
