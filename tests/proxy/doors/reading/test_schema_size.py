"""Schemas that are small to send and large to work on: refused, or worked on in bounded steps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from adapters.base import ChatRequest, ResponseFormat
from adapters.gemini.schema import for_parameters, for_response
from adapters.translation.schema_refs import inlined
from proxy.doors.reading.schema_size import MAX_MEMBERS, SchemaSize, SchemaTooLargeError
from proxy.doors.reading.schemas import within_bounds
from proxy.errors import ApiError

MAX_STEPS = 200_000
NAMES = [f"k{at}" for at in range(10_000)]


def wide(n: int) -> dict[str, Any]:
    return dict.fromkeys(NAMES[:n], True)


HOSTILE: dict[str, Callable[[int], dict[str, Any]]] = {
    "required in properties": lambda n: {
        "type": "object", "required": NAMES[:n], "properties": {name: {} for name in NAMES[:n]}
    },
    "keys beside branches": lambda n: wide(n) | {"anyOf": [{} for _ in range(n)]},
    "keys beside types": lambda n: wide(n) | {"type": ["string"] * n},
    "references to what is large": lambda n: {
        "type": "object",
        "properties": {name: {"$ref": "#/$defs/large"} for name in NAMES[: n // 2]},
        "$defs": {"large": wide(n // 2)},
    },
    "a chain of references": lambda n: {
        "$ref": "#/$defs/k0",
        "$defs": {NAMES[at]: {"$ref": f"#/$defs/k{at + 1}"} for at in range(n)},
    },
    "values of two lists": lambda n: {
        "allOf": [{"enum": NAMES[:n]}, {"enum": list(reversed(NAMES[:n]))}]
    },
    "values that are lists": lambda n: {
        "allOf": [{"enum": [[at] for at in range(n)]}, {"enum": [[-at] for at in range(n)]}]
    },
    "branches in branches": lambda n: {
        "anyOf": [{"anyOf": [{"type": "string", "title": str(at)}] * 20} for at in range(n // 20)]
    },
    "a chain of allOf": lambda n: {"allOf": [{"properties": {name: {}}} for name in NAMES[:n]]},
    "long words beneath a reference": lambda n: {
        "type": "object",
        "properties": {name: {"$ref": "#/$defs/long"} for name in NAMES[:n]},
        "$defs": {"long": {"properties": {"x": {"title": "t" * 500 * n, "default": "d" * 9 * n}}}},
    },
    "values that stand by a reference": lambda n: {
        "type": "object",
        "properties": {name: {"$ref": "#/$defs/long"} for name in NAMES[:n]},
        "$defs": {"long": {"default": NAMES[: 4 * n]}},
    },
    "properties of the same name": lambda n: {
        "allOf": [{"properties": {"x": {"properties": {"y": {}}}}}] * n
    },
    "words that are repeated": lambda n: {
        "type": "object",
        "properties": {name: {"$ref": "#/$defs/long", "pattern": "x"} for name in NAMES[:n]},
        "$defs": {"long": {"type": "string", "description": "d" * 100 * n}},
    },
}  # fmt: skip


def steps_of(work: Callable[[dict[str, Any]], Any], schema: dict[str, Any]) -> int:
    """How many functions are called; work that is hidden in one shows in the result's size."""
    steps = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal steps
        steps += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        result = work(schema)
    finally:
        sys.setprofile(None)
    result = getattr(result, "schema", result)
    return steps + len(orjson.dumps(result)) // 100


@pytest.mark.parametrize("work", [inlined, for_parameters, for_response])
@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_not_refused_takes_a_bounded_number_of_steps(
    make: Callable[[int], dict[str, Any]], work: Callable[[dict[str, Any]], Any]
) -> None:
    for n in (4000, 1900, 900, 400):
        try:
            SchemaSize().add(schema := make(n))
        except SchemaTooLargeError:
            continue
        assert steps_of(work, schema) < MAX_STEPS
        return
    pytest.fail("everything is refused")


def test_a_schema_is_counted_no_further_than_its_bound() -> None:
    steps = steps_of(lambda schema: refused(schema), {"enum": [[at] for at in range(200_000)]})

    assert steps < 1000


def refused(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaTooLargeError):
        SchemaSize().add(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": [*NAMES, "x"]},
        {"properties": wide(MAX_MEMBERS)},
        {"anyOf": [{}] * 1001},
        {"type": ["string"] * 1001},
        {"properties": {name: {"$ref": "#"} for name in NAMES[:1001]}},
        {"description": "x" * 600_000},
        {"x" * 600_000: True},
    ],
    ids=["values", "keys", "branches", "types", "references", "words", "a key"],
)
def test_each_kind_of_too_much_is_refused_by_its_parameter(schema: dict[str, Any]) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    for request, param in (
        (ChatRequest("m", (), tools=[tool]), "tools[0].function.parameters"),
        (ChatRequest("m", (), response_format=ResponseFormat(schema)), "response_format"),
    ):
        with pytest.raises(ApiError) as caught:
            within_bounds(request)
        assert (caught.value.status, caught.value.param) == (400, param)


def test_all_schemas_together_have_a_bound_too() -> None:
    tools = [
        {"type": "function", "function": {"name": "f", "parameters": {"enum": NAMES[:9000]}}}
    ] * 128

    with pytest.raises(ApiError):
        within_bounds(ChatRequest("m", (), tools=tools))


def test_many_small_schemas_are_counted_only_where_they_may_be_too_many() -> None:
    def asking(schema: dict[str, Any], count: int) -> ChatRequest:
        tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
        return ChatRequest("m", (), tools=[tool] * count)

    many, few = {"enum": NAMES[:900]}, {"description": "a, [b], {c} " * 300}
    for request in (
        asking(many, 44),
        asking(few, 128),
    ):  # all commas would be 115,200 in the second
        assert within_bounds(request).tools == request.tools
    with pytest.raises(ApiError):
        within_bounds(asking(many, 45))


def test_large_results_are_not_kept() -> None:
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"enum": NAMES[:3000]}}}

    assert inlined(schema) is not inlined(schema)


def calling(*arguments: str) -> ChatRequest:
    calls = [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": text}}
        for text in arguments
    ]
    return ChatRequest("m", ({"role": "assistant", "content": None, "tool_calls": calls},))


def test_the_arguments_of_calls_are_values_too() -> None:
    many = "[" + "{}," * 60_000 + "{}]"
    numbers = "[" + "1," * 500_001 + "1]"
    for request in (calling(many, many), calling('"', many, many), calling(numbers)):
        with pytest.raises(ApiError, match="too many values") as caught:
            within_bounds(request)
        assert caught.value.param == "messages"

    for request in (calling(many), calling(*['{"text": "{[,"}'] * 10_000), calling("{" * 10)):
        assert list(within_bounds(request).messages) == list(request.messages)
