"""The little model behind the fakes: what it sees of a request, and what it says to that.

It is the same for all three APIs, and its answers can be foretold:

- words in "double quotes" are what it fills tools and schemas with; two of them make two calls;
- with tools' results before it, it tells them; with images, how many bytes each has;
- who may search the web finds `FOUND` where "web" is in the words;
- otherwise it says the user's words back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_DEPTH = 3
THOUGHT = "The user wants an answer. 🤔 I think about it, step by step."
QUOTED = re.compile(r'"([^"]+)"')
TOKEN = re.compile(r"\s*\S+|\s+$")

FOUND = {"uri": "https://news.example/today", "title": "Today"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool gave back; `name` is the tool's."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as the model sees it: the last user turn, and the results that came after it."""

    text: str
    images: tuple[tuple[str, int], ...] = ()
    tools: tuple[tuple[str, Json], ...] = ()
    forced: bool = False
    parallel: bool = True
    results: tuple[Result, ...] = ()
    schema: Json | None = None
    wants_json: bool = False
    instructions: str = ""
    thinks: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    searches: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """The model's answer; `calls` are names and arguments."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, Json], ...] = ()
    truncated: bool = False
    searched: bool = False
    prompt_tokens: int = field(default=7)

    @property
    def reasoning_tokens(self) -> int:
        return len(tokens(self.reasoning))

    @property
    def text_tokens(self) -> int:
        return len(tokens(self.text)) + 10 * len(self.calls)


def words(text: str) -> frozenset[str]:
    """The words of a list that is written as a text."""
    return frozenset(text.split())


def tokens(text: str) -> list[str]:
    """The text in pieces that add up to it: words with the space before them."""
    return TOKEN.findall(text)


def say(seen: Seen) -> Said:
    """The model's answer to what it sees."""
    reasoning = THOUGHT if seen.thinks else ""
    prompt = len(tokens(seen.text)) + sum(len(tokens(result.text)) for result in seen.results) + 7
    calls = tuple(_calls(seen))
    if calls:
        return Said(reasoning=reasoning, calls=calls, prompt_tokens=prompt)
    text = _text(seen)
    for mark in seen.stop:
        text = text.partition(mark)[0]
    kept = tokens(text)[: seen.max_tokens]
    truncated = len(kept) < len(tokens(text))
    return Said(
        "".join(kept),
        reasoning,
        truncated=truncated,
        searched=seen.searches and "web" in seen.text,
        prompt_tokens=prompt,
    )


def _calls(seen: Seen) -> Iterator[tuple[str, Json]]:
    called = {result.name for result in seen.results}
    words = QUOTED.findall(seen.text)
    uncalled = [tool for tool in seen.tools if tool[0] not in called]
    if not uncalled or (not seen.forced and (called or not words)):
        return
    name, schema = uncalled[0]
    chosen = words if seen.parallel and not called else words[:1]
    for word in chosen or [None]:
        yield name, instance(schema, [word] if word else [])


def _text(seen: Seen) -> str:
    schema = seen.schema if seen.schema is not None else told_schema(seen.instructions)
    if schema is not None:
        value = instance(schema, QUOTED.findall(seen.text))
        return json.dumps(value, ensure_ascii=False)
    if seen.wants_json:
        return json.dumps({"answer": seen.text}, ensure_ascii=False)
    if seen.results:
        told = "; ".join(f"{result.name} says {result.text}" for result in seen.results)
        return f"The tools are done: {told}"
    if seen.images:
        told = ", ".join(f"{mime} of {size} bytes" for mime, size in seen.images)
        return f"I see {len(seen.images)} image(s): {told}"
    return f"You said: {seen.text}"


def told_schema(instructions: str) -> Json | None:
    """The JSON Schema that a system message tells, for models that take none as a parameter."""
    for start in re.finditer(r"\{", instructions):
        try:
            found, _ = json.JSONDecoder().raw_decode(instructions, start.start())
        except ValueError:
            continue
        return dict(found) if {"type", "properties", "$ref"} & set(found) else None
    return None


def instance(schema: Json, words: Sequence[str] = (), root: Json | None = None) -> Any:
    """A value that the schema allows; its strings are `words`, one after the other."""
    return _instance(schema, iter(words), root or schema, MAX_DEPTH)


def _instance(schema: Json, words: Iterator[str], root: Json, depth: int) -> Any:
    schema = _resolved(schema, root)
    if "const" in schema or "enum" in schema:
        return schema.get("const", *schema.get("enum", ())[:1])
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return _instance(_chosen(options, depth), words, root, depth)
    match _type(schema):
        case "object":
            properties = _properties(schema, depth)
            return {n: _instance(p, words, root, depth - 1) for n, p in properties.items()}
        case "array":
            count = max(depth > 0, schema.get("minItems") or 0)
            items = schema.get("items") or {}
            return [_instance(items, words, root, depth - 1) for _ in range(count)]
        case "string":
            return next(words, "text")
        case "integer" | "number":
            least, most = schema.get("minimum", 7), schema.get("maximum", 7)
            return max(least, min(most, 7))
        case kind:
            return True if kind == "boolean" else None


def _properties(schema: Json, depth: int) -> Json:
    """All of an object's properties, or deep down those that it must have."""
    properties: Json = schema.get("properties") or {}
    if depth > 0:
        return properties
    return {name: properties[name] for name in schema.get("required") or () if name in properties}


def _resolved(schema: Json, root: Json) -> Json:
    while "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        schema = target
    return schema


def _chosen(options: Sequence[Json], depth: int) -> Json:
    """The first option, of which null is the last but deep down the best."""
    ranked = sorted(options, key=lambda option: (option.get("type") == "null") == (depth > 0))
    return ranked[0]


def _type(schema: Json) -> str:
    kind = schema.get("type") or ("object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    return str(kind).lower()
