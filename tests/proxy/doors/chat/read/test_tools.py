"""Tools, the choice among them, and the older functions."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from adapters.base import SEARCH, Json
from tests.proxy.doors.chat.read.kit import (
    OTHER_TOOL,
    TEXT,
    TOOL,
    allowed_tools,
    parsed,
    refusal,
    request,
)


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "custom"}, "tools[1].type"),
        ({"type": "custom", "custom": {"name": 1}}, "tools[1].name"),
        ({"type": "custom", "name": "x", "description": 1}, "tools[1].description"),
        (
            {"type": "custom", "name": "x", "format": {"type": "grammar"}},
            "tools[1].format.definition",
        ),
        ({}, "tools[1].type"),
        ({"type": 5}, "tools[1].type"),
        ({"type": "function"}, "tools[1].type"),
        ({"name": "x", "description": 1}, "tools[1].function.description"),
        ({"type": "function", "function": TEXT}, "tools[1].function"),
        ({"type": "function", "function": {}}, "tools[1].function.name"),
        ({"type": "function", "function": {"name": ""}}, "tools[1].function.name"),
        ({"type": "function", "function": {"name": 1}}, "tools[1].function.name"),
        (
            {"type": "function", "function": {"name": "x", "description": 1}},
            "tools[1].function.description",
        ),
        (
            {"type": "function", "function": {"name": "x", "parameters": "{}"}},
            "tools[1].function.parameters",
        ),
    ],
    ids=str,
)
def test_a_wrong_tool_is_named_by_its_place(tool: Json, param: str) -> None:
    error = refusal(tools=[TOOL, tool])

    assert (error.status, error.param) == (400, param)


BODY: Json = {"type": "object", "properties": {}}
PLAIN: Json = {"type": "function", "function": {"name": "x", "parameters": BODY}}


def test_a_custom_tool_is_a_function_of_one_text_in_either_form() -> None:
    grammar = {"syntax": "lark", "definition": "start: /.+/"}
    flat = {"type": "custom", "name": "x", "format": {"type": "grammar", **grammar}}
    inner = {"name": "x", "format": {"type": "grammar", "grammar": grammar}}
    for tool in (flat, {"type": "custom", "custom": inner}):
        found = parsed(tools=[tool, TOOL], tool_choice=tool | {"format": None})
        function = found.request.tools[0]["function"]
        assert (function["name"], list(found.custom)) == ("x", ["x"])
        assert function["parameters"]["required"] == ["input"]
        assert "start: /.+/" in function["description"]
        assert (found.request.tool_choice, found.request.forced_tool) == ("required", "x")


@pytest.mark.parametrize(
    ("tool", "meant"),
    [
        ({"type": "function", "name": "x", "parameters": BODY}, PLAIN),
        ({"name": "x", "parameters": BODY}, PLAIN),
        ({"name": "x", "input_schema": BODY}, PLAIN),
        ({"type": "custom", "name": "x", "input_schema": BODY}, PLAIN),
        ({"function": {"name": "x", "parameters": BODY}}, PLAIN),
        (
            {"type": "function", "name": "x", "description": "d", "strict": True},
            {"type": "function", "function": {"name": "x", "description": "d", "strict": True}},
        ),
    ],
    ids=str,
)
def test_a_function_in_another_apis_form_is_a_function(tool: Json, meant: Json) -> None:
    before = copy.deepcopy(tool)

    assert request(tools=[tool, OTHER_TOOL]).tools == [meant, OTHER_TOOL]
    assert tool == before


@pytest.mark.parametrize(
    ("tool", "options"),
    [
        ({"type": "web_search"}, {}),
        (
            {"type": "web_search_preview", "search_context_size": "low"},
            {"search_context_size": "low"},
        ),
        ({"type": "web_search_20250305", "name": "web_search"}, {}),
        ({"type": "browser_search"}, {}),
        ({"googleSearch": {}}, {}),
        ({"google_search": {}}, {}),
        (
            {"type": "web_search", "user_location": {"type": "approximate", "country": "CH"}},
            {"user_location": {"type": "approximate", "approximate": {"country": "CH"}}},
        ),
    ],
    ids=str,
)
def test_a_search_is_no_function(tool: Json, options: Json) -> None:
    alone, beside = request(tools=[tool]), request(tools=[tool, OTHER_TOOL])

    assert (alone.tools, alone.params) == ([], {"web_search_options": options})
    assert (beside.tools, beside.params) == ([OTHER_TOOL], {})
    assert beside.extensions == {SEARCH: options}


@pytest.mark.parametrize(
    ("tool", "name"),
    [
        ({"type": "code_interpreter", "container": {}}, "tools.code_interpreter"),
        ({"urlContext": {}}, "tools.urlContext"),
    ],
    ids=str,
)
def test_a_tool_that_nobody_runs_is_named_and_alone_refused(tool: Json, name: str) -> None:
    assert request(tools=[tool, OTHER_TOOL]).extensions == {name: True}
    assert refusal(tools=[tool]).param == "tools[0].type"


def test_tools_are_handed_on_as_they_are() -> None:
    found = request(tools=[TOOL, OTHER_TOOL])

    assert found.tools == [TOOL, OTHER_TOOL]
    assert (found.tool_choice, found.forced_tool) == (None, None)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", ("auto", None, [TOOL, OTHER_TOOL])),
        ("none", ("none", None, [TOOL, OTHER_TOOL])),
        ("required", ("required", None, [TOOL, OTHER_TOOL])),
        (
            {"type": "function", "function": {"name": "weigh"}},
            ("required", "weigh", [TOOL, OTHER_TOOL]),
        ),
        ("any", ("required", None, [TOOL, OTHER_TOOL])),
        ({"type": "any"}, ("required", None, [TOOL, OTHER_TOOL])),
        ({"type": "auto"}, ("auto", None, [TOOL, OTHER_TOOL])),
        ({"type": "none"}, ("none", None, [TOOL, OTHER_TOOL])),
        ({"type": "tool", "name": "weigh"}, ("required", "weigh", [TOOL, OTHER_TOOL])),
        ({"type": "function", "name": "weigh"}, ("required", "weigh", [TOOL, OTHER_TOOL])),
        (allowed_tools("auto", "weigh"), ("auto", None, [OTHER_TOOL])),
        (allowed_tools("required", "weigh", "absent"), ("required", None, [OTHER_TOOL])),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "weigh"}],
            },
            ("auto", None, [OTHER_TOOL]),
        ),
    ],
    ids=str,
)
def test_tool_choice_in_every_form(choice: Any, expected: tuple[Any, ...]) -> None:
    found = request(tools=[TOOL, OTHER_TOOL], tool_choice=choice)

    assert (found.tool_choice, found.forced_tool, found.tools) == expected


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "custom", "custom": {"name": "x"}},
        {"type": "function", "function": {"name": "absent"}},
        {"type": "function", "function": {}},
        {"type": "function"},
        {"type": "function", "name": "absent"},
        {"name": "measure"},
        {"type": "allowed_tools"},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}},
        allowed_tools("none", "measure"),
        allowed_tools("required", "absent"),
    ],
    ids=str,
)
def test_a_tool_choice_that_cannot_be_met_is_refused(choice: Json) -> None:
    error = refusal(tools=[TOOL], tool_choice=choice)

    assert (error.status, error.param) == (400, "tool_choice")


def test_functions_become_tools() -> None:
    found = parsed(functions=[TOOL["function"]], function_call={"name": "measure"})

    assert found.legacy_functions
    assert found.request.tools == [TOOL]
    assert (found.request.tool_choice, found.request.forced_tool) == ("required", "measure")
    assert found.request.extensions == {} and found.request.params == {}


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_function_call_in_words(choice: str) -> None:
    assert request(functions=[TOOL["function"]], function_call=choice).tool_choice == choice


def test_a_wrong_function_is_named_by_its_place() -> None:
    assert refusal(functions=[{"name": 1}]).param == "functions[0].name"
    assert refusal(functions=["x"]).param == "functions[0]"


def test_tools_stand_over_functions() -> None:
    found = parsed(tools=[TOOL], functions=[{"name": "old"}])

    assert found.request.tools == [TOOL]
    assert not found.legacy_functions
