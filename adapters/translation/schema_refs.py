"""JSON Schema without references: `$ref` and `allOf` taken into the schemas that name them. Pure.

A cycle is unrolled a few times, then only its type is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import unquote

import orjson

from adapters.events import Json
from adapters.wire.aside import steps

MAX_NODES = 1500
MAX_DEPTH = 40
MAX_COPIES = 20_000  # keys and entries that taking in references, branches and `allOf` may copy
MAX_RESULT_CHARS = 2 * 1024 * 1024  # a reference to what is long repeats it
MAX_REFS = 200  # how many references may lead to one place
MAX_REPEATS = 2  # how often a path may come back to a definition that it is already in
A_STEP = 16  # entries of what is copied or looked through
CHARS_A_STEP = 256  # of the result
KEPT_SHARE = 8  # what copying and sending a result takes of what making it takes

MAX_KEPT_BYTES = 8 * 1024
"""Results are kept for small schemas only, as those of tools are that come again and again."""

TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")

T = TypeVar("T")
Path = tuple[str | None, ...]  # names of properties; None is any item of an array


def inlined(schema: Json) -> Json:
    """A schema that says the same without `$ref`, `$defs` and `allOf`; not to be changed."""
    try:
        text = orjson.dumps(schema)
    except TypeError:  # too deep or too large a number, as sending it will show
        return schema
    if b'"$ref"' not in text and b'"allOf"' not in text:
        return schema
    return worked_out(_inlined, text)


def worked_out(work: Callable[[bytes], T], text: bytes) -> T:
    """What the work makes of a schema's text, now or before."""
    if len(text) > MAX_KEPT_BYTES:
        return work(text)
    found: T
    found, cost = _kept(work, text)
    steps().take(cost)
    return found


@lru_cache(maxsize=256)
def _kept(work: Callable[[bytes], T], text: bytes) -> tuple[T, int]:
    """What the work gives, and the steps that having it again shall take."""
    mine = steps()
    before = mine.taken
    return work(text), (mine.taken - before) // KEPT_SHARE


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
        if len(self.refs) > MAX_REFS:
            return True
        return ref in self.refs and len(self.refs) - len(set(self.refs)) >= MAX_REPEATS


class References:
    """The references within one document, `root`; `dangling` if any of them leads nowhere."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.dangling = False
        self.steps = steps()
        self._copies = MAX_COPIES
        self._chars = MAX_RESULT_CHARS

    @property
    def is_spent(self) -> bool:
        """Whether no more is to be copied: only types are left of what comes now."""
        return self._copies < 0 or self._chars < 0

    def spend(self, *values: Any) -> None:
        """Count what goes into the result as it is."""
        for value in values:
            chars = len(value) if type(value) is str else len(orjson.dumps(value)) if value else 0
            self._chars -= chars
            self.steps.take(chars // CHARS_A_STEP)

    def merged(self, base: Json, extra: Json) -> Json:
        """`merged`, and counted."""
        copies = len(base) + len(extra) + _entries(base) + _entries(extra)
        self._copies -= copies
        self.steps.take(1 + copies // A_STEP)
        return extra if self.is_spent else merged(base, extra)

    def flattened(self, schema: Json, place: Place) -> tuple[Json, Place]:
        """The schema with `$ref` and `allOf` taken into it."""
        flat = schema
        while isinstance(ref := flat.get("$ref"), str):
            self.steps.take(1 + len(ref) // (4 * A_STEP))
            target = _at(self.root, ref)
            if target is None:
                self.dangling = True
            if place.repeats(ref):
                return stub(target or {}), place
            place = place.through(ref)
            flat = self.merged(target or {}, {key: v for key, v in flat.items() if key != "$ref"})
        members = flat.get("allOf")
        if not isinstance(members, list) or place.depth > MAX_DEPTH:
            return flat, place
        whole: Json = {}
        for member in members:
            if isinstance(member, dict) and not self.is_spent:
                one, inner = self.flattened(member, place.below())
                whole = self.merged(whole, one)
                place = place.through(*inner.refs[len(place.refs) :])
        return self.merged(whole, {key: v for key, v in flat.items() if key != "allOf"}), place


class _Inliner:
    def __init__(self, root: Json) -> None:
        self._references = References(root)
        self._left = MAX_NODES

    def inlined(self, schema: Any, place: Place) -> Any:
        if not isinstance(schema, dict):
            return schema
        self._left -= 1
        if self._left < 0 or place.depth > MAX_DEPTH or self._references.is_spent:
            return stub(schema)
        self._references.steps.take()
        flat, place = self._references.flattened(schema, place)
        below = place.below()
        out: Json = {}
        for key, value in flat.items():
            match key, value:
                case ("$defs" | "definitions", _) | ("allOf", list()):
                    pass
                case "properties", dict():
                    out[key] = {name: self.inlined(part, below) for name, part in value.items()}
                case "anyOf" | "oneOf" | "prefixItems" | "items", list():
                    out[key] = [self.inlined(part, below) for part in value]
                case "items" | "additionalProperties", dict():
                    out[key] = self.inlined(value, below)
                case _, str() | list() | dict():
                    out[key] = value
                    self._references.spend(value)
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


def _entries(schema: Json) -> int:
    """How much a merge looks at: properties, names and values, and words that go into others."""
    lists = sum(len(schema[key]) for key in _MERGED if isinstance(schema.get(key), dict | list))
    words = schema.get("description")
    return lists + (len(words) // 32 if isinstance(words, str) else 0)


_MERGED = ("properties", "required", "enum", "anyOf", "oneOf", "allOf")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _in_both(ours: list[Any], theirs: list[Any]) -> list[Any]:
    known = {_spelled(value) for value in ours}
    return [value for value in theirs if _spelled(value) in known]


def _spelled(value: Any) -> object:
    """A value as JSON, so that lists and objects too can be looked up."""
    return value if isinstance(value, str | int | float) else orjson.dumps(value)


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
                both[key] = list(dict.fromkeys(filter(_is_text, ours + theirs)))
            case "enum", list() as ours, list() as theirs:
                both[key] = _in_both(ours, theirs) or theirs
            case "anyOf" | "oneOf" | "allOf", list() as ours, list() as theirs if ours != theirs:
                both[key] = theirs
                both["allOf"] = (
                    [*both.get("allOf", []), {key: ours}] if key != "allOf" else (ours + theirs)
                )
    return both


def type_of(flat: Json) -> str | None:
    """The one type of a schema: as it says, or as its other keywords imply."""
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
