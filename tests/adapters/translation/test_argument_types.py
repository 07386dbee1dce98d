"""Arguments that were written as text take the types of their schema, or stay as they are."""

from __future__ import annotations

from typing import Any

from adapters.translation.argument_types import MAX_DEPTH, fitted

INT, NUM, BOOL, TEXT = ({"type": kind} for kind in ("integer", "number", "boolean", "string"))
LIST, THING = {"type": "array", "items": INT}, {"type": "object", "properties": {"n": INT}}
MAYBE = {"anyOf": [INT, {"type": "null"}]}

FITTED: tuple[tuple[Any, Any, Any], ...] = (
    (INT, "30", 30),
    (INT, "-4", -4),
    (INT, 30.0, 30),
    (NUM, "2.5", 2.5),
    (NUM, "1e3", 1000.0),
    (BOOL, "true", True),
    (BOOL, "False", False),
    (TEXT, 30, "30"),
    (TEXT, True, "true"),
    (LIST, "[1, 2]", [1, 2]),
    (LIST, '["1", "2"]', [1, 2]),
    (LIST, ["1", 2], [1, 2]),
    (THING, '{"n": "3"}', {"n": 3}),
    (THING, {"n": "3", "other": "4"}, {"n": 3, "other": "4"}),
    (MAYBE, "7", 7),
    (MAYBE, "null", None),
    ({"type": ["integer", "null"]}, "7", 7),
    ({"type": "object", "additionalProperties": INT}, {"a": "1"}, {"a": 1}),
    ({"$ref": "#/$defs/n"}, "5", 5),
)
KEPT: tuple[tuple[Any, Any], ...] = (
    (INT, "007"),
    (INT, "3.5"),
    (INT, 3.5),
    (INT, "thirty"),
    (INT, "9" * 40),
    (BOOL, "yes"),
    (BOOL, 1),
    (LIST, "1, 2"),
    (LIST, "[1, "),
    (THING, "[1]"),
    (TEXT, "30"),
    (TEXT, {"a": 1}),
    ({"type": ["integer", "string"]}, "30"),
    ({"anyOf": [INT, {}]}, "30"),
    ({}, "30"),
    (True, "30"),
    ({"type": "date"}, "30"),
)


def fit(schema: Any, value: Any) -> Any:
    tool = {"type": "object", "properties": {"x": schema}, "$defs": {"n": INT}}
    return fitted({"x": value}, tool)["x"]


def test_what_loses_nothing_is_fitted() -> None:
    for schema, value, expected in FITTED:
        found = fit(schema, value)
        assert (found, type(found)) == (expected, type(expected)), (schema, value)


def test_whatever_would_be_guessed_stays_as_it_was_written() -> None:
    for schema, value in KEPT:
        found = fit(schema, value)
        assert (found, type(found)) == (value, type(value)), (schema, value)


def test_depth_has_an_end() -> None:
    schema: Any = INT
    value: Any = "1"
    for _ in range(MAX_DEPTH + 9):
        schema, value = {"type": "array", "items": schema}, [value]

    assert "'1'" in str(fit(schema, value))
