"""Calls of custom tools: the text in a function's arguments, told as a text."""

from __future__ import annotations

import json

from openai.types.chat import ChatCompletion

from adapters.base import Event, Finish, Json, Text, ToolCall
from proxy.doors.chat.write import ChunkStream, Fold
from tests.proxy.doors.chat.write.kit import head, payloads

EVENTS: list[Event] = [
    Text("So:"),
    ToolCall("a", "patch", '{"input": "*** Be', id="c1"),
    ToolCall("b", "measure", "{}", id="c2"),
    ToolCall("a", "", 'gin"}'),
    ToolCall("c", "patch", "no JSON", id="c3"),
    Finish("tool_calls"),
]
FUNCTION: Json = {
    "id": "c2",
    "type": "function",
    "function": {"name": "measure", "arguments": "{}"},
}
CALLS = [
    FUNCTION,
    {"id": "c1", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}},
    {"id": "c3", "type": "custom", "custom": {"name": "patch", "input": "no JSON"}},
]


def test_the_object_tells_the_text() -> None:
    fold = Fold(head(), legacy_functions=False, custom=["patch"])
    fold.feed(EVENTS[:2])
    fold.feed(EVENTS[2:])
    found: Json = json.loads(fold.end())

    assert found["choices"][0]["message"]["tool_calls"] == CALLS
    ChatCompletion.model_validate(found)


def test_a_stream_tells_it_when_it_is_whole() -> None:
    stream = ChunkStream(head(), include_usage=False, legacy_functions=False, custom=["patch"])
    sent = b"".join(stream.feed([event]) for event in EVENTS) + stream.end()

    deltas = [chunk["choices"][0]["delta"] for chunk in payloads(sent)]
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert calls == [{"index": at, **call} for at, call in enumerate(CALLS)]


def test_calls_of_two_choices_are_two_though_their_keys_are_the_same() -> None:
    fold = Fold(head(), legacy_functions=False, custom=["patch"])
    both = [ToolCall(0, "patch", text, id=f"c{at}", index=at) for at, text in enumerate("xy")]
    fold.feed([*both, Finish("tool_calls", 0), Finish("tool_calls", 1)])

    calls = [one["message"]["tool_calls"] for one in json.loads(fold.end())["choices"]]
    assert [[call["custom"]["input"] for call in one] for one in calls] == [["x"], ["y"]]
