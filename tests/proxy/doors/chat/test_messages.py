"""The messages of a request: which are taken, what they become, how a mistake in them is named."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from adapters.base import Json
from proxy.doors.chat.messages import MAX_MESSAGES, ROLES, parse_messages
from proxy.errors import ApiError

USER: Json = {"role": "user", "content": "Hello."}
CALL: Json = {"id": "c1", "type": "function", "function": {"name": "measure", "arguments": "{}"}}
IMAGE: Json = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
AUDIO: Json = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}}
FILE: Json = {"type": "file", "file": {"file_data": "AA==", "filename": "a.pdf"}}
TEXT: Json = {"type": "text", "text": "Hello."}


def refusal(messages: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parse_messages(messages)
    assert caught.value.status == 400
    return caught.value


@pytest.mark.parametrize(
    "message",
    [
        USER,
        {"role": "user", "content": ""},
        {"role": "user", "content": [], "name": "ann"},
        {"role": "user", "content": [TEXT, IMAGE, AUDIO, FILE]},
        {"role": "system", "content": "Be short."},
        {"role": "system", "content": [TEXT], "name": None},
        {"role": "assistant", "content": "Hi."},
        {"role": "assistant", "content": None},
        {"role": "assistant"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "assistant", "content": "", "tool_calls": [], "refusal": None},
        {"role": "assistant", "content": [TEXT, {"type": "refusal", "refusal": "No."}]},
        {"role": "assistant", "content": "x", "function_call": None, "tool_calls": None},
        {"role": "assistant", "content": "x", "reasoning_content": "y", "annotations": []},
    ],
    ids=lambda message: str(message)[:60],
)
def test_a_message_of_todays_roles_is_handed_on_as_it_is(message: Json) -> None:
    assert parse_messages([message]) == [message]


def test_a_result_is_handed_on_as_it_is_behind_its_call() -> None:
    turn = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    for content in ("5", [TEXT], None):
        result = {"role": "tool", "tool_call_id": "c1", "content": content}
        assert parse_messages([turn, result, result]) == [turn, result, result]


def test_a_result_whose_call_was_cut_off_is_told_by_the_user() -> None:
    lost = {"role": "tool", "tool_call_id": "gone", "name": "measure", "content": "5"}
    shown = {"role": "tool", "tool_call_id": "gone", "content": [TEXT, IMAGE]}
    turn = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "c1", "content": "7"}

    first, call, answer, last = parse_messages([lost, turn, shown, result])

    assert (call, answer) == (turn, result)
    told = [first, last]
    assert [one["role"] for one in told] == ["user", "user"]
    texts = ["Result of measure:", "5"], ["Result of a tool:", "Hello."]
    assert [
        [part["text"] for part in one["content"] if part["type"] == "text"] for one in told
    ] == list(texts)
    assert last["content"][-1] == IMAGE
    [empty] = parse_messages([{"role": "tool", "tool_call_id": "gone"}])
    assert [part["text"] for part in empty["content"]] == ["Result of a tool:", ""]


def test_a_developer_message_is_a_system_message() -> None:
    message = {"role": "developer", "content": "Be short."}

    assert parse_messages([message]) == [{"role": "system", "content": "Be short."}]
    assert message["role"] == "developer"


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        (None, "messages"),
        ("Hello", "messages"),
        ({"role": "user"}, "messages"),
        ([], "messages"),
        ([USER] * (MAX_MESSAGES + 1), "messages"),
        (["Hello"], "messages[0]"),
        ([USER, None], "messages[1]"),
        ([USER, []], "messages[1]"),
        ([{}], "messages[0].role"),
        ([{"role": None, "content": "x"}], "messages[0].role"),
        ([{"role": "robot", "content": "x"}], "messages[0].role"),
        ([{"role": ["user"], "content": "x"}], "messages[0].role"),
        ([{"role": "User", "content": "x"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": None}], "messages[0].content"),
        ([{"role": "system", "content": None}], "messages[0].content"),
        ([{"role": "user", "content": 5}], "messages[0].content"),
        ([{"role": "user", "content": {"type": "text"}}], "messages[0].content[0].text"),
        ([{"role": "user", "content": {"text": "x"}}], "messages[0].content"),
        ([{"role": "assistant", "content": True}], "messages[0].content"),
        ([{"role": "user", "content": "x", "name": 5}], "messages[0].name"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_message_is_named_by_its_place(messages: Any, param: str) -> None:
    assert refusal(messages).param == param


@pytest.mark.parametrize(
    ("part", "field"),
    [
        (5, ""),
        (None, ""),
        ({}, ""),
        ({"text": 5}, ""),
        ({"type": ["text"], "text": "x"}, ""),
        ({"type": {}, "text": "x"}, ""),
        ({"type": 5}, ""),
        ({"type": "image"}, ".type"),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, ".type"),
        ({"type": "thinking", "thinking": "a"}, ".type"),
        ({"type": "video"}, ".type"),
        ({"type": "text"}, ".text"),
        ({"type": "text", "text": None}, ".text"),
        ({"type": "refusal", "refusal": 1}, ".refusal"),
        ({"type": "image_url", "image_url": {"url": 5}}, ".image_url"),
        ({"type": "image_url", "image_url": {"url": "x", "detail": []}}, ".image_url.detail"),
        ({"type": "input_audio", "input_audio": {"data": "AA=="}}, ".input_audio"),
        ({"type": "input_audio", "input_audio": {"data": 1, "format": "wav"}}, ".input_audio"),
        ({"type": "file", "file": "x"}, ".file"),
        ({"type": "file", "file": {}}, ".file"),
        ({"type": "file", "file": {"file_data": "", "filename": "a"}}, ".file"),
        ({"type": "file", "file": {"file_data": 5}}, ".file.file_data"),
        ({"type": "file", "file": {"file_id": {}}}, ".file.file_id"),
        ({"type": "file", "file": {"file_id": "f", "filename": []}}, ".file.filename"),
    ],
    ids=str,
)
def test_a_wrong_part_is_named_by_its_place(part: Any, field: str) -> None:
    error = refusal([USER, {"role": "user", "content": [TEXT, part]}])

    assert error.param == f"messages[1].content[1]{field}"


@pytest.mark.parametrize("part", [IMAGE, AUDIO, FILE], ids=lambda part: part["type"])
@pytest.mark.parametrize("role", sorted(ROLES - {"user", "tool"}))
def test_only_users_and_tools_send_more_than_text(role: str, part: Json) -> None:
    message = {"role": role, "content": [part], "tool_call_id": "c1", "name": "measure"}

    assert refusal([message]).param == f"messages[0].content[0].{part['type']}"


@pytest.mark.parametrize(
    ("calls", "field"),
    [
        ("x", ""),
        ({}, ""),
        ([None], "[0]"),
        ([CALL, "x"], "[1]"),
        ([{**CALL, "id": 5}], "[0].id"),
        ([{"id": "c", "type": "function"}], "[0].function"),
        ([{"id": "c", "type": "custom", "custom": {}}], "[0].function"),
        ([{**CALL, "function": {"arguments": "{}"}}], "[0].function.name"),
        ([{**CALL, "function": {"name": "x", "arguments": 5}}], "[0].function.arguments"),
        ([{**CALL, "function": {"name": "x", "arguments": []}}], "[0].function.arguments"),
    ],
    ids=str,
)
def test_a_wrong_call_is_named_by_its_place(calls: Any, field: str) -> None:
    error = refusal([{"role": "assistant", "tool_calls": calls}])

    assert error.param == f"messages[0].tool_calls{field}"


@pytest.mark.parametrize("call_id", [None, 5, []], ids=str)
def test_a_tool_result_names_its_call_where_none_is_open(call_id: Any) -> None:
    message = {"role": "tool", "content": "5", "tool_call_id": call_id}

    assert refusal([message]).param == "messages[0].tool_call_id"


# The older functions


def function_call(name: str) -> Json:
    return {"role": "assistant", "content": None, "function_call": {"name": name, "arguments": "x"}}


def function_result(name: str, content: str | None = "5") -> Json:
    return {"role": "function", "name": name, "content": content}


def test_each_function_result_answers_the_last_call_of_its_name() -> None:
    names = ["measure", "measure", "weigh"]
    history = [step for name in names for step in (function_call(name), function_result(name))]
    before = copy.deepcopy(history)

    found = parse_messages(history)

    calls = [message["tool_calls"][0] for message in found[::2]]
    assert [call["function"] for call in calls] == [
        {"name": name, "arguments": "x"} for name in names
    ]
    assert [call["id"] for call in calls] == [result["tool_call_id"] for result in found[1::2]]
    assert len({call["id"] for call in calls}) == 3
    assert all(set(message) == {"role", "content", "tool_calls"} for message in found[::2])
    assert all(set(result) == {"role", "content", "tool_call_id"} for result in found[1::2])
    assert history == before


def test_a_function_result_without_a_call_is_told_by_the_user() -> None:
    [result] = parse_messages([function_result("measure", "7")])

    assert result["role"] == "user"
    assert [part["text"] for part in result["content"]] == ["Result of measure:", "7"]


def test_a_function_call_stands_beside_tool_calls() -> None:
    [message] = parse_messages([function_call("weigh") | {"tool_calls": [CALL]}])

    assert [call["function"]["name"] for call in message["tool_calls"]] == ["measure", "weigh"]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "function", "content": "5"}, "messages[0].name"),
        ({"role": "function", "content": "5", "name": 1}, "messages[0].name"),
        ({"role": "assistant", "function_call": "x"}, "messages[0].function_call"),
        (
            {"role": "assistant", "function_call": {"arguments": ""}},
            "messages[0].function_call.name",
        ),
        (
            {"role": "assistant", "function_call": {"name": "x"}},
            "messages[0].function_call.arguments",
        ),
    ],
    ids=str,
)
def test_a_wrong_function_message_is_named_by_its_place(message: Json, param: str) -> None:
    assert refusal([message]).param == param


def test_an_image_by_its_plain_address_is_an_image() -> None:
    plain = {"type": "image_url", "image_url": "https://a.example/x.png"}
    given = [{"role": "user", "content": [TEXT, plain, IMAGE]}]
    before = copy.deepcopy(given)

    [message] = parse_messages(given)

    held = {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}
    assert message["content"] == [TEXT, held, IMAGE]
    assert given == before
    assert (
        refusal([{"role": "system", "content": [plain]}]).param
        == "messages[0].content[0].image_url"
    )
