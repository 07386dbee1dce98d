"""Answers of Gemini and Ollama as people have seen them."""

from __future__ import annotations

import json

import pytest

from adapters.base import ChatRequest, Json, ToolCall
from adapters.gemini.answer import GeminiAnswer
from tests.adapters.gemini.kit import GeminiKit
from tests.adapters.kit import Answer, DictMemory, FakeUpstream, Reply, collect, fold
from tests.adapters.ollama.kit import (
    a_chat,
    ollama_end,
    ollama_line,
    ollama_message,
    ollama_over,
    stream_of,
)
from tests.adapters.openai.kit import ASK

pytestmark = pytest.mark.anyio

TOOL: Json = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


async def test_geminis_calls_are_told_apart_where_they_share_an_id() -> None:
    sea, hill = ({"id": "look", "name": "look", "args": {"at": at}} for at in ("sea", "hill"))
    answer = GeminiAnswer({}, DictMemory())
    parts = [{"functionCall": call} for call in (sea, sea, hill, {**hill, "args": {}})]
    whole = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    events = answer.whole(json.dumps({**whole, "promptFeedback": None, "error": None}).encode())
    calls = fold(events).calls
    assert calls == [("look", {"at": "sea"}), ("look", {"at": "hill"})]
    assert [one.id for one in events if type(one) is ToolCall] == ["look", None]


async def test_geminis_stream_is_read_however_it_is_framed() -> None:
    part = {"content": {"parts": [{"text": "a"}]}}
    answers = [{"candidates": [part]}, {"candidates": [{**part, "finishReason": "STOP"}]}]
    lines = [f"data: {json.dumps(each)}" for each in answers]
    for end, content_type in (("\n", "text/event-stream"), ("\r\n\r\n", "application/json")):
        body = "".join(line + end for line in lines).encode()
        wire = FakeUpstream(Reply((body,), content_type=content_type))
        asked = ChatRequest("gemini-2.5-flash", ASK, stream=True)
        found = fold(await collect(GeminiKit().adapter(wire.upstream), asked))
        assert (found.text, found.finish) == ("aa", ["stop"]), content_type


async def test_ollamas_calls_are_told_apart_where_they_share_an_id() -> None:
    call = {"id": "1", "function": {"name": "functions.look", "arguments": {"at": "sea"}}}
    line = ollama_line(ollama_message(tool_calls=[call]))
    end = ollama_line(ollama_message()) | ollama_end(Answer())
    fake = FakeUpstream(stream_of(line, line, end))
    events = await collect(ollama_over(fake), a_chat(stream=True, tools=[TOOL]))

    assert fold(events).calls == [("look", {"at": "sea"})] * 2
    assert [one.id for one in events if type(one) is ToolCall] == ["1", None]
