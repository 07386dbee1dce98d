"""A client's body: what it becomes, and the 400 that each mistake in it gets."""

from __future__ import annotations

import copy
import json
from typing import Any, get_args, get_type_hints

import orjson
import pytest
from hypothesis import given, strategies as st
from openai.types.chat import completion_create_params as openai_params
from openai.types.shared import ReasoningEffort

from adapters.base import ChatRequest, Json, ResponseFormat, Thinking
from proxy import parse
from proxy.errors import ApiError
from proxy.parse import Parsed, parse_json, parse_request

USER: Json = {"role": "user", "content": "How tall is a giraffe?"}
TOOL: Json = {
    "type": "function",
    "function": {
        "name": "measure",
        "description": "Height of an animal",
        "strict": True,
        "parameters": {"type": "object", "properties": {"animal": {"type": "string"}}},
    },
}
OTHER_TOOL: Json = {"type": "function", "function": {"name": "weigh"}}
SCHEMA: Json = {"type": "object", "properties": {"metres": {"type": "number"}}}


def parsed(**fields: Any) -> Parsed:
    return parse_request({"model": "zoo", "messages": [USER], **fields})


def request(**fields: Any) -> ChatRequest:
    return parsed(**fields).request


def refusal(**fields: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parsed(**fields)
    return caught.value


# Bytes


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"model": NaN}',
        b'{"model": Infinity}',
        b'{"model": "\xff"}',
        b'{"model": "\\ud800"}',
        b'{"model": "\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"[]",
        b'"text"',
        b"null",
        b"1",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"a":' + b"[" * parse.MAX_DEPTH + b"]" * parse.MAX_DEPTH + b"}",
        b"{} {}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        parse_json(body)

    assert (caught.value.status, caught.value.code) == (400, "invalid_json")


def test_nesting_up_to_the_limit_is_read() -> None:
    levels = parse.MAX_DEPTH - 1
    data = parse_json(b'{"a":' + b"[" * levels + b"]" * levels + b"}")

    assert isinstance(data["a"], list)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert parse_json(b'{"a":[' + b"[]," * 5000 + b'{"b":[1]}]}')["a"][-1] == {"b": [1]}


@pytest.mark.parametrize("digits", [19, 20, 400, 6000])
def test_a_huge_integer_is_read_or_refused(digits: int) -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"seed":%s}' % (b"9" * digits)

    with pytest.raises(ApiError) as caught:
        parse_request(parse_json(body))

    assert caught.value.status == 400


@given(st.binary())
def test_no_bytes_raise_anything_but_an_api_error(body: bytes) -> None:
    try:
        parse_request(parse_json(body))
    except ApiError as error:
        assert 400 <= error.status < 500


# The model


@pytest.mark.parametrize("model", ["gpt-4o", "groq/a/b", "llama3.2:1b", "x@y", "m+1", "a" * 128])
def test_a_name_that_can_be_a_models_is_kept(model: str) -> None:
    assert request(model=model).model == model


@pytest.mark.parametrize(
    "model",
    [
        "x#frag",
        "../x",
        "a/../b",
        "a//b",
        "a\r\nHost: evil",
        "a\n",
        "a b",
        "a?b",
        "a%2e%2e",
        "/a",
        "http://evil",
        "\u202egpt",
        "gpt-\uff14",
        "a" * 129,
        "",
        "a\x00",
        "<img src=x>",
    ],
    ids=ascii,
)
def test_a_name_that_cannot_be_a_models_is_404(model: str) -> None:
    error = refusal(model=model)

    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert "\n" not in error.message and "\u202e" not in error.message


# Each parameter, given wrongly

TEXT, NUMBER, OBJECT, LIST = "text", 1, {"a": 1}, ["a"]
NOT_TEXT = (NUMBER, True, OBJECT, LIST)
NOT_FLAG = ("true", NUMBER, OBJECT, LIST)
NOT_NUMBER = (TEXT, True, OBJECT, LIST)
NOT_INTEGER = (*NOT_NUMBER, 1.5)
NOT_OBJECT = (TEXT, NUMBER, True, LIST)
NOT_LIST = (TEXT, NUMBER, True, OBJECT)

WRONG: dict[str, tuple[Any, ...]] = {
    "model": NOT_TEXT,
    "messages": (*NOT_LIST, [], [TEXT], [NUMBER]),
    "stream": NOT_FLAG,
    "stream_options": (*NOT_OBJECT, {"include_usage": "yes"}, {"include_obfuscation": 1}),
    "max_tokens": (*NOT_INTEGER, 0, -1, 2**31),
    "max_completion_tokens": (*NOT_INTEGER, 0, -1, 2**40),
    "temperature": (*NOT_NUMBER, -0.1, 2.1, 1e300),
    "top_p": (*NOT_NUMBER, -0.1, 1.1),
    "n": (*NOT_INTEGER, 0, -1, 5, 2**70),
    "stop": (NUMBER, True, OBJECT, [1], ["a", None], list("abcde")),
    "seed": (*NOT_INTEGER, 2**63, -(2**63) - 1),
    "frequency_penalty": (*NOT_NUMBER, -2.1, 2.1),
    "presence_penalty": (*NOT_NUMBER, -2.1, 2.1),
    "logit_bias": NOT_OBJECT,
    "logprobs": NOT_FLAG,
    "top_logprobs": (*NOT_INTEGER, -1, 21),
    "response_format": (TEXT, NUMBER, True, LIST, {}, {"type": "xml"}),
    "tools": (*NOT_LIST, [TEXT], [{}], [TOOL] * 129, [{"type": "function"}]),
    "tool_choice": (NUMBER, True, LIST, {}, "any", "required"),
    "parallel_tool_calls": NOT_FLAG,
    "functions": (*NOT_LIST, [TEXT], [{}], [TOOL]),
    "function_call": (NUMBER, True, LIST, {}, "required", {"name": "absent"}),
    "reasoning_effort": (NUMBER, True, OBJECT, LIST, "extreme", ""),
    "verbosity": NOT_TEXT,
    "modalities": (*NOT_LIST, [1], [{}]),
    "audio": NOT_OBJECT,
    "prediction": NOT_OBJECT,
    "web_search_options": NOT_OBJECT,
    "service_tier": NOT_TEXT,
    "user": NOT_TEXT,
    "safety_identifier": NOT_TEXT,
    "metadata": NOT_OBJECT,
    "store": NOT_FLAG,
    "prompt_cache_key": NOT_TEXT,
}
UNCHECKED = {"prompt_cache_options", "prompt_cache_retention", "moderation"}
"""Parameters that no provider takes: what is in them makes no difference."""


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() for value in values],
    ids=lambda value: str(value)[:24],
)
def test_a_wrong_value_is_a_400_that_names_the_parameter(name: str, value: Any) -> None:
    error = refusal(**{name: value})

    assert (error.status, error.type) == (400, "invalid_request_error")
    assert error.param is not None
    assert error.param.split(".")[0].split("[")[0] == name


OPENAI_NAMES = frozenset(
    get_type_hints(openai_params.CompletionCreateParamsBase)
    | get_type_hints(openai_params.CompletionCreateParamsStreaming)
)


def test_every_parameter_of_openai_is_known() -> None:
    assert len(OPENAI_NAMES) >= 37
    assert OPENAI_NAMES <= parse._KNOWN


def test_every_parameter_of_openai_has_a_row_here() -> None:
    assert WRONG.keys() | UNCHECKED == OPENAI_NAMES


@pytest.mark.parametrize("name", sorted(OPENAI_NAMES - {"model", "messages"}))
def test_null_is_as_good_as_absent(name: str) -> None:
    assert parsed(**{name: None}) == parsed()


@pytest.mark.parametrize("name", ["model", "messages"])
@pytest.mark.parametrize("give_null", [True, False], ids=["null", "absent"])
def test_model_and_messages_are_required(name: str, *, give_null: bool) -> None:
    data: Json = {"model": "zoo", "messages": [USER]}
    if give_null:
        data[name] = None
    else:
        del data[name]

    with pytest.raises(ApiError) as caught:
        parse_request(data)

    assert (caught.value.status, caught.value.param) == (400, name)


# Each parameter, given rightly


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0),
        ("temperature", 2),
        ("top_p", 1),
        ("frequency_penalty", -2),
        ("presence_penalty", 1.5),
        ("seed", -(2**63)),
        ("seed", 0),
        ("logit_bias", {"50256": -100}),
        ("logprobs", True),
        ("user", "u-1"),
        ("safety_identifier", "s-1"),
        ("metadata", {"k": "v"}),
        ("store", False),
        ("service_tier", "flex"),
        ("verbosity", "low"),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "ash", "format": "wav"}),
        ("prediction", {"type": "content", "content": "x"}),
        ("web_search_options", {}),
        ("prompt_cache_key", "k"),
        ("prompt_cache_retention", "24h"),
        ("moderation", {"mode": "block"}),
    ],
    ids=str,
)
def test_what_adapters_act_on_by_name_is_kept_in_params(name: str, value: Any) -> None:
    found = request(**{name: value})

    assert found.params == {name: value}
    assert found.extensions == {}


def test_defaults_are_openais() -> None:
    found = parsed()

    assert found == Parsed(
        ChatRequest(model="zoo", messages=[USER], tools=[]),
        include_usage=False,
        legacy_functions=False,
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_tokens": 5, "max_completion_tokens": 6}, 6),
        ({"max_tokens": 5, "max_completion_tokens": None}, 5),
    ],
    ids=str,
)
def test_the_newer_name_of_max_tokens_wins(fields: Json, expected: int) -> None:
    assert request(**fields).max_tokens == expected


@pytest.mark.parametrize(
    ("stop", "expected"), [("x", ("x",)), (["a", "b"], ("a", "b")), ([], ()), (list("abcd"),) * 2]
)
def test_stop_is_one_string_or_up_to_four(stop: Any, expected: Any) -> None:
    assert request(stop=stop).stop == tuple(expected)


@pytest.mark.parametrize("stream", [True, False])
def test_usage_is_included_only_where_a_stream_asks_for_it(*, stream: bool) -> None:
    assert parsed(stream=stream, stream_options={"include_usage": True}).include_usage is stream
    assert not parsed(stream=stream, stream_options={"include_usage": False}).include_usage


def test_obfuscation_asked_for_is_told_to_the_adapter() -> None:
    found = request(stream=True, stream_options={"include_obfuscation": True})

    assert found.params == {"stream_options.include_obfuscation": True}
    assert request(stream=True, stream_options={"include_obfuscation": False}).params == {}


def test_top_logprobs_need_logprobs() -> None:
    assert refusal(top_logprobs=2).param == "top_logprobs"
    assert refusal(top_logprobs=2, logprobs=False).param == "top_logprobs"
    assert request(top_logprobs=2, logprobs=True).params == {"top_logprobs": 2, "logprobs": True}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, ResponseFormat()),
        (
            {"type": "json_schema", "json_schema": {"schema": SCHEMA}},
            ResponseFormat(schema=SCHEMA),
        ),
        (
            {
                "type": "json_schema",
                "json_schema": {"schema": SCHEMA, "name": "n", "description": "d", "strict": True},
            },
            ResponseFormat(schema=SCHEMA, name="n", description="d", strict=True),
        ),
    ],
    ids=["text", "json", "bare schema", "schema"],
)
def test_a_response_format_is_taken_out_of_its_wrapping(
    value: Json, expected: ResponseFormat | None
) -> None:
    assert request(response_format=value).response_format == expected


@pytest.mark.parametrize(
    ("wrapped", "param"),
    [
        (None, "response_format.json_schema"),
        ({}, "response_format.json_schema"),
        ({"schema": []}, "response_format.json_schema"),
        ({"schema": SCHEMA, "name": 5}, "response_format.json_schema.name"),
        ({"schema": SCHEMA, "description": {}}, "response_format.json_schema.description"),
        ({"schema": SCHEMA, "strict": "yes"}, "response_format.json_schema.strict"),
    ],
    ids=str,
)
def test_a_wrong_json_schema_is_refused(wrapped: Any, param: str) -> None:
    error = refusal(response_format={"type": "json_schema", "json_schema": wrapped})

    assert (error.status, error.param) == (400, param)


# Tools


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "custom", "custom": {"name": "x"}}, "tools[1].type"),
        ({"type": "web_search"}, "tools[1].type"),
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


def test_tools_are_handed_on_as_they_are() -> None:
    found = request(tools=[TOOL, OTHER_TOOL])

    assert found.tools == [TOOL, OTHER_TOOL]
    assert (found.tool_choice, found.forced_tool) == (None, None)


def allowed_tools(mode: str, *names: str) -> Json:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


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
        (allowed_tools("auto", "weigh"), ("auto", None, [OTHER_TOOL])),
        (allowed_tools("required", "weigh", "absent"), ("required", None, [OTHER_TOOL])),
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


# Thinking


@pytest.mark.parametrize("effort", get_args(get_args(ReasoningEffort)[0]))
def test_every_effort_of_openai_is_taken(effort: str) -> None:
    assert request(reasoning_effort=effort).thinking == Thinking(effort=effort)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"reasoning": {"effort": "high"}}, Thinking(effort="high")),
        ({"reasoning": {"max_tokens": 2000}}, Thinking(budget_tokens=2000)),
        ({"reasoning": {"enabled": False}}, Thinking(effort="none")),
        ({"reasoning": {"exclude": True}}, Thinking(include=False)),
        ({"reasoning": {"exclude": False, "effort": None}}, Thinking(include=True)),
        ({"reasoning": {"effort": "low"}, "reasoning_effort": "high"}, Thinking(effort="high")),
        (
            {"extra_body": {"google": {"thinking_config": {"thinking_budget": 0}}}},
            Thinking(budget_tokens=0),
        ),
        (
            {"google": {"thinking_config": {"thinking_level": "HIGH", "include_thoughts": True}}},
            Thinking(effort="high", include=True),
        ),
        ({"thinking_config": {"thinking_budget": -1}}, Thinking(budget_tokens=-1)),
        ({"think": False}, Thinking(effort="none")),
        ({"think": True}, Thinking(include=True)),
        ({"think": "high"}, Thinking(effort="high")),
        ({"think": ["high"]}, Thinking()),
        ({"think": "high", "reasoning_effort": "low"}, Thinking(effort="low")),
        ({"include_reasoning": False}, Thinking(include=False)),
        ({"reasoning_format": "hidden"}, Thinking(include=False)),
        ({"reasoning_format": "raw"}, Thinking(include=True)),
        ({"reasoning_format": "new"}, Thinking()),
        ({}, Thinking()),
    ],
    ids=str,
)
def test_thinking_is_understood_in_each_dialect(fields: Json, expected: Thinking) -> None:
    assert request(**fields).thinking == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"reasoning": "high"}, "reasoning"),
        ({"reasoning": {"effort": "extreme"}}, "reasoning.effort"),
        ({"reasoning": {"effort": 3}}, "reasoning.effort"),
        ({"reasoning": {"max_tokens": "many"}}, "reasoning.max_tokens"),
        ({"thinking_config": {"thinking_budget": -2}}, "thinking_config.thinking_budget"),
        ({"thinking_config": {"thinking_level": []}}, "thinking_config.thinking_level"),
    ],
    ids=str,
)
def test_wrong_thinking_is_named_in_the_dialect_it_came_in(fields: Json, param: str) -> None:
    error = refusal(**fields)

    assert (error.status, error.param) == (400, param)


def test_what_openai_does_not_define_is_an_extension() -> None:
    extras = {"groq": {"x": 1}, "top_k": 4, "num_ctx": 1, "google": {}, "anything": None}

    assert request(**extras).extensions == {
        "groq": {"x": 1},
        "top_k": 4,
        "num_ctx": 1,
        "google": {},
    }


# Whatever comes

ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(["function", "auto", "json_schema", "user", "tool", "image_url", "text"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FULL: Json = {
    "model": "zoo",
    "messages": [
        {"role": "developer", "content": "Be short."},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "https://a.example/x", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "hm",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "measure", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "5 m"}]},
        {"role": "assistant", "function_call": {"name": "weigh", "arguments": "{}"}},
        {"role": "function", "name": "weigh", "content": "900"},
    ],
    "tools": [TOOL, OTHER_TOOL],
    "tool_choice": allowed_tools("auto", "measure"),
    "response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA, "name": "n"}},
    "stream": True,
    "stream_options": {"include_usage": True},
    "reasoning": {"effort": "low", "max_tokens": 5, "exclude": False},
    "thinking_config": {"thinking_budget": 5},
    "stop": ["a"],
    "temperature": 1,
    "modalities": ["text"],
    "metadata": {},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[Any] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


PLACES = places(FULL)[1:]


def put(data: Json, path: tuple[Any, ...], value: Any) -> None:
    target: Any = data
    for key in path[:-1]:
        if not isinstance(target, dict | list):
            return
        try:
            target = target[key]
        except (LookupError, TypeError):
            return
    if isinstance(target, dict) or (isinstance(target, list) and path[-1] in range(len(target))):
        target[path[-1]] = value


def test_the_full_request_is_taken() -> None:
    assert len(parse_request(FULL).request.messages) == 6


@given(ANY_JSON)
def test_no_json_raises_anything_but_an_api_error(value: Any) -> None:
    try:
        parse_request(parse_json(orjson.dumps(value)))
    except ApiError as error:
        assert 400 <= error.status < 500


@given(st.dictionaries(st.sampled_from(sorted(OPENAI_NAMES)), ANY_JSON))
def test_no_parameters_raise_anything_but_an_api_error(fields: Json) -> None:
    try:
        parsed(**fields)
    except ApiError as error:
        assert 400 <= error.status < 500


@given(st.lists(st.tuples(st.sampled_from(PLACES), ANY_JSON), min_size=1, max_size=3))
def test_no_change_of_a_good_request_raises_anything_but_an_api_error(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    data = copy.deepcopy(FULL)
    for path, value in changes:
        put(data, path, copy.deepcopy(value))
    before = json.dumps(data)

    try:
        orjson.dumps(list(parse_request(data).request.messages))
    except ApiError as error:
        assert 400 <= error.status < 500
        orjson.dumps([error.message, error.param])
    assert json.dumps(data) == before
