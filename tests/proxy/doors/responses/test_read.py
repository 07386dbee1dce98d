"""Every field of a request: mapped, turned into something else, or refused by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from adapters.base import SEARCH, Json, ResponseFormat, Thinking
from proxy.doors.responses.in_memory import Turns
from proxy.doors.responses.items import Thought, sealed
from proxy.doors.responses.read import Parsed, parse_request
from proxy.errors import ApiError

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
TOOL = {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "out"}


def parsed(given: Any = "Hi", **fields: Any) -> Parsed:
    return parse_request(
        {"model": "m", "input": given, **fields}, Turns(lambda: 0.0, most=0).of("")
    )


def refused(given: Any = "Hi", **fields: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parsed(given, **fields)
    assert caught.value.status in (400, 404)
    return caught.value


def messages(*items: Json, **fields: Any) -> list[Json]:
    return list(parsed([*items], **fields).request.messages)


FIELDS: Mapping[str, tuple[Json, Json]] = {
    "instructions": (
        {"instructions": "Be brief."},
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
            ]
        },
    ),
    "most tokens": ({"max_output_tokens": 5}, {"max_tokens": 5}),
    "sampling": (
        {"temperature": 0, "top_p": 0.5, "presence_penalty": 1},
        {"params": {"temperature": 0, "top_p": 0.5, "presence_penalty": 1}},
    ),
    "thinking": (
        {"reasoning": {"effort": "low", "summary": "auto"}},
        {"thinking": Thinking("low", None, True)},
    ),
    "a schema": (
        {
            "text": {
                "format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}
            }
        },
        {"response_format": ResponseFormat(SCHEMA, "n", None, True)},
    ),
    "plain JSON": (
        {"text": {"format": {"type": "json_object"}}},
        {"response_format": ResponseFormat()},
    ),
    "verbosity": ({"text": {"verbosity": "low"}}, {"params": {"verbosity": "low"}}),
    "probabilities": (
        {"include": ["message.output_text.logprobs"], "top_logprobs": 3},
        {"params": {"logprobs": True, "top_logprobs": 3}},
    ),
    "a search": ({"tools": [{"type": "web_search"}]}, {"params": {"web_search_options": {}}}),
    "a search beside functions": (
        {"tools": [TOOL, {"type": "web_search"}]},
        {"params": {}, "extensions": {SEARCH: {}}},
    ),
    "a search beside functions where one is forced": (
        {
            "tools": [TOOL, {"type": "web_search"}],
            "tool_choice": {"type": "function", "name": TOOL["name"]},
        },
        {"params": {}, "extensions": {}},
    ),
    "what a search is told": (
        {
            "tools": [
                {
                    "type": "web_search",
                    "external_web_access": True,
                    "filters": {"allowed_domains": ["a.example"]},
                    "user_location": {"type": "approximate", "country": "NO"},
                }
            ]
        },
        {
            "params": {
                "web_search_options": {
                    "filters": {"allowed_domains": ["a.example"]},
                    "user_location": {"type": "approximate", "approximate": {"country": "NO"}},
                }
            }
        },
    ),
    "a policy": (
        {"moderation": {"model": "m", "policy": {}}},
        {"params": {"moderation": {"model": "m", "policy": {}}}, "extensions": {}},
    ),
    "a history that may be cut": ({"truncation": "auto"}, {"extensions": {"truncate": True}}),
    "what nobody runs": (
        {"tools": [TOOL, {"type": "code_interpreter"}]},
        {"extensions": {"tools.code_interpreter": True}},
    ),
    "unknown": ({"novel": 1}, {"extensions": {"novel": 1}}),
    "Codex's own": ({"client_metadata": {"a": "b"}, "store": False}, {"extensions": {}}),
    "null": ({"tools": None, "text": None, "reasoning": None, "include": None}, {"tools": []}),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_becomes_chats(name: str) -> None:
    fields, expected = FIELDS[name]
    request = parsed(**fields).request

    assert {field: getattr(request, field) for field in expected} == expected


WRONG: Mapping[str, tuple[Json, str]] = {
    "no input": ({"input": None}, "input"),
    "input of a wrong type": ({"input": 5}, "input"),
    "an empty input": ({"input": []}, "input"),
    "an item that is none": ({"input": [5]}, "input[0]"),
    "an unknown item": ({"input": [{"type": "novel"}]}, "input[0].type"),
    "an unknown role": ({"input": [{"role": "king", "content": ""}]}, "input[0].role"),
    "an unknown part": (
        {"input": [{"role": "user", "content": [{"type": "novel"}]}]},
        "input[0].content[0].type",
    ),
    "a file that is elsewhere": (
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
        "input[0].content[0].file_id",
    ),
    "a file that is nowhere": (
        {"input": [{"role": "user", "content": [{"type": "input_file"}]}]},
        "input[0].content[0].file_data",
    ),
    "a result without its call": ({"input": [OUTPUT]}, "input"),
    "an item that is not kept": ({"input": [{"id": "msg_1"}]}, "input"),
    "a previous response": ({"previous_response_id": "resp_1"}, "previous_response_id"),
    "in the background": ({"background": True}, "background"),
    "a stored prompt": ({"prompt": {"id": "p"}}, "prompt"),
    "too warm": ({"temperature": 3}, "temperature"),
    "a format of no type": ({"text": {"format": {"type": "xml"}}}, "text.format"),
    "an unknown effort": ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
    "a tool without a name": ({"tools": [{"type": "function"}]}, "tools[0].name"),
    "a tool without a type": ({"tools": [{"name": "f"}]}, "tools[0].type"),
    "only what nobody runs": ({"tools": [{"type": "computer"}]}, "tools[0].type"),
    "a choice that is not there": (
        {"tools": [TOOL], "tool_choice": {"type": "function", "name": "g"}},
        "tool_choice",
    ),
    "a choice nobody runs": (
        {"tools": [TOOL], "tool_choice": {"type": "file_search"}},
        "tool_choice",
    ),
    "required, of nothing": ({"tool_choice": "required"}, "tool_choice"),
    "too much metadata": ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
    "no text in metadata": ({"metadata": {"a": 1}}, "metadata.a"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_by_its_name(name: str) -> None:
    fields, param = WRONG[name]

    assert refused(**{"given": "Hi"} | _renamed(fields)).param == param


def _renamed(fields: Json) -> Json:
    return {("given" if name == "input" else name): value for name, value in fields.items()}


CHOICES: Mapping[str, tuple[Any, tuple[str | None, str | None]]] = {
    "auto": ("auto", ("auto", None)),
    "none": ("none", ("none", None)),
    "required": ("required", ("required", None)),
    "one": ({"type": "function", "name": "f"}, ("required", "f")),
    "one, as chats have it": ({"type": "function", "function": {"name": "f"}}, ("required", "f")),
    "custom": ({"type": "custom", "name": "c"}, ("required", "c")),
    "shell": ({"type": "shell"}, ("required", "shell")),
    "some": (
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        ("auto", None),
    ),
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_of_tools_is_kept(name: str) -> None:
    choice, expected = CHOICES[name]
    tools = [TOOL, {"type": "custom", "name": "c"}, {"type": "shell"}]
    request = parsed(tools=tools, tool_choice=choice).request

    assert (request.tool_choice, request.forced_tool) == expected
    assert len(request.tools) == (1 if name == "some" else 3)


def test_what_chats_have_in_another_form_is_understood() -> None:
    function = {name: value for name, value in TOOL.items() if name != "type"}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": {"x": 1}}
    output = {"type": "function_call_output", "call_id": "c1", "output": "ok"}
    request = parsed(
        input=[{"role": "user", "content": [picture]}, call, output],
        tools=[{"type": "function", "function": function}],
    ).request

    assert request.tools == parsed(tools=[TOOL]).request.tools
    assert request.messages[0]["content"] == [picture]
    assert request.messages[1]["tool_calls"][0]["function"]["arguments"] == '{"x":1}'


def test_a_grammar_is_said_in_words() -> None:
    form = {"type": "grammar", "syntax": "lark", "definition": 'start: "a"'}
    [tool] = parsed(tools=[{"type": "custom", "name": "c", "format": form}]).request.tools

    assert 'lark grammar:\nstart: "a"' in tool["function"]["description"]
    assert tool["function"]["parameters"]["required"] == ["input"]


def test_long_names_of_namespaces_stay_apart_and_short() -> None:
    inner = [{"type": "function", "name": "x" * 60 + end} for end in "ab"]
    tools = parsed(tools=[{"type": "namespace", "name": "space", "tools": inner}]).request.tools
    names = {tool["function"]["name"] for tool in tools}

    assert len(names) == 2 and max(map(len, names)) <= 64


# What a history becomes


def test_messages_keep_the_borders_of_their_parts() -> None:
    parts = [
        {"type": "input_text", "text": "<image>"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "high"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
        {"type": "input_file", "file_url": "https://x.example/b.pdf"},
    ]
    [user] = messages({"role": "user", "content": parts})

    assert user["content"] == [
        {"type": "text", "text": "<image>"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "high"}},
        {
            "type": "file",
            "file": {"file_data": "data:application/pdf;base64,AA", "filename": "a.pdf"},
        },
        {"type": "file", "file": {"file_url": "https://x.example/b.pdf", "filename": None}},
    ]


def test_calls_in_a_row_are_one_turn_and_take_the_thought_before_them() -> None:
    extra = {"extra_content": {"google": {"thought_signature": "sig"}}}
    thought = {"type": "reasoning", "encrypted_content": sealed(Thought("Hm.", extra))}
    user = {"role": "user", "content": "Hi"}
    second = CALL | {"call_id": "c2"}
    found = messages(user, thought, CALL, second, OUTPUT, OUTPUT | {"call_id": "c2"}, tools=[TOOL])

    function = {"name": "f", "arguments": "{}"}
    assert found[1] == {
        "role": "assistant",
        "content": None,
        "reasoning": "Hm.",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": function, **extra},
            {"id": "c2", "type": "function", "function": function},
        ],
    }
    assert [message["role"] for message in found[2:]] == ["tool", "tool"]


def test_a_thought_of_another_server_is_passed_over() -> None:
    strange = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA??"}
    answer = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "A"}],
    }

    assert messages(strange, answer) == [{"role": "assistant", "content": "A"}]


def test_pictures_of_results_follow_all_the_results() -> None:
    shown = [
        {"type": "input_text", "text": "done"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA"},
    ]
    second = CALL | {"call_id": "c2"}
    outputs = [OUTPUT | {"output": shown}, OUTPUT | {"call_id": "c2"}]
    found = messages(CALL, second, *outputs, {"role": "user", "content": "Well?"})

    assert [message["role"] for message in found] == ["assistant", "tool", "tool", "user", "user"]
    assert found[1]["content"] == "done"
    assert found[3]["content"][1]["type"] == "image_url"


def test_other_calls_come_back_as_the_functions_they_were() -> None:
    found = messages(
        {"type": "custom_tool_call", "call_id": "c1", "name": "run", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "a"},
        {"type": "shell_call", "call_id": "c2", "action": {"commands": ["ls"]}},
        {"type": "shell_call_output", "call_id": "c2", "output": [{"stdout": "a"}]},
        CALL | {"call_id": "c3", "namespace": "n"},
        OUTPUT | {"call_id": "c3"},
    )
    calls = [message["tool_calls"][0]["function"] for message in found if "tool_calls" in message]

    assert calls == [
        {"name": "run", "arguments": '{"input":"ls"}'},
        {"name": "shell", "arguments": '{"commands":["ls"]}'},
        {"name": "n__f", "arguments": "{}"},
    ]
    assert found[3]["content"] == '[{"stdout":"a"}]'


def test_tools_may_come_among_the_items() -> None:
    more = {"type": "additional_tools", "role": "developer", "tools": [TOOL]}
    request = parsed([more, {"role": "user", "content": "Hi"}]).request

    assert [tool["function"]["name"] for tool in request.tools] == ["f"]


def test_tools_that_the_client_has_found_are_shown_from_then_on() -> None:
    by_client = {"call_id": "c1", "execution": "client"}
    space = {"type": "namespace", "name": "n", "tools": [TOOL]}
    request = parsed(
        [
            {"type": "tool_search_call", **by_client, "arguments": {"query": "a"}},
            {"type": "tool_search_output", **by_client, "tools": [space]},
        ],
        tools=[{"type": "tool_search", "execution": "client"}],
    ).request
    calling, told = request.messages

    assert [tool["function"]["name"] for tool in request.tools] == ["tool_search", "n__f"]
    assert calling["tool_calls"][0]["function"]["name"] == "tool_search"
    assert (told["tool_call_id"], told["content"]) == ("c1", "There are now: n__f")


def test_what_hosted_tools_left_is_dropped() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}

    assert messages(search, {"role": "user", "content": "Hi"}) == [
        {"role": "user", "content": "Hi"}
    ]


def test_an_answer_repeats_its_request() -> None:
    echo = parsed(tools=[TOOL], temperature=0.5, metadata={"a": "b"}, instructions="Be.").echo

    assert echo["tools"] == [TOOL | {"description": None}]
    assert (echo["temperature"], echo["metadata"]) == (0.5, {"a": "b"})
    assert echo["instructions"] == "Be."
    assert echo["store"] is False  # nothing is kept
