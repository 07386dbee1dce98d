"""Structured output where Groq takes it only in part."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import ChatRequest, Json, NativeCall, ResponseFormat
from adapters.groq.adapter import GroqSettings
from adapters.groq.request import to_native

LLAMA = "llama-3.3-70b-versatile"
OSS = "openai/gpt-oss-120b"
ASK: list[Json] = [{"role": "user", "content": "Which way?"}]
TOOL: Json = {"type": "function", "function": {"name": "steer", "parameters": {"type": "object"}}}
SCHEMA: Json = {"type": "object", "properties": {"way": {"enum": ["left", "right"]}}}
AS_SCHEMA = ResponseFormat(schema=SCHEMA, name="way", strict=True)


def native(**fields: Any) -> NativeCall:
    values = {"model": LLAMA, "messages": ASK} | fields
    return to_native(ChatRequest(**values), GroqSettings())


def test_a_schema_becomes_an_instruction_where_the_model_takes_none() -> None:
    messages = [{"role": "system", "content": "Be brief."}, *ASK]
    call = native(messages=messages, response_format=AS_SCHEMA, stream=True)
    first, second, third = call.body["messages"]
    assert (first, third) == tuple(messages)
    assert second["role"] == "system"
    assert '"enum":["left","right"]' in second["content"]
    assert call.body["response_format"] == {"type": "json_object"}
    assert call.stream
    assert call.warnings == ("emulated=response_format",)


def test_json_mode_has_a_message_that_asks_for_json() -> None:
    call = native(response_format=ResponseFormat())
    assert "JSON" in call.body["messages"][0]["content"]
    assert call.warnings == ("changed=messages",)


def test_json_in_a_part_of_a_message_is_enough() -> None:
    parts = [{"type": "text", "text": "as json"}]
    call = native(messages=[{"role": "user", "content": parts}], response_format=ResponseFormat())
    assert len(call.body["messages"]) == 1


@pytest.mark.parametrize("model", [OSS, LLAMA])
def test_a_format_beside_tools_becomes_an_instruction(model: str) -> None:
    call = native(model=model, tools=[TOOL], response_format=AS_SCHEMA, stream=True)
    assert "response_format" not in call.body
    [tool] = call.body["tools"]
    assert tool["function"]["parameters"] == {"type": "object", "properties": {}}
    assert "JSON Schema" in call.body["messages"][0]["content"]
    assert call.warnings == ("emulated=response_format",)
    assert call.stream


def test_tools_that_may_not_be_called_make_way_for_the_format() -> None:
    call = native(model=OSS, tools=[TOOL], tool_choice="none", response_format=AS_SCHEMA)
    assert call.body["response_format"]["type"] == "json_schema"
    assert call.body.keys().isdisjoint({"tools", "tool_choice"})
