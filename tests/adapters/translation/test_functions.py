"""Functions whose names not every provider takes, and the same names back in the answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from adapters.base import ChatRequest, Event, Finish, Json, Text, ToolCall
from adapters.groq.adapter import GroqSettings
from adapters.groq.request import to_native
from adapters.translation.functions import function_name, with_own_names

pytestmark = pytest.mark.anyio
STRANGE = ("a.b", "a:b", "get weather", "sök", "mcp__" + "x" * 90)


def tool(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def test_names_are_made_fit_without_two_becoming_one() -> None:
    assert function_name("weather-now_2") == "weather-now_2"
    fit = {function_name(name) for name in STRANGE}
    assert len(fit) == len(STRANGE)
    assert all(len(name) <= 64 and name.isascii() for name in fit)


def test_tools_choice_and_history_bear_the_same_fit_name() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "a.b", "arguments": "{}"}}
    request = ChatRequest(
        model="m",
        messages=[{"role": "assistant", "tool_calls": [call]}],
        tools=[tool("a.b")],
        tool_choice="required",
        forced_tool="a.b",
    )
    body = to_native(request, GroqSettings()).body
    made = body["messages"][0]["tool_calls"][0]["function"]["name"]
    assert made == function_name("a.b") == body["tools"][0]["function"]["name"]
    assert body["tool_choice"]["function"]["name"] == made


async def test_calls_come_back_by_the_names_that_the_client_knows() -> None:
    async def answer() -> AsyncGenerator[list[Event], None]:
        yield [Text("So:"), ToolCall(0, function_name("a.b"), "{"), ToolCall(0, "", "}")]
        yield [ToolCall(1, "plain", "{}"), Finish("tool_calls")]

    batches = [batch async for batch in with_own_names(answer(), [tool("a.b"), tool("plain")])]
    named = [event.name for batch in batches for event in batch if isinstance(event, ToolCall)]
    assert named == ["a.b", "", "plain"]


async def test_a_name_loses_what_a_model_wrote_around_it_where_it_is_then_an_offered_one() -> None:
    written = ("plain<|channel|>commentary", "functions.plain", "default_api:plain", " plain\n")

    async def answer() -> AsyncGenerator[list[Event], None]:
        yield [ToolCall(at, name, "{}") for at, name in enumerate(written)]
        yield [ToolCall(9, "functions.other", "{}"), ToolCall(10, "default_api.own", "{}")]

    offered = [tool("plain"), tool("default_api.own")]
    batches = [batch async for batch in with_own_names(answer(), offered)]
    named = [event.name for batch in batches for event in batch if isinstance(event, ToolCall)]
    assert named == ["plain"] * 4 + ["functions.other", "default_api.own"]
