"""What each message of OpenAI becomes at Groq."""

from __future__ import annotations

import base64

import pytest
from groq.types.chat import ChatCompletionMessageParam
from hypothesis import given, strategies as st
from pydantic import TypeAdapter

from adapters.base import MISSING_RESULT, AdapterError, ErrorKind, Json
from adapters.compatible.messages import to_messages
from adapters.groq.models import TAKEN

LLAMA = "llama-3.3-70b-versatile"
SCOUT = "meta-llama/llama-4-scout-17b-16e-instruct"
OSS = "openai/gpt-oss-20b"
PIXEL = "data:image/png;base64,iVBORw0KGgo="

MESSAGE = TypeAdapter(ChatCompletionMessageParam)


def sent(*messages: Json, model: str = LLAMA) -> list[Json]:
    native = to_messages(messages, model, [], TAKEN)
    for message in native:
        MESSAGE.validate_python(message)
    return native


def words(*messages: Json) -> list[str]:
    warnings: list[str] = []
    to_messages(messages, LLAMA, warnings, TAKEN)
    return warnings


def call(call_id: str = "c1", arguments: str = '{"a":1}') -> Json:
    function = {"name": "go", "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def texts(*values: str) -> list[Json]:
    return [{"type": "text", "text": value} for value in values]


def test_keys_that_groq_does_not_know_are_left_out() -> None:
    more = {"refusal": None, "audio": None, "annotations": [], "reasoning_content": "Hm.", "x": 1}
    function = {"name": "go", "arguments": "{}", "z": 1}
    its_call = {**call(), "function": function, "extra_content": {"google": {}}, "index": 0}
    native = sent(
        {"role": "system", "content": "S", "cache_control": {}},
        {"role": "user", "content": "U", "timestamp": 1},
        {"role": "assistant", "content": "A", "tool_calls": [its_call], **more},
        {"role": "tool", "tool_call_id": "c1", "name": "go", "content": "T", "is_error": False},
    )
    assert native == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "U"},
        {"role": "assistant", "content": "A", "tool_calls": [call(arguments="{}")]},
        {"role": "tool", "tool_call_id": "c1", "content": "T"},
    ]


def test_lists_of_text_become_text() -> None:
    parts = [{"type": "text", "text": "one", "prompt_cache_breakpoint": True}, *texts("two")]
    native = sent(
        {"role": "system", "content": parts},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": parts, "tool_calls": [call()]},
        {"role": "tool", "tool_call_id": "c1", "content": parts},
    )
    assert [message["content"] for message in native] == ["one\ntwo"] * 4


def test_nulls_are_left_out() -> None:
    nothing = {"content": None, "refusal": None, "function_call": None}
    native = sent(
        {"role": "assistant", **nothing, "tool_calls": [call(arguments="")]},
        {"role": "tool", "tool_call_id": "c1", "content": None},
    )
    assert native == [
        {"role": "assistant", "tool_calls": [call(arguments="{}")]},
        {"role": "tool", "tool_call_id": "c1", "content": ""},
    ]


@pytest.mark.parametrize(
    "empty", [{"content": None}, {"content": ""}, {"content": [], "tool_calls": []}]
)
def test_an_assistant_that_said_nothing_is_left_out(empty: Json) -> None:
    assert sent({"role": "assistant", **empty}, {"role": "user", "content": "?"}) == [
        {"role": "user", "content": "?"}
    ]


@pytest.mark.parametrize(
    "refused", [{"refusal": "No."}, {"content": [{"type": "refusal", "refusal": "No."}]}]
)
def test_a_refusal_goes_back_as_text(refused: Json) -> None:
    assert sent({"role": "assistant", **refused}) == [{"role": "assistant", "content": "No."}]


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_thoughts_go_back_to_models_that_think(name: str) -> None:
    message = {"role": "assistant", "content": "A", name: "Hm."}
    assert sent(message, model=OSS) == [{"role": "assistant", "content": "A", "reasoning": "Hm."}]
    assert sent(message, model=LLAMA) == [{"role": "assistant", "content": "A"}]


def test_one_name_is_dropped_and_several_are_told_apart() -> None:
    ann: Json = {"role": "user", "content": "Hi", "name": "ann"}
    bob: Json = {"role": "user", "content": texts("Ho"), "name": "bob"}
    assert sent(ann) == [{"role": "user", "content": "Hi"}]
    assert words(ann) == ["dropped=messages.name"]
    assert sent(ann, bob) == [
        {"role": "user", "content": "ann: Hi"},
        {"role": "user", "content": "bob:\nHo"},
    ]
    assert set(words(ann, bob)) == {"changed=messages.name"}


def test_a_call_without_a_result_gets_one() -> None:
    native = sent(
        {"role": "assistant", "tool_calls": [call("c1"), call("c2")]},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
        {"role": "user", "content": "Go on."},
        {"role": "assistant", "tool_calls": [call("c3")]},
    )
    assert [message.get("tool_call_id") or message["role"] for message in native] == [
        "assistant",
        "c1",
        "c2",
        "user",
        "assistant",
        "c3",
    ]
    assert native[1]["content"] == native[5]["content"] == MISSING_RESULT


def test_a_signature_on_an_id_is_cut_off_on_both_sides() -> None:
    native = sent(
        {"role": "assistant", "tool_calls": [call("c1__sig__abc")]},
        {"role": "tool", "tool_call_id": "c1__sig__abc", "content": "ok"},
    )
    assert native[0]["tool_calls"][0]["id"] == native[1]["tool_call_id"] == "c1"


@pytest.mark.parametrize(
    ("image", "native"),
    [
        ({"url": PIXEL}, {"url": PIXEL}),
        ({"url": "https://x.example/a.png"}, {"url": "https://x.example/a.png"}),
        ({"url": PIXEL, "detail": "low", "x": 1}, {"url": PIXEL, "detail": "low"}),
        ({"url": PIXEL, "detail": "original"}, {"url": PIXEL, "detail": "high"}),
        ({"url": PIXEL, "detail": None}, {"url": PIXEL}),
        ({"url": PIXEL, "detail": ["?"]}, {"url": PIXEL}),
        (
            {"url": "DATA:image/PNG;charset=x;BASE64,-_\r\n A"},
            {"url": "data:image/png;base64,+/A="},
        ),
    ],
)
def test_an_image_goes_as_it_is(image: Json, native: Json) -> None:
    content = [*texts("What?"), {"type": "image_url", "image_url": image}]
    [message] = sent({"role": "user", "content": content}, model=SCOUT)
    assert message["content"][1] == {"type": "image_url", "image_url": native}


@pytest.mark.parametrize(
    "data",
    [
        "data:text/plain;base64," + base64.b64encode("naïve\n".encode()).decode(),
        "data:application/json,na%C3%AFve%0A",
    ],
)
def test_a_text_file_becomes_text(data: str) -> None:
    part = {"type": "file", "file": {"filename": "a.txt", "file_data": data}}
    [message] = sent({"role": "user", "content": [part]})
    assert message["content"] == "a.txt:\nnaïve\n"


UNSUPPORTED = {
    "audio": {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
    "image": {"type": "image_url", "image_url": {"url": PIXEL}},
    "pdf": {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}},
    "file id": {"type": "file", "file": {"file_id": "file-1"}},
    "bad base64": {"type": "file", "file": {"file_data": "data:text/plain;base64,%%"}},
    "bad utf-8": {"type": "file", "file": {"file_data": "data:text/plain;base64,/w=="}},
    "new": {"type": "hologram"},
}


@pytest.mark.parametrize("part", UNSUPPORTED.values(), ids=UNSUPPORTED.keys())
def test_a_part_that_a_text_model_cannot_take_is_named(part: Json) -> None:
    messages = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": [*texts("?"), part]},
    ]
    with pytest.raises(AdapterError) as caught:
        sent(*messages)
    error = caught.value
    assert (error.kind, error.param) == (ErrorKind.UNSUPPORTED, "messages[1].content[1]")


KEYS = {
    "system": {"role", "content"},
    "user": {"role", "content"},
    "assistant": {"role", "content", "tool_calls", "reasoning"},
    "tool": {"role", "content", "tool_call_id"},
}


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "role": st.sampled_from(["system", "user", "assistant"]),
                "content": st.text() | st.just(texts("x")),
            },
            optional={
                "name": st.text(),
                "refusal": st.none() | st.text(),
                "thought_signature": st.text(),
            },
        )
    )
)
def test_no_other_key_ever_leaves(messages: list[Json]) -> None:
    for message in to_messages(messages, OSS, [], TAKEN):
        assert message.keys() <= KEYS[message["role"]]
