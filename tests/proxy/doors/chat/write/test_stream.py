"""Events in, OpenAI's chunks out."""

from __future__ import annotations

import pytest
from openai.types.chat import ChatCompletionChunk

from adapters.base import (
    Event,
    Finish,
    RateLimits,
    Reasoning,
    Refusal,
    Start,
    Text,
    ToolCall,
    Usage,
    Warn,
)
from proxy.doors.chat import ChatDoor
from proxy.doors.chat.write import ChunkStream
from proxy.doors.door import Call, Opening
from proxy.doors.openai import EXTENSION
from tests.proxy.doors.chat.write.kit import (
    AWKWARD,
    chunks_of,
    deltas_of,
    head,
    message_of,
    object_of,
    payloads,
)


def test_a_stream_of_text_chunk_by_chunk() -> None:
    found = chunks_of([Text("Hel"), Text("lo"), Finish("stop"), Usage(3, 2)])

    same = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "zoo",
        "system_fingerprint": None,
    }
    quiet = {"index": 0, "logprobs": None, "finish_reason": None}
    assert found == [
        same | {"choices": [quiet | {"delta": {"role": "assistant", "content": ""}}]},
        same | {"choices": [quiet | {"delta": {"content": "Hel"}}]},
        same | {"choices": [quiet | {"delta": {"content": "lo"}}]},
        same | {"choices": [quiet | {"delta": {}, "finish_reason": "stop"}]},
    ]


def test_usage_comes_last_and_alone_where_it_is_asked_for() -> None:
    *others, last = chunks_of([Text("a"), Usage(3, 2), Text("b"), Finish("stop")], usage=True)

    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert all(chunk["usage"] is None for chunk in others)
    assert {chunk["id"] for chunk in [*others, last]} == {"chatcmpl-1"}


def test_usage_is_nowhere_where_it_is_not_asked_for() -> None:
    assert not any("usage" in chunk for chunk in chunks_of([Text("a"), Finish("stop"), Usage(1)]))


def test_the_last_chunk_bears_id_and_counts_where_the_base_path_has_a_field_for_them() -> None:
    body = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
    said: list[Event] = [Text("a"), Finish("stop"), Text("b", 1), Finish("stop", 1), Usage(3, 2)]
    for path, known in (("/openai/v1/chat/completions", True), ("/v1/chat/completions", False)):
        door = ChatDoor()
        stream = door.stream(door.read(Call(body, path=path)), Opening("req_1", 0.0))
        found = payloads(stream.feed(said) + stream.end())

        assert [ChatCompletionChunk.model_validate(chunk).choices[0].index for chunk in found]
        ends = [chunk for chunk in found if chunk["choices"][0]["finish_reason"]]
        assert len(ends) == 2
        assert [chunk for chunk in found if EXTENSION in chunk] == ends[1:] * known
        if known:
            counts = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
            assert ends[1][EXTENSION] == {"id": "req_1", "usage": counts}


def test_an_answer_without_content_still_tells_its_role_and_end() -> None:
    assert deltas_of([Start(), Finish("stop")]) == [{"role": "assistant", "content": ""}, {}]


def test_nothing_is_sent_for_what_is_no_content() -> None:
    stream = ChunkStream(head(), include_usage=True, legacy_functions=False)

    assert stream.feed([Start(id="x"), RateLimits(), Warn("w"), Usage(1, 1)]) == b""


def test_what_the_provider_says_of_itself_is_in_every_chunk() -> None:
    start = Start(
        id="chatcmpl-up",
        model="m-2",
        created=7,
        system_fingerprint="fp",
        service_tier="default",
        request_id="not for the body",
    )
    found = chunks_of([start, Text("a"), Text("b"), Finish("stop"), Usage(1)], usage=True)

    names = ("id", "model", "created", "system_fingerprint", "service_tier")
    assert len(found) == 5
    assert {tuple(chunk[name] for name in names) for chunk in found} == {
        ("chatcmpl-up", "m-2", 7, "fp", "default")
    }


def test_a_late_start_changes_no_id() -> None:
    found = chunks_of([Text("a"), Start(id="late", model="late"), Text("b"), Finish("stop")])

    assert {(chunk["id"], chunk["model"]) for chunk in found} == {("chatcmpl-1", "zoo")}


def test_calls_are_numbered_over_the_whole_stream_of_each_choice() -> None:
    found = deltas_of(
        [
            ToolCall("x", "f", '{"a"', id="call_x"),
            Text("between"),
            ToolCall(7, "g", "{}", id="call_7"),
            ToolCall("x", arguments=":1}"),
            ToolCall("x", "f", "{}", id="call_other", index=1),
            Finish("tool_calls"),
        ]
    )

    calls = [call for delta in found for call in delta.get("tool_calls", ())]
    assert calls == [
        {
            "index": 0,
            "id": "call_x",
            "type": "function",
            "function": {"name": "f", "arguments": '{"a"'},
        },
        {
            "index": 1,
            "id": "call_7",
            "type": "function",
            "function": {"name": "g", "arguments": "{}"},
        },
        {"index": 0, "function": {"arguments": ":1}"}},
        {
            "index": 0,
            "id": "call_other",
            "type": "function",
            "function": {"name": "f", "arguments": "{}"},
        },
    ]


def test_a_call_without_an_id_gets_one_of_its_own() -> None:
    events: list[Event] = [ToolCall(0, "f", "{}"), ToolCall(1, "f", "{}")]

    streamed = [call["id"] for delta in deltas_of(events) for call in delta.get("tool_calls", ())]
    folded = [call["id"] for call in message_of(events)["tool_calls"]]
    for ids in (streamed, folded):
        assert len(set(ids)) == 2
        assert all(call_id.startswith("call_") and len(call_id) <= 40 for call_id in ids)


def test_what_rides_on_a_call_stands_beside_its_function() -> None:
    extra = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    events: list[Event] = [ToolCall(0, "f", "{}", id="c", extra=extra), Finish("tool_calls")]

    assert deltas_of(events)[1]["tool_calls"][0]["extra_content"] == extra["extra_content"]
    assert message_of(events)["tool_calls"][0]["extra_content"] == extra["extra_content"]


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter"])
def test_a_choice_finishes_once(reason: str) -> None:
    events: list[Event] = [Text("a"), Finish(reason), Finish("stop"), Finish(reason)]

    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks_of(events)]
    assert reasons == [None, None, reason]
    assert object_of(events)["choices"][0]["finish_reason"] == reason


def test_choices_open_in_their_order_whoever_speaks_first() -> None:
    found = chunks_of([Text("late", 2), Text("a", 0), Finish("stop", 1)])

    opened = [
        choice["index"]
        for chunk in found
        for choice in chunk["choices"]
        if choice["delta"].get("role")
    ]
    assert opened == [0, 1, 2]


def test_the_older_functions_get_their_own_words() -> None:
    events: list[Event] = [
        ToolCall("x", "f", '{"a"', id="call_x"),
        ToolCall("y", "g", "{}", id="call_y"),
        ToolCall("x", arguments=":1}"),
        Finish("tool_calls"),
    ]
    chunks = chunks_of(events, legacy=True)

    assert [chunk["choices"][0]["delta"] for chunk in chunks[1:]] == [
        {"function_call": {"name": "f", "arguments": '{"a"'}},
        {"function_call": {"arguments": ":1}"}},
        {},
    ]
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"
    folded = object_of(events, legacy=True)["choices"][0]
    assert folded["message"]["function_call"] == {"name": "f", "arguments": '{"a":1}'}
    assert "tool_calls" not in folded["message"]
    assert folded["finish_reason"] == "function_call"


def test_older_functions_that_are_not_called_finish_as_ever() -> None:
    assert object_of([Finish("stop")], legacy=True)["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("event_class", [Text, Reasoning, Refusal])
def test_text_is_exact(event_class: type[Text | Reasoning | Refusal]) -> None:
    name = {Text: "content", Reasoning: "reasoning_content", Refusal: "refusal"}[event_class]
    events: list[Event] = [event_class(AWKWARD), event_class(AWKWARD), Finish("stop")]

    assert "".join(delta.get(name) or "" for delta in deltas_of(events)) == AWKWARD * 2
    assert message_of(events)[name] == AWKWARD * 2
