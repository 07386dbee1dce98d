"""Schemas whose references are taken into them."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from adapters.base import Json
from adapters.translation.schema_refs import MAX_NODES, inlined

POINT: Json = {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}


def test_a_schema_without_references_is_the_same_object() -> None:
    assert inlined(POINT) is POINT


@pytest.mark.parametrize("home", ["$defs", "definitions"])
def test_a_reference_becomes_what_it_names(home: str) -> None:
    ref = {"$ref": f"#/{home}/Point"}
    schema: Json = {
        "type": "object",
        "properties": {
            "from": ref,
            "via": {"type": "array", "items": ref},
            "to": {"anyOf": [ref, {"type": "null"}], "description": "Where"},
            "named": {"additionalProperties": ref},
        },
        home: {"Point": POINT},
    }
    before = copy.deepcopy(schema)
    assert inlined(schema) == {
        "type": "object",
        "properties": {
            "from": POINT,
            "via": {"type": "array", "items": POINT},
            "to": {"anyOf": [POINT, {"type": "null"}], "description": "Where"},
            "named": {"additionalProperties": POINT},
        },
    }
    assert schema == before


def test_what_stands_beside_a_reference_is_kept() -> None:
    schema = {
        "properties": {"at": {"$ref": "#/$defs/P", "description": "Here"}},
        "$defs": {"P": POINT},
    }
    assert inlined(schema)["properties"]["at"] == {**POINT, "description": "Here"}


def test_all_of_is_one_schema() -> None:
    schema: Json = {"allOf": [POINT, {"properties": {"y": {"type": "number"}}, "required": ["y"]}]}
    found = inlined(schema)
    assert list(found["properties"]) == ["x", "y"]
    assert found["required"] == ["x", "y"]


def test_a_property_may_have_the_name_of_a_keyword() -> None:
    schema = {
        "properties": {"$defs": {"type": "string"}, "allOf": {"$ref": "#/$defs/P"}},
        "$defs": {"P": POINT},
    }
    assert inlined(schema)["properties"] == {"$defs": {"type": "string"}, "allOf": POINT}


def test_a_cycle_ends() -> None:
    tree: Json = {
        "type": "object",
        "properties": {
            "value": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
        },
    }
    text = json.dumps(inlined({"$ref": "#/$defs/Tree", "$defs": {"Tree": tree}}))
    assert "$ref" not in text
    assert 2 <= text.count('"children"') <= 5


def test_a_schema_that_branches_without_end_stays_small() -> None:
    node = {
        "properties": {name: {"$ref": f"#/$defs/N{at % 7}"} for at, name in enumerate("abcdef")}
    }
    definitions = {f"N{at}": node for at in range(7)}
    text = json.dumps(inlined({"$ref": "#/$defs/N0", "$defs": definitions}))
    assert text.count('"properties"') <= MAX_NODES


def test_a_reference_to_nothing_leaves_nothing() -> None:
    assert inlined({"properties": {"a": {"$ref": "#/nowhere"}}}) == {"properties": {"a": {}}}


def test_what_json_cannot_hold_is_left_to_the_sending() -> None:
    endless: Json = {}
    endless["items"] = endless
    assert inlined(endless) is endless


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["#", "#/$defs/a", "#/items", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$ref", "allOf", "anyOf", "properties", "items", "$defs", "a"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["$ref", "allOf", "$defs", "items", "a"]), VALUES))
def test_nothing_that_looks_like_a_schema_breaks_it(schema: Json) -> None:
    json.dumps(inlined(schema))
