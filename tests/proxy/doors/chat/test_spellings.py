"""Histories as apps and other providers' SDKs write them, and the same in OpenAI's words."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from adapters.base import Json
from proxy.doors.chat.messages import parse_messages
from tests.proxy.doors.chat.test_messages import CALL, FILE, IMAGE, TEXT, USER, refusal

PNG = "data:image/png;base64,AA=="


def told(message: Json) -> Json:
    """What becomes of one message, whose own objects must stay as they are."""
    before = copy.deepcopy(message)
    [found] = parse_messages([message])
    assert message == before
    return found


def result(**fields: Any) -> Json:
    return {"role": "tool", "tool_call_id": "c1", **fields}


@pytest.mark.parametrize(
    ("part", "meant"),
    [
        ("Hello.", TEXT),
        ({"text": "Hello."}, TEXT),
        ({"type": "input_text", "text": "Hello."}, TEXT),
        ({"type": "output_text", "text": "Hello.", "annotations": []}, TEXT),
        ({"type": "image_url", "image_url": PNG}, IMAGE),
        ({"type": "input_image", "image_url": PNG}, IMAGE),
        ({"type": "input_image", "image_url": {"url": PNG}}, IMAGE),
        ({"type": "image", "image": PNG}, IMAGE),
        ({"type": "image", "source": {"type": "url", "url": PNG}}, IMAGE),
        (
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "AA=="},
            },
            IMAGE,
        ),
        ({"type": "image", "mimeType": "image/png", "data": "AA=="}, IMAGE),
        ({"type": "image", "mime_type": "image/png", "data": "AA=="}, IMAGE),
        ({"type": "image", "mime_type": "image/png", "base64": "AA=="}, IMAGE),
        ({"type": "image", "source_type": "url", "url": PNG}, IMAGE),
        ({"type": "input_file", "file_data": "AA==", "filename": "a.pdf"}, FILE),
    ],
    ids=str,
)
def test_a_part_in_another_apis_words_is_the_part_that_it_means(part: Any, meant: Json) -> None:
    assert told({"role": "user", "content": [TEXT, part]})["content"] == [TEXT, meant]


def test_a_part_alone_is_a_list_of_one() -> None:
    assert told({"role": "user", "content": TEXT})["content"] == [TEXT]


@pytest.mark.parametrize(
    ("part", "thought"),
    [
        ({"type": "thinking", "thinking": "So.", "signature": "s"}, "So."),
        ({"type": "reasoning", "reasoning": "So."}, "So."),
        ({"type": "reasoning", "text": "So."}, "So."),
        ({"type": "reasoning", "id": "rs_1", "summary": []}, None),
        ({"type": "reasoning_content", "reasoning_content": {"text": "x"}}, None),
        ({"type": "redacted_thinking", "data": "x"}, None),
    ],
    ids=str,
)
def test_thoughts_among_the_words_of_an_answer_are_kept_apart(
    part: Json, thought: str | None
) -> None:
    found = told({"role": "assistant", "content": [part, TEXT]})

    assert found["content"] == [TEXT]
    assert found.get("reasoning") == thought


def test_what_a_history_says_of_its_thoughts_stands_over_their_parts() -> None:
    parts = [{"type": "thinking", "thinking": "Else."}]
    message = {"role": "assistant", "content": parts, "reasoning": "So."}

    assert told(message) == {"role": "assistant", "content": [], "reasoning": "So."}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"a": [1]}, '{"a":[1]}'),
        (5, "5"),
        (False, "false"),
        ([{"id": 1}, "x"], [{"type": "text", "text": '{"id":1}'}, {"type": "text", "text": "x"}]),
        ([{"type": "resource"}], [{"type": "text", "text": '{"type":"resource"}'}]),
    ],
    ids=str,
)
def test_what_a_tool_gave_is_a_text(given: Any, meant: Any) -> None:
    turn = {"role": "assistant", "tool_calls": [CALL]}
    assert parse_messages([turn, result(content=given)])[1]["content"] == meant


def test_what_tools_have_shown_is_seen_behind_the_last_of_their_results() -> None:
    calls = {"role": "assistant", "tool_calls": [CALL, {**CALL, "id": "c2"}]}
    history = [
        calls,
        result(content=[TEXT, IMAGE]),
        result(tool_call_id="c2", content=[FILE]),
        {"role": "assistant", "content": "I see."},
        result(content=[IMAGE]),
    ]

    found = parse_messages(history)

    words = {"type": "text", "text": "What the tools have shown:"}
    assert found == [
        calls,
        result(content=[TEXT]),
        result(tool_call_id="c2", content=[]),
        {"role": "user", "content": [words, IMAGE, FILE]},
        {"role": "assistant", "content": "I see."},
        result(content=[]),
        {"role": "user", "content": [words, IMAGE]},
    ]


def test_a_wrong_part_of_a_result_is_named_by_its_place() -> None:
    wrong = {"type": "image_url", "image_url": {"url": 5}}

    assert refusal([result(content=[TEXT, wrong])]).param == "messages[0].content[1].image_url"


@pytest.mark.parametrize(
    ("given", "meant"),
    [({"animal": "gnu"}, '{"animal":"gnu"}'), ({}, "{}"), (None, "{}"), ("{}", "{}")],
    ids=str,
)
def test_the_arguments_of_a_call_are_a_text(given: Any, meant: str) -> None:
    function = {"name": "measure", "arguments": given}
    message = {"role": "assistant", "tool_calls": [{**CALL, "function": function}]}

    assert told(message)["tool_calls"] == [
        {**CALL, "function": {"name": "measure", "arguments": meant}}
    ]


def test_a_call_of_a_custom_tool_is_one_of_a_function() -> None:
    custom = {"id": "c1", "type": "custom", "custom": {"name": "patch", "input": 'a "b"'}}

    [call] = told({"role": "assistant", "tool_calls": [custom]})["tool_calls"]

    assert (call["id"], call["type"]) == ("c1", "function")
    assert call["function"] == {"name": "patch", "arguments": '{"input":"a \\"b\\""}'}


@pytest.mark.parametrize("missing", [{}, {"id": None}, {"id": ""}], ids=str)
def test_calls_without_ids_and_their_results_find_each_other(missing: Json) -> None:
    def call(name: str) -> Json:
        return {"type": "function", "function": {"name": name, "arguments": "{}"}, **missing}

    found = parse_messages(
        [
            {"role": "assistant", "tool_calls": [call("measure"), call("weigh")]},
            {"role": "tool", "name": "weigh", "content": "2"},
            {"role": "tool", "content": "1", "tool_call_id": None},
            USER,
            {"role": "assistant", "tool_calls": [CALL, call("weigh")]},
            result(content="3"),
            {"role": "tool", "content": "4", "tool_call_id": ""},
        ]
    )

    first, weighed, measured, _, second, named, unnamed = found
    assert [one["id"] for one in first["tool_calls"]] == [
        measured["tool_call_id"],
        weighed["tool_call_id"],
    ]
    assert named["tool_call_id"] == second["tool_calls"][0]["id"] == "c1"
    assert unnamed["tool_call_id"] == second["tool_calls"][1]["id"]
    ids = [one["id"] for message in (first, second) for one in message["tool_calls"]]
    assert len(set(ids)) == 4


@pytest.mark.parametrize("empty", [None, {}, ""], ids=str)
def test_an_empty_function_call_is_none(empty: Any) -> None:
    message = {"role": "assistant", "content": "x", "function_call": empty}

    assert told(message) == message
