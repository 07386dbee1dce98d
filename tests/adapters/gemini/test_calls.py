"""Gemini's function calls: their number, names, ids, arguments and signatures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.base import AdapterError, ErrorKind, Event, Json, ToolCall, Warn
from adapters.gemini.messages import SKIP_SIGNATURE
from adapters.memory import LruMemory
from tests.adapters.gemini.kit import GeminiKit, adapter, called, chunk, stream_of
from tests.adapters.kit import FakeUpstream, Reply, a_request, ask, collect, fold, json_reply

pytestmark = pytest.mark.anyio

KIT = GeminiKit()
WITH_TEXT = [{"text": "Hm"}]


def tool(name: str, **properties: Json) -> Json:
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


async def events_of(*chunks: Json, **fields: Any) -> list[Event]:
    return await ask(KIT, stream_of(*chunks), a_request(KIT, stream=True, **fields))


def only(events: list[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def test_calls_to_one_tool_over_three_events_stay_three() -> None:
    chunks = [chunk([called("f", {"n": n})]) for n in range(3)]
    folded = fold(await events_of(*chunks, chunk([{"text": ""}], finish="STOP")))
    assert folded.calls == [("f", {"n": 0}), ("f", {"n": 1}), ("f", {"n": 2})]
    assert folded.finish == ["tool_calls"]


@pytest.mark.parametrize(
    "parts",
    [
        [called("f"), called("f", {"a": 1})],
        [called("f", {}, id="x"), called("f", {"a": 1}, id="x")],
        [called("f", {"a": 1}, id="x"), called("f", {}, id="x")],
        [called("f", {}, id="x"), called("f", {"a": 1}, id="x"), called("f", {}, id="x")],
        [called("f"), {"functionCall": {"args": {"a": 1}}}],
    ],
)
async def test_arguments_that_come_later_are_not_lost(parts: list[Json]) -> None:
    chunks = [chunk([part]) for part in parts]
    folded = fold(await events_of(*chunks, chunk([], finish="STOP")))
    assert folded.calls == [("f", {"a": 1})]


async def test_two_calls_without_arguments_stay_two() -> None:
    chunks = [chunk([called("f", {})]), chunk([called("f", {})], finish="STOP")]
    assert fold(await events_of(*chunks)).calls == [("f", {}), ("f", {})]


async def test_only_the_first_call_is_kept_where_parallel_ones_are_unwanted() -> None:
    answer = chunk([called("f", {"a": 1}), called("g", {}), called("f", {"a": 2})], finish="STOP")
    assert fold(await events_of(answer, parallel_tool_calls=False)).calls == [("f", {"a": 1})]


async def test_names_and_enums_come_back_as_the_client_knows_them() -> None:
    request = a_request(KIT, tools=[tool("set level!", level={"type": "integer", "enum": [1, 2]})])
    native = adapter(FakeUpstream(Reply(())).upstream).to_native(request)
    [declared] = native.body["tools"][0]["functionDeclarations"]
    answer = chunk([called(declared["name"], {"level": "2"})], finish="STOP")
    events = await ask(KIT, json_reply(answer), request)
    assert fold(events).calls == [("set level!", {"level": 2})]


async def test_a_signed_call_has_an_id_under_which_it_is_remembered() -> None:
    memory = LruMemory()
    answer = chunk([{**called("f", {}), "thoughtSignature": "s1"}, called("g", {})], finish="STOP")
    own = adapter(FakeUpstream(stream_of(answer)).upstream, memory)
    first, second = [
        call
        for call in only(await collect(own, a_request(KIT, stream=True)), ToolCall)
        if call.name
    ]
    assert first.extra == {"extra_content": {"google": {"thought_signature": "s1"}}}
    assert first.id.startswith("call_")
    assert len(first.id) == 29
    assert memory.get(first.id) == "s1"
    assert (second.id, second.extra) == (None, None)


async def test_gemini_is_told_its_own_id_again() -> None:
    answer = chunk([{**called("f", {}, id="g7"), "thoughtSignature": "s1"}], finish="STOP")
    own = adapter(FakeUpstream(stream_of(answer)).upstream)
    [call, *_] = only(await collect(own, a_request(KIT, stream=True)), ToolCall)
    assert call.id == "g7"
    history = [
        {"role": "user", "content": "?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "g7", "type": "function", "function": {"name": "f"}}],
        },
        {"role": "tool", "tool_call_id": "g7", "content": "ok"},
    ]
    contents = own.to_native(a_request(KIT, messages=history)).body["contents"]
    assert contents[1]["parts"][0] == {
        "functionCall": {"name": "f", "args": {}, "id": "g7"},
        "thoughtSignature": "s1",
    }
    assert contents[2]["parts"][0]["functionResponse"]["id"] == "g7"


async def test_a_signature_is_found_by_what_a_call_says_where_its_id_is_lost() -> None:
    answer = chunk([{**called("f", {"b": 1, "a": 2}), "thoughtSignature": "s1"}], finish="STOP")
    own = adapter(FakeUpstream(stream_of(answer)).upstream)
    asked = {"role": "user", "content": [{"type": "text", "text": "How?"}]}
    await collect(own, a_request(KIT, stream=True, messages=[asked]))

    def signature(question: str, arguments: str) -> str | None:
        function = {"name": "f", "arguments": arguments}
        history = [
            {"role": "user", "content": question},
            {"role": "assistant", "tool_calls": [{"id": "made-up", "function": function}]},
            {"role": "tool", "tool_call_id": "made-up", "content": "ok"},
        ]
        body = own.to_native(a_request(KIT, messages=history)).body
        found: str | None = body["contents"][1]["parts"][0].get("thoughtSignature")
        return found

    assert signature("How?", '{"a": 2, "b": 1}') == "s1"
    assert signature("How?", '{"a": 3, "b": 1}') is None
    assert signature("Why?", '{"a": 2, "b": 1}') is None


HISTORY = [
    {"role": "user", "content": "?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": "ok"},
]


async def test_a_missing_signature_is_skipped_and_the_call_sent_once_more() -> None:
    refused = stream_of(chunk([], finish="MISSING_THOUGHT_SIGNATURE"))
    fake = FakeUpstream(refused, stream_of(chunk(WITH_TEXT, finish="STOP")))
    request = a_request(KIT, stream=True, messages=HISTORY)
    events = await collect(adapter(fake.upstream), request)
    assert only(events, Warn) == [Warn("emulated=thought_signature")]
    assert fold(events).text == "Hm"
    first, second = (json.loads(sent.content) for sent in fake.requests)
    assert "thoughtSignature" not in first["contents"][1]["parts"][0]
    assert second["contents"][1]["parts"][0]["thoughtSignature"] == SKIP_SIGNATURE


@pytest.mark.parametrize("messages", [HISTORY, HISTORY[:1]])
async def test_a_signature_that_is_still_missing_is_an_error(messages: list[Json]) -> None:
    fake = FakeUpstream(stream_of(chunk([], finish="MISSING_THOUGHT_SIGNATURE")))
    with pytest.raises(AdapterError) as caught:
        await collect(adapter(fake.upstream), a_request(KIT, messages=messages))
    assert caught.value.kind is ErrorKind.BAD_REQUEST
    assert len(fake.requests) == min(2, len(messages))
