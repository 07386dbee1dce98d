"""What each field of a request becomes, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from adapters.base import ChatRequest, Json, ResponseFormat, Thinking
from proxy.doors.messages.read import OF_A_PICTURE, Parsed, parse_request
from proxy.doors.messages.tools import tools_of
from proxy.doors.reading.tokens import guessed_tokens
from proxy.errors import ApiError

HELLO: Json = {"role": "user", "content": "Hi"}
LEAST: Json = {"model": "claude-x", "max_tokens": 9, "messages": [HELLO]}
TOOL: Json = {
    "name": "weather",
    "description": "Of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
FUNCTION: Json = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Of a city",
        "parameters": TOOL["input_schema"],
    },
}
SEARCH: Json = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}


def read(**changed: Any) -> Parsed:
    data = {name: value for name, value in (LEAST | changed).items() if value is not ...}
    before = copy.deepcopy(data)
    asked = parse_request(data)
    assert data == before
    return asked


def request(**changed: Any) -> ChatRequest:
    found: ChatRequest = read(**changed).request
    return found


def refusal(**changed: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        read(**changed)
    assert caught.value.param is not None
    return caught.value


def test_the_least_that_can_be_asked() -> None:
    asked = read()

    assert asked.request == ChatRequest(
        "claude-x", [HELLO], max_tokens=9, tools=[], thinking=Thinking(include=False)
    )
    assert not asked.stream and not asked.thoughts and asked.shown_model == "claude-x"


@pytest.mark.parametrize(
    ("field", "value", "name", "expected"),
    [
        ("stream", True, "stream", True),
        ("stop_sequences", ["a", "", "b", "c", "d", "e"], "stop", ("a", "b", "c", "d", "e")),
        ("temperature", 0.5, "params", {"temperature": 0.5}),
        ("top_p", 0.5, "params", {"top_p": 0.5}),
        ("top_k", 5, "extensions", {"top_k": 5}),
        ("new_thing", {"a": 1}, "extensions", {"new_thing": {"a": 1}}),
        ("mcp_servers", [{"url": "x"}], "extensions", {"mcp_servers": [{"url": "x"}]}),
        ("tools", [TOOL], "tools", [FUNCTION]),
        ("tools", [TOOL | {"type": "custom", "cache_control": {}}], "tools", [FUNCTION]),
        ("tools", [SEARCH], "params", {"web_search_options": {}}),
        ("tools", [SEARCH, TOOL], "params", {}),
        ("tools", [SEARCH, TOOL], "extensions", {"tools.web_search": {}}),
        ("metadata", {"user_id": "user_1"}, "extensions", {"metadata.user_id": "user_1"}),
        ("metadata", {"user_id": None}, "extensions", {}),
        (
            "tools",
            [{"type": "fetch_1", "name": "w"}],
            "extensions",
            {"tools.fetch_1": True},
        ),
        ("model", "claude-x[1m]", "model", "claude-x"),
    ],
)
def test_a_field_becomes_what_the_providers_know(
    field: str, value: Any, name: str, expected: Any
) -> None:
    assert getattr(request(**{field: value}), name) == expected


def test_citations_that_a_document_asks_for_are_named() -> None:
    source = {"type": "text", "data": "words"}
    document = {"type": "document", "source": source, "citations": {"enabled": True}}
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f"}]}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [document]}
    for block, talk in ((document, []), (result, [call])):
        asked = [*talk, {"role": "user", "content": [block]}]
        assert request(messages=asked).extensions == {"messages.citations": True}
    off = document | {"citations": {"enabled": False}}
    assert request(messages=[{"role": "user", "content": [off]}]).extensions == {}


@pytest.mark.parametrize(
    "field",
    [
        *("cache_control", "container", "context_management", "diagnostics", "inference_geo"),
        *("service_tier", "speed", "betas", "user_profile_id", "workspace_id"),
    ],
)
def test_what_says_nothing_of_the_answer_goes_no_further(field: str) -> None:
    for value in ({"user_id": "user_1"}, None):
        assert request(**{field: value}) == request()


def test_every_field_may_be_null() -> None:
    nulls = ("system", "tools", "tool_choice", "thinking", "output_config", "temperature", "stream")

    assert request(**dict.fromkeys(nulls)) == request()


def test_the_name_of_the_model_is_told_as_it_was_asked() -> None:
    assert read(model="claude-x[1m]").shown_model == "claude-x[1m]"


@pytest.mark.parametrize(
    ("thinking", "config", "expected"),
    [
        (None, {}, Thinking(include=False)),
        (None, {"effort": "low"}, Thinking("low", include=False)),
        ({"type": "disabled"}, {}, Thinking("none", include=False)),
        ({"type": "enabled", "budget_tokens": 2048}, {}, Thinking(None, 2048, include=True)),
        ({"type": "adaptive"}, {}, Thinking(include=True)),
        (
            {"type": "adaptive", "display": "omitted"},
            {"effort": "max"},
            Thinking("max", None, True),
        ),
        ({"type": "between_tools"}, {}, Thinking("minimal", include=True)),
    ],
)
def test_thinking(thinking: Any, config: Json, expected: Thinking) -> None:
    asked = read(thinking=thinking, output_config=config)

    assert asked.request.thinking == expected
    assert asked.thoughts is (expected.include is True)
    assert asked.hides_thoughts is ("display" in (thinking or {}))


def test_references_that_lack_their_root_get_it() -> None:
    text = 'say "$ref":"/$defs/City"'  # which is no reference
    deep: Json = {"type": "object", "$defs": {}}
    for _ in range(300):
        deep = {**deep, "properties": {"a": deep}}
    for given, expected in (("/$defs/City", "#/$defs/City"), ("#/$defs/City", "#/$defs/City")):
        schema = {
            "type": "object",
            "$defs": {"City": {"type": "string", "description": text}},
            "properties": {"city": {"$ref": given}},
        }
        [tool] = request(tools=[TOOL | {"input_schema": schema}]).tools
        properties = tool["function"]["parameters"]["properties"]
        assert properties == {"city": {"$ref": expected}}
        assert tool["function"]["parameters"]["$defs"] == schema["$defs"]
    assert tools_of([TOOL | {"input_schema": deep}]).functions


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, (None, None, None)),
        ({"type": "auto"}, ("auto", None, None)),
        ({"type": "auto", "disable_parallel_tool_use": True}, ("auto", None, False)),
        ({"type": "any"}, ("required", None, None)),
        ({"type": "tool", "name": "weather"}, ("required", "weather", None)),
        ({"type": "none"}, ("none", None, None)),
    ],
)
def test_the_choice_of_a_tool(choice: Any, expected: Any) -> None:
    asked = request(tools=[TOOL], tool_choice=choice)

    assert (asked.tool_choice, asked.forced_tool, asked.parallel_tool_calls) == expected


LATE = TOOL | {"defer_loading": True}
FOUND: Json = {"type": "tool_reference", "tool_name": "weather"}
MEANT: Json = {"type": "tool_reference", "name": "weather"}
CALLED: Json = {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {}}


@pytest.mark.parametrize(
    ("tools", "blocks", "is_shown"),
    [
        ([LATE], [], False),
        ([LATE], [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [FOUND]}], True),
        ([LATE], [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "weather"}], False),
        ([LATE, {"type": "tool_search_tool_bm25_20251119", "name": "search"}], [], True),
        ([LATE], [{"type": "tool_addition", "tool": MEANT}], True),
        ([TOOL], [{"type": "tool_removal", "tool": MEANT}], False),
    ],
    ids=str,
)
def test_a_model_sees_no_tool_that_is_not_loaded_yet_or_was_taken_away(
    tools: list[Json], blocks: list[Json], is_shown: bool
) -> None:
    role = "user" if any("content" in block for block in blocks) else "system"
    changes = [{"role": "assistant", "content": [CALLED]}, {"role": role, "content": blocks}]
    asked = request(tools=tools, messages=[HELLO, *changes, HELLO])

    assert asked.tools == ([FUNCTION] if is_shown else [])
    assert "tool_" not in str([one["content"] for one in asked.messages])


def test_a_search_that_is_forced_is_left_to_the_model() -> None:
    asked = request(tools=[SEARCH], tool_choice={"type": "tool", "name": "web_search"})

    assert (asked.tools, asked.tool_choice) == ([], None)


def test_a_search_tells_where_it_may_look() -> None:
    place = {"type": "approximate", "city": "Rome", "country": "IT"}
    tool = SEARCH | {"allowed_domains": ["a.example"], "user_location": place}

    assert request(tools=[tool]).params["web_search_options"] == {
        "filters": {"allowed_domains": ["a.example"]},
        "user_location": {
            "type": "approximate",
            "approximate": {"city": "Rome", "country": "IT"},
        },
    }


def test_the_form_of_an_answer_stands_at_either_place() -> None:
    schema = {"type": "object", "properties": {}}
    form = {"type": "json_schema", "schema": schema}

    for asked in (request(output_config={"format": form}), request(output_format=form)):
        assert asked.response_format == ResponseFormat(schema, strict=True)


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"model": ...}, "model"),
        ({"model": 5}, "model"),
        ({"max_tokens": ...}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"messages": ...}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages.0"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [{"a": 1}]}]}, "messages.0.content.0.type"),
        ({"temperature": 1.5}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"stream": "yes"}, "stream"),
        ({"stop_sequences": "a"}, "stop_sequences"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 5}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "much"}}, "thinking.type"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format"),
        ({"tools": [{"name": "a b", "input_schema": {}}]}, "tools.0.name"),
        ({"tools": [{"name": "a"}]}, "tools.0.input_schema"),
        ({"tools": [TOOL, TOOL]}, "tools.1.name"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools.0.type"),
        ({"tools": [{"type": "text_editor_20250728", "name": "e"}]}, "tools.0.type"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "some"}}, "tool_choice"),
        ({"thread": {"type": "create"}}, "thread"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
        ({"system": [{"type": "image", "source": {}}]}, "system.0.type"),
    ],
)
def test_a_refusal_names_the_place(changed: Json, place: str) -> None:
    error = refusal(**changed)

    assert error.status == 400
    assert error.param == place


def test_a_count_needs_no_length_of_an_answer() -> None:
    asked = parse_request({"model": "m", "messages": [HELLO]}, counts_only=True)

    assert guessed_tokens(asked.request) > 0


def test_tools_and_images_count() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    plain = guessed_tokens(request())

    assert guessed_tokens(request(tools=[TOOL])) > plain + 20
    assert (
        guessed_tokens(request(messages=[{"role": "user", "content": [image]}]), OF_A_PICTURE)
        > 1000
    )
