# ruff: noqa: E501 - a table is read by its rows
"""What every message and part of OpenAI's becomes in the body of `POST /api/chat`."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from adapters.base import AdapterError, ChatRequest, ErrorKind, Json
from adapters.ollama.adapter import OllamaSettings
from adapters.ollama.context import ModelFacts
from adapters.ollama.request import to_native
from tests.adapters.ollama.kit import USER, prepared, refused

# Messages


def _call(call_id: str, name: str, arguments: Any) -> Json:
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def _messages(*messages: Json, facts: ModelFacts | None = None) -> list[Json]:
    request = ChatRequest(model="m", messages=messages)
    body = to_native(request, OllamaSettings(), facts or ModelFacts()).body
    native: list[Json] = body["messages"]
    return native


def test_a_conversation_keeps_its_turns_ids_and_thoughts() -> None:
    assert _messages(
        {"role": "system", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "brief."}]},
        {"role": "user", "content": "Weather?", "name": "ann"},
        {"role": "assistant", "content": None, "refusal": None, "annotations": [],
         "reasoning_content": "Two cities.",
         "tool_calls": [_call("a", "weather", '{"city": "Köln"}'), _call("b", "now", "")]},
        {"role": "tool", "tool_call_id": "b", "content": "noon"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "sun"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "assistant", "content": None, "refusal": "Never."},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "Well?"},
        {"role": "user", "content": "?"},
    ) == [
        {"role": "system", "content": "Be\nbrief."},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "thinking": "Two cities.",
         "tool_calls": [
             {"id": "a", "function": {"name": "weather", "arguments": {"city": "Köln"}}},
             {"id": "b", "function": {"name": "now", "arguments": {}}},
         ]},
        {"role": "tool", "content": "sun", "tool_name": "weather", "tool_call_id": "a"},
        {"role": "tool", "content": "noon", "tool_name": "now", "tool_call_id": "b"},
        {"role": "assistant", "content": "No."},
        {"role": "assistant", "content": "Never."},
        {"role": "user", "content": "Well?"},
        {"role": "user", "content": "?"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "native", "changed"),
    [
        ('{"a": {"b": [1]}}', {"a": {"b": [1]}}, False),
        ("", {}, False),
        ("  ", {}, False),
        ("null", {}, False),
        ("[1]", {"value": [1]}, False),
        ('"x"', {"value": "x"}, False),
        ('{"a": ', {"_raw": '{"a": '}, True),
        ('{"a": NaN}', {"_raw": '{"a": NaN}'}, True),
        ('"\\ud800"', {"_raw": '"\\ud800"'}, True),
        ("[" * 300 + "]" * 300, {"_raw": "[" * 300 + "]" * 300}, True),
    ],
)
def test_arguments_become_an_object(arguments: str, native: Json, changed: bool) -> None:
    turn = {"role": "assistant", "content": "", "tool_calls": [_call("a", "f", arguments)]}
    call = prepared(messages=[turn])
    assert call.body["messages"][0]["tool_calls"][0]["function"]["arguments"] == native
    assert ("changed=tool_calls.arguments" in call.warnings) is changed


def test_of_instructions_alone_the_last_is_the_users_word() -> None:
    told = [
        {"role": "system", "content": "You are a poet."},
        {"role": "system", "content": "Sing."},
    ]
    call = prepared(messages=told)
    assert call.body["messages"] == [told[0], {"role": "user", "content": "Sing."}]
    assert call.warnings == ("changed=messages.role",)


def test_users_are_told_apart_by_their_names() -> None:
    ann, bob = {**USER, "name": "ann"}, {**USER, "name": "bob"}
    assert [message["content"] for message in _messages(ann, bob)] == ["ann: Hi", "bob: Hi"]
    assert prepared(messages=[ann, bob]).warnings == ("changed=messages.name",)
    assert _messages(ann) == [USER]
    assert prepared(messages=[ann]).warnings == ("dropped=messages.name",)


def test_a_signature_on_an_id_stays_behind() -> None:
    call, result = _messages(
        {"role": "assistant", "content": None, "tool_calls": [_call("c__sig__QUJD", "f", "{}")]},
        {"role": "tool", "tool_call_id": "c__sig__QUJD", "content": "ok"},
    )
    assert call["tool_calls"][0]["id"] == result["tool_call_id"] == "c"


def test_a_result_is_named_after_the_nearest_earlier_call() -> None:
    def turn(name: str) -> Json:
        return {"role": "assistant", "content": "", "tool_calls": [_call("same", name, "{}")]}

    result = {"role": "tool", "tool_call_id": "same", "content": "x"}
    native = _messages(turn("first"), result, turn("second"), result)
    assert [message.get("tool_name") for message in native] == [None, "first", None, "second"]


def test_a_call_without_a_result_gets_one_that_says_so() -> None:
    turn = {
        "role": "assistant",
        "content": None,
        "tool_calls": [_call("a", "f", "{}"), _call("b", "g", "{}")],
    }
    given = {"role": "tool", "tool_call_id": "b", "content": "x"}
    request = ChatRequest(model="m", messages=[USER, turn, given, USER, turn])
    made = to_native(request, OllamaSettings(), ModelFacts())

    told = [(one["tool_name"], one["tool_call_id"], one["content"]) for one in made.body["messages"]
            if one["role"] == "tool"]  # fmt: skip
    missing = "no result supplied"
    assert told == [("f", "a", missing), ("g", "b", "x"), ("f", "a", missing), ("g", "b", missing)]
    assert [one["role"] for one in made.body["messages"]][3:5] == ["tool", "user"]
    assert made.warnings.count("emulated=tool_result") == 1


# Parts


def _data(text: bytes, mime_type: str) -> str:
    return f"data:{mime_type};base64,{base64.b64encode(text).decode()}"


def _image(url: str, **more: Any) -> Json:
    return {"type": "image_url", "image_url": {"url": url, **more}}


AUDIO: Json = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("data:image/png;base64,iVBORw==", "iVBORw=="),
        ("DATA:image/png;charset=x;BASE64,iVBORw", "iVBORw=="),
        ("data:image/jpeg;base64,-_-_", "+/+/"),
        ("data:image/png;base64,iV\nBO Rw==", "iVBORw=="),
        ("data:image/svg+xml,%3Csvg%3E", "PHN2Zz4="),
    ],
)
def test_an_image_goes_along_as_base64(url: str, sent: str) -> None:
    parts = [{"type": "text", "text": "See"}, _image(url), {"type": "text", "text": "this"}]
    assert _messages({"role": "user", "content": parts}) == [
        {"role": "user", "content": "See\nthis", "images": [sent]}
    ]


def test_how_closely_to_look_is_dropped_with_a_word() -> None:
    parts = [_image("data:image/png;base64,AAAA", detail="high")]
    assert prepared(messages=[{"role": "user", "content": parts}]).warnings == (
        "dropped=image_url.detail",
    )


PARTS: dict[str, tuple[Json, ErrorKind, str]] = {
    "address": (_image("https://fake.example/a.png"), ErrorKind.UNSUPPORTED, "image_url.url"),
    "no image": (_image(_data(b"x", "text/plain")), ErrorKind.UNSUPPORTED, "image_url.url"),
    "not base64": (_image("data:image/png;base64,?"), ErrorKind.BAD_REQUEST, "image_url.url"),
    "audio": (AUDIO, ErrorKind.UNSUPPORTED, ""),
    "file id": ({"type": "file", "file": {"file_id": "f"}}, ErrorKind.UNSUPPORTED, "file"),
    "pdf": (
        {"type": "file", "file": {"file_data": _data(b"%PDF", "application/pdf")}},
        ErrorKind.UNSUPPORTED,
        "file.file_data",
    ),
    "binary text": (
        {"type": "file", "file": {"file_data": _data(b"\xff", "text/plain")}},
        ErrorKind.UNSUPPORTED,
        "file.file_data",
    ),
    "broken text": (
        {"type": "file", "file": {"file_data": "data:text/plain;base64,?"}},
        ErrorKind.BAD_REQUEST,
        "file.file_data",
    ),
    "unknown": ({"type": "hologram"}, ErrorKind.UNSUPPORTED, "type"),
}


@pytest.mark.parametrize(("part", "kind", "where"), PARTS.values(), ids=PARTS.keys())
def test_a_part_that_ollama_cannot_read_is_named(part: Json, kind: ErrorKind, where: str) -> None:
    error = refused(messages=[USER, {"role": "user", "content": [part]}])
    assert error.kind is kind
    assert error.param == ".".join(filter(None, ["messages[1].content[0]", where]))


def test_audio_goes_to_a_model_that_hears() -> None:
    facts = ModelFacts(capabilities=frozenset({"completion", "audio"}))
    native = _messages({"role": "user", "content": [AUDIO]}, facts=facts)
    assert native == [{"role": "user", "content": "", "images": ["AAAA"]}]


def test_an_image_is_refused_for_a_model_that_does_not_see() -> None:
    message = {"role": "user", "content": [_image("data:image/png;base64,AAAA")]}
    with pytest.raises(AdapterError) as caught:
        _messages(message, facts=ModelFacts(capabilities=frozenset({"completion"})))
    assert caught.value.kind is ErrorKind.UNSUPPORTED


def test_a_text_file_is_put_into_the_text() -> None:
    file = {"file_data": _data("näh\n".encode(), "text/csv"), "filename": "a.csv"}
    parts = [{"type": "text", "text": "Read"}, {"type": "file", "file": file}]
    assert _messages({"role": "user", "content": parts})[0]["content"] == "Read\na.csv:\nnäh\n"
