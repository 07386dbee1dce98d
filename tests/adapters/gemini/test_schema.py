"""JSON Schema for Gemini: the forms that its strictest server takes, and the way back."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from adapters.base import Json
from adapters.gemini.schema import MAX_NODES, for_parameters, for_response, restore
from tests.sampling import ALL

TAKEN = {
    "type", "format", "title", "description", "enum", "items", "prefixItems", "minItems",
    "maxItems", "minimum", "maximum", "anyOf", "properties", "required", "propertyOrdering",
}  # fmt: skip


def parameter(schema: Any, root: Json | None = None) -> Json:
    """What a function's parameter `x` with this schema becomes."""
    whole = {"type": "object", "properties": {"x": schema}, **(root or {})}
    translated = for_parameters(whole).schema
    assert translated is not None
    found: Json = translated["properties"]["x"]
    return found


def nodes(schema: Json) -> list[Json]:
    """The schema and all schemas in it."""
    below = [*schema.get("anyOf", []), *schema.get("prefixItems", [])]
    below += schema.get("properties", {}).values()
    below += [schema["items"]] if "items" in schema else []
    return [schema, *(node for part in below for node in nodes(part))]


FORMS: dict[str, tuple[Json, Json]] = {
    "plain": ({"type": "string", "description": "d"}, {"type": "string", "description": "d"}),
    "a list of one type": ({"type": ["string"]}, {"type": "string"}),
    "a nullable type": (
        {"type": ["string", "null"], "description": "d"},
        {
            "anyOf": [
                {"type": "string", "description": "d"},
                {"type": "null", "description": "d"},
            ]
        },
    ),
    "OpenAPI's nullable": (
        {"type": "integer", "nullable": True},
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    ),
    "two types": (
        {"type": ["string", "number"]},
        {"anyOf": [{"type": "string"}, {"type": "number"}]},
    ),
    "what stands beside anyOf": (
        {"anyOf": [{"type": "string"}, {"type": "integer"}], "description": "d", "format": "date"},
        {
            "anyOf": [
                {"type": "string", "description": "d", "format": "date"},
                {"type": "integer", "description": "d"},
            ]
        },
    ),
    "anyOf of one": ({"anyOf": [{"type": "string"}]}, {"type": "string"}),
    "anyOf in anyOf": (
        {"anyOf": [{"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "integer"}]},
        {"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "integer"}]},
    ),
    "oneOf": (
        {"oneOf": [{"type": "string"}, {"type": "boolean"}]},
        {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
    ),
    "an enum without a type": ({"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
    "an enum with an empty text": (
        {"type": "string", "enum": ["a", ""]},
        {"type": "string", "enum": ["a"]},
    ),
    "an empty enum": ({"type": "string", "enum": []}, {"type": "string"}),
    "an enum of integers": (
        {"type": "integer", "enum": [1, 2]},
        {"type": "string", "enum": ["1", "2"]},
    ),
    "an enum of numbers": ({"enum": [0.5, 2.5]}, {"type": "string", "enum": ["0.5", "2.5"]}),
    "an enum of booleans": ({"type": "boolean", "enum": [True, False]}, {"type": "boolean"}),
    "an enum of two types": (
        {"enum": ["a", 1, None]},
        {
            "anyOf": [
                {"type": "string", "enum": ["a"]},
                {"type": "string", "enum": ["1"]},
                {"type": "null"},
            ]
        },
    ),
    "a const": ({"const": "a"}, {"type": "string", "enum": ["a"]}),
    "a const boolean": ({"const": True}, {"type": "boolean", "description": "(always true)"}),
    "a const object": ({"const": {"a": 1}}, {"description": '(always {"a":1})'}),
    "exclusive bounds of an integer": (
        {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9},
        {"type": "integer", "minimum": 1, "maximum": 8},
    ),
    "exclusive bounds of a number": (
        {"type": "number", "exclusiveMinimum": 0, "minimum": -1},
        {"type": "number", "minimum": 0},
    ),
    "limits without a keyword": (
        {"type": "string", "minLength": 2, "pattern": "^a", "description": "d"},
        {"type": "string", "description": "d (minLength: 2) (pattern: ^a)"},
    ),
    "a format that not all take": (
        {"type": "string", "format": "email"},
        {"type": "string", "description": "(format: email)"},
    ),
    "a tuple of draft 7": (
        {"type": "array", "items": [{"type": "string"}, {"type": "integer"}]},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
    ),
    "an array": (
        {"items": {"type": "string", "default": "x"}, "minItems": 1, "uniqueItems": True},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
    ),
    "an object": (
        {
            "properties": {"a": {"type": "string", "$comment": "c"}},
            "required": ["a", "gone"],
            "additionalProperties": False,
            "$schema": "s",
            "examples": [1],
        },
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "required": ["a"],
            "propertyOrdering": ["a"],
        },
    ),
    "allOf": (
        {
            "allOf": [
                {"properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"properties": {"b": {"type": "integer"}}},
            ],
            "description": "d",
        },
        {
            "type": "object",
            "description": "d",
            "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
            "required": ["a"],
            "propertyOrdering": ["a", "b"],
        },
    ),
    "true": (True, {}),  # type: ignore[dict-item]
    "uppercase types": ({"type": "STRING"}, {"type": "string"}),
    "an unknown type": ({"type": "file"}, {}),
}


@pytest.mark.parametrize(("given_", "wanted"), FORMS.values(), ids=FORMS.keys())
def test_each_form_becomes_one_that_is_taken(given_: Any, wanted: Json) -> None:
    assert parameter(given_) == wanted


def test_nested_definitions_are_inlined() -> None:
    definitions = {
        "Street": {"type": "object", "properties": {"name": {"type": "string"}}},
        "Home": {"type": "object", "properties": {"street": {"$ref": "#/$defs/Street"}}},
    }
    home = parameter({"$ref": "#/$defs/Home", "description": "where"}, {"$defs": definitions})
    assert home["description"] == "where"
    assert home["properties"]["street"]["properties"] == {"name": {"type": "string"}}


@pytest.mark.parametrize(
    "ref",
    ["#/definitions/A", "#/definitions/B~1b", "#/definitions/C%20c", "#/definitions/D/anyOf/0"],
)
def test_a_reference_is_any_json_pointer(ref: str) -> None:
    found = {"type": "integer"}
    definitions = {"A": found, "B/b": found, "C c": found, "D": {"anyOf": [found]}}
    assert parameter({"$ref": ref}, {"definitions": definitions}) == found


@pytest.mark.parametrize("ref", ["#/$defs/Gone", "https://schemas.example/a.json", "#name", ""])
def test_a_reference_to_nothing_is_named_and_left_out(ref: str) -> None:
    root = {"type": "object", "properties": {"x": {"$ref": ref, "description": "d"}}}
    translation = for_parameters(root)
    assert translation.schema is not None
    assert translation.schema["properties"]["x"] == {"description": "d"}
    assert translation.lost == ("$ref",)


TREE: Json = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            },
        }
    },
    "$ref": "#/$defs/Node",
}
WIDE: Json = {
    "$defs": {
        f"D{i}": {"properties": {f"p{j}": {"$ref": f"#/$defs/D{j}"} for j in range(12)}}
        for i in range(12)
    },
    "$ref": "#/$defs/D0",
}
DOUBLING: Json = {
    "$defs": {
        f"D{i}": {"properties": {side: {"$ref": f"#/$defs/D{i + 1}"} for side in "lr"}}
        for i in range(40)
    },
    "$ref": "#/$defs/D0",
}
SELF: Json = {
    "type": "object",
    "properties": {"me": {"$ref": "#"}, "all": {"allOf": [{"$ref": "#"}]}},
}


@pytest.mark.parametrize(
    "schema", [TREE, WIDE, DOUBLING, SELF], ids=["tree", "wide", "2^n", "self"]
)
def test_a_cycle_becomes_finite_and_small(schema: Json) -> None:
    start = time.process_time()
    translated = for_parameters(schema).schema
    took_s = time.process_time() - start
    assert translated is not None
    assert len(nodes(translated)) <= MAX_NODES * 12
    assert "$ref" not in json.dumps(translated)
    assert took_s < 1  # 50 ms on a quiet machine; what it guards against never ends


def test_a_tree_is_unrolled_a_few_times() -> None:
    translated = for_parameters(TREE).schema
    depth = 0
    while translated and "properties" in translated:
        translated = translated["properties"]["children"]["items"]
        depth += 1
    assert depth == 3
    assert translated == {"type": "object"}


@pytest.mark.parametrize(
    "schema", [{"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, {}]
)
def test_a_schema_that_says_nothing_is_left_out(schema: Json) -> None:
    assert for_parameters(schema).schema is None
    assert for_response(schema).schema is None


def test_an_object_without_properties_is_left_out() -> None:
    assert for_parameters({"type": "object", "properties": {}}).schema is None


def test_a_root_that_is_no_object_is_wrapped_and_unwrapped() -> None:
    translation = for_parameters({"type": "array", "items": {"enum": [1, 2]}})
    assert translation.schema is not None
    assert translation.schema["required"] == ["value"]
    assert restore({"value": ["2", "1"]}, translation) == [2, 1]


def test_lost_keywords_are_named() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "number", "multipleOf": 2}},
        "not": {"required": ["b"]},
        "additionalProperties": {"type": "string"},
    }
    assert set(for_parameters(schema).lost) == {"multipleOf", "not", "additionalProperties"}


def test_enums_come_back_as_the_client_wrote_them() -> None:
    schema = {
        "type": "object",
        "properties": {
            "level": {"type": "integer", "enum": [1, 2]},
            "on": {"const": True},
            "name": {"type": "string"},
            "steps": {"type": "array", "items": {"properties": {"size": {"enum": [0.5, 1.5]}}}},
            "either": {"enum": ["a", 7]},
        },
    }
    answer = {
        "level": "2",
        "on": "true",
        "name": "2",
        "steps": [{"size": "0.5"}, {"size": 1.5}],
        "either": "7",
        "more": "1",
    }
    assert restore(answer, for_parameters(schema)) == {
        "level": 2,
        "on": True,
        "name": "2",
        "steps": [{"size": 0.5}, {"size": 1.5}],
        "either": 7,
        "more": "1",
    }


def test_a_response_keeps_numbers_in_enums() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "enum": [3, 1]}}}
    translated = for_response(schema).schema
    assert translated is not None
    assert translated["properties"]["n"] == {"type": "integer", "enum": [3, 1]}


def test_properties_keep_their_order() -> None:
    schema = {"type": "object", "properties": {"z": {}, "a": {}, "m": {}}}
    translated = for_response(schema).schema
    assert translated is not None
    assert translated["propertyOrdering"] == ["z", "a", "m"]


SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
NAMES = st.sampled_from(["a", "b", "c"])
REFS = st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#/properties/a", "#/nowhere"])
KINDS = st.sampled_from(["string", "integer", "number", "object", "array", "null", "boolean", "x"])


def _schemas(below: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields: dict[str, st.SearchStrategy[Any]] = {
        "type": KINDS | st.lists(KINDS, max_size=3),
        "$ref": REFS,
        "enum": st.lists(SCALARS, max_size=3),
        "const": SCALARS,
        "format": st.sampled_from(["date", "email"]),
        "description": st.text(max_size=3) | st.integers(0, 9),
        "properties": st.dictionaries(NAMES, below, max_size=2),
        "required": st.lists(NAMES, max_size=2),
        "items": below | st.lists(below, max_size=2),
        "anyOf": st.lists(below, max_size=3),
        "oneOf": st.lists(below, max_size=2),
        "allOf": st.lists(below, max_size=2),
        "$defs": st.dictionaries(NAMES, below, max_size=2),
        "nullable": st.booleans(),
        "minimum": st.integers(-(2**63), 2**63 - 1) | st.floats(-5, 5),
        "exclusiveMinimum": st.integers(-5, 5) | st.booleans(),
        "minLength": SCALARS,
        "additionalProperties": st.booleans() | below,
        "not": below,
        "default": SCALARS,
    }
    return st.dictionaries(st.sampled_from(sorted(fields)), st.none(), max_size=5).flatmap(
        lambda chosen: st.fixed_dictionaries({key: fields[key] for key in chosen}) | SCALARS
    )


SCHEMAS = st.recursive(SCALARS, _schemas, max_leaves=12).filter(lambda one: isinstance(one, dict))


@given(schema=SCHEMAS)
@settings(max_examples=400 if ALL else 100, deadline=None)
def test_any_schema_becomes_a_finite_one_of_taken_keywords(schema: Json) -> None:
    before = copy.deepcopy(schema)
    for translate in (for_parameters, for_response):
        translated = translate(schema).schema
        assert schema == before
        for node in nodes(translated or {}):
            assert node.keys() <= TAKEN
            assert "anyOf" not in node or node.keys() == {"anyOf"}
            assert isinstance(node.get("type", ""), str)
            assert set(node.get("required", ())) <= set(node.get("properties", ()))


@given(schema=SCHEMAS)
@settings(max_examples=300 if ALL else 100, deadline=None)
def test_translating_twice_changes_nothing_more(schema: Json) -> None:
    for translate in (for_parameters, for_response):
        once = translate(schema).schema
        if once is not None:
            assert translate(once).schema == once


@given(schema=SCHEMAS, value=st.recursive(SCALARS, lambda below: st.dictionaries(NAMES, below)))
@settings(max_examples=200 if ALL else 100, deadline=None)
def test_restoring_never_fails(schema: Json, value: Any) -> None:
    json.dumps(restore(value, for_parameters(schema)))
