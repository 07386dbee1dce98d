"""Ollama's messages as everybody's."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from adapters.base import Json
from proxy.doors.ollama.messages import kind_of
from proxy.errors import ApiError
from tests.proxy.doors.ollama.kit import PNG, asked

USER = {"role": "user", "content": "Weather?"}


def call(name: str, arguments: Any, **more: Any) -> Json:
    return {"function": {"name": name, "arguments": arguments}, **more}


def turn(*calls: Json, **more: Any) -> Json:
    return {"role": "assistant", "tool_calls": list(calls), **more}


def pairs(*messages: Json) -> list[tuple[str, str]]:
    """Which arguments each result belongs to."""
    said = asked(USER, *messages).messages
    made = {
        one["id"]: one["function"]["arguments"]
        for message in said
        for one in message.get("tool_calls", ())
    }
    return [(made[m["tool_call_id"]], m["content"]) for m in said if m["role"] == "tool"]


def test_results_find_their_calls_without_ids() -> None:
    calls = turn(call("w", {"c": "Rome"}), call("w", {"c": "Oslo"}), call("t", {}))
    results = [
        {"role": "tool", "tool_name": "t", "content": "noon"},
        {"role": "tool", "tool_name": "w", "content": "warm"},
        {"role": "tool", "tool_name": "w", "content": "cold"},
    ]

    assert pairs(calls, *results) == [
        ("{}", "noon"),
        ('{"c":"Rome"}', "warm"),
        ('{"c":"Oslo"}', "cold"),
    ]


def test_results_find_their_calls_by_ids_alone() -> None:
    calls = turn(call("w", {"c": 1}, id="x"), call("w", {"c": 2}, id="y"))
    results = [{"role": "tool", "tool_call_id": name, "content": name} for name in ("y", "x")]

    assert pairs(calls, *results) == [('{"c":2}', "y"), ('{"c":1}', "x")]


def test_results_find_their_calls_by_their_place() -> None:
    again = [turn(call("w", {"c": 1})), {"role": "tool", "content": "a"}, USER]

    assert pairs(*again, turn(call("w", {"c": 2})), {"role": "tool", "content": "b"}) == [
        ('{"c":1}', "a"),
        ('{"c":2}', "b"),
    ]


def test_calls_that_a_client_kept_line_by_line_are_one_turn() -> None:
    thoughts = [{"role": "assistant", "content": "", "thinking": text} for text in ("Let ", "me.")]
    texts = [{"role": "assistant", "content": text} for text in ("So", ":")]
    calls = [turn(call("w", {"c": n}), content="") for n in (1, 2)]
    end = {"role": "assistant", "content": ""}
    said = asked(USER, *thoughts, *texts, *calls, end, {"role": "tool", "content": "a"}).messages

    assert [message["role"] for message in said] == ["user", "assistant", "tool"]
    assert (said[1]["reasoning"], said[1]["content"]) == ("Let me.", "So:")
    assert len(said[1]["tool_calls"]) == 2


def test_a_result_whose_call_is_gone_is_told_as_text() -> None:
    said = asked({"role": "tool", "tool_name": "w", "content": "warm"}, USER).messages

    assert said[0] == {"role": "user", "content": "Result of w: warm"}


def test_arguments_may_be_a_text_or_nothing() -> None:
    said = asked(USER, turn(call("w", '{"c":1}'), call("w", None), call("w", ""))).messages

    assert [one["function"]["arguments"] for one in said[1]["tool_calls"]] == [
        '{"c":1}',
        "{}",
        "{}",
    ]


def test_thoughts_go_along() -> None:
    said = asked(USER, {"role": "assistant", "content": "Yes", "thinking": "Hm."}).messages

    assert said[1] == {"role": "assistant", "content": "Yes", "reasoning": "Hm."}


def test_roles_of_any_kind_are_taken() -> None:
    roles = ["System", "developer", "USER", "narrator", None]
    said = asked(*({"role": role, "content": "x"} for role in roles)).messages

    assert [message["role"] for message in said] == ["system", "system", "user", "user", "user"]


def test_images_are_known_by_their_first_bytes() -> None:
    for data in (PNG, f"data:image/x;base64,{PNG}"):
        [message] = asked({"role": "user", "content": "See", "images": [data]}).messages
        assert message["content"] == [
            {"type": "text", "text": "See"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        ]
    heads = {
        b"\xff\xd8\xff\xe0": "image/jpeg",
        b"GIF89a": "image/gif",
        b"RIFF\0\0\0\0WEBPVP8 ": "image/webp",
        b"RIFF\0\0\0\0WAVEfmt ": "audio/wav",
        b"ID3\x04": "audio/mp3",
        b"\0\0\0\x18ftypheic": "image/heic",
        b"<svg>": None,
        b"": None,
    }
    assert {head: kind_of(head) for head in heads} == heads


def test_sound_among_images_is_heard() -> None:
    sound = base64.b64encode(b"RIFF\0\0\0\0WAVEfmt ").decode()
    [message] = asked({"role": "user", "images": [sound]}).messages

    part = {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}}
    assert message["content"] == [part]


def test_what_a_tool_has_shown_stands_behind_all_results() -> None:
    results = [
        {"role": "tool", "tool_name": "w", "content": "seen", "images": [PNG]},
        {"role": "tool", "tool_name": "w", "content": "more"},
    ]
    said = asked(USER, turn(call("w", {}), call("w", {})), *results, USER).messages

    roles = [message["role"] for message in said]
    assert roles == ["user", "assistant", "tool", "tool", "user", "user"]
    assert [part["type"] for part in said[4]["content"]] == ["text", "image_url"]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": ["Hi"]},
        {"role": "user", "content": "Hi", "images": "AAAA"},
        {"role": "user", "content": "Hi", "images": [7]},
        {"role": "assistant", "tool_calls": {"a": 1}},
        {"role": "assistant", "tool_calls": [{"function": {"name": ""}}]},
        {"role": "assistant", "tool_calls": [call("w", 7)]},
        {"role": "tool", "tool_name": 7, "content": "a"},
        "Hi",
    ],
)
def test_what_is_no_message_is_refused(message: Any) -> None:
    with pytest.raises(ApiError) as caught:
        asked(message)

    assert caught.value.status == 400 and json.dumps(caught.value.message)
