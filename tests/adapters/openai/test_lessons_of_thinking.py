"""What refusals teach of how a model thinks: efforts, and thoughts that go back or stay away."""

from __future__ import annotations

import json

import httpx
import pytest

from adapters.base import ChatRequest, Json, Thinking
from tests.adapters.kit import FakeUpstream, collect, json_reply
from tests.adapters.openai.kit import ASK, CALL, TOOLS, TURNS, adapter, far, good, words_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("wanted", "told", "sent"),
    [
        ("medium", "reasoning_effort must be one of ['low', 'high', 'max']", "high"),
        ("low", "Input should be 'none' or 'high': body.reasoning_effort", "high"),
        ("minimal", "reasoning_effort: Input should be 'none' or 'high'", "none"),
        (
            "none",
            "Unsupported value: 'reasoning_effort' does not support 'none' with this model. "
            "Supported values are: 'minimal', 'low', 'medium', and 'high'.",
            "minimal",
        ),
        ("max", 'reasoning_effort "max" not supported, valid levels: low, high, xhigh', "xhigh"),
        ("high", "Model g does not support parameter reasoningEffort.", None),
        ("high", "reasoning_effort is not supported by this model", None),
        ("high", "`reasoning_effort` must be one of `none` or `default`", None),
        ("max", "reasoning_effort must be one of: low, medium (default medium)", "medium"),
    ],
)
@pytest.mark.parametrize("status", [400, 422])
async def test_an_effort_that_a_model_does_not_know_becomes_the_nearest_that_it_does(
    wanted: str, told: str, sent: str | None, status: int
) -> None:
    refused = json_reply({"object": "error", "message": told, "code": "3051"}, status)
    wire = FakeUpstream(refused, good())
    one = adapter(wire.upstream, "mistral")
    request = ChatRequest("m", ASK, thinking=Thinking(effort=wanted))
    words = await words_of(one, request)
    await collect(one, request)

    assert wire.sent.get("reasoning_effort") == sent and len(wire.requests) == 3
    assert words == {"changed=reasoning_effort" if sent else "dropped=reasoning_effort"}


async def test_thoughts_that_are_not_taken_back_stay_away() -> None:
    path = "messages.1.assistant.reasoning_content"
    error = {"message": f"{path}: property '{path}' is unsupported", "param": "validation_error"}
    wire = FakeUpstream(json_reply(error, 400), good())
    one = adapter(wire.upstream, "fireworks")
    await collect(one, ChatRequest("m", TURNS))
    await collect(one, ChatRequest("m", TURNS))

    assert wire.sent["messages"][1] == {"role": "assistant", "tool_calls": [CALL]}
    assert len(wire.requests) == 3


async def test_thoughts_that_must_go_back_are_filled_in_where_another_has_answered() -> None:
    bare = [{key: each[key] for key in each if key != "reasoning_content"} for each in TURNS]
    for told in (
        "The `reasoning_content` in the thinking mode must be passed back to the API.",
        "Missing `reasoning_content` field in the assistant message at message index 1.",
        "thinking is enabled but reasoning_content is missing in assistant tool call message at 1",
    ):
        for name in ("deepseek", "far"):
            wire = FakeUpstream(json_reply({"error": {"message": told}}, 400), good())
            one = adapter(wire.upstream, name, base_url="https://far.example/v1")
            for turns in (bare, bare, TURNS):
                await collect(one, ChatRequest("m", turns))

            bodies = [json_of(request) for request in wire.requests[1:]]
            sent = [body["messages"][1]["reasoning_content"] for body in bodies]
            assert (sent, len(wire.requests)) == ([" ", " ", "hm"], 4), (told, name)


async def test_a_model_that_calls_tools_without_thinking_alone_does_not_think_there() -> None:
    told = "Function tools with reasoning_effort are not supported for g in /v1/chat/completions."
    for wanted in ("high", None):
        wire = FakeUpstream(json_reply({"error": {"message": told}}, 400), good())
        one = far(wire)
        asked = ChatRequest("m", ASK, tools=TOOLS, thinking=Thinking(effort=wanted))
        for _ in range(2):
            assert await words_of(one, asked) == {"changed=reasoning_effort"}
        assert (wire.sent["reasoning_effort"], len(wire.requests)) == ("none", 3)
        await collect(one, ChatRequest("m", ASK, thinking=Thinking(effort="high")))
        assert wire.sent["reasoning_effort"] == "high"


async def test_a_model_that_must_think_does() -> None:
    told = "Reasoning is mandatory for this endpoint and cannot be disabled."
    for name in ("openrouter", "far"):
        wire = FakeUpstream(json_reply({"error": {"message": told}}, 400), good())
        one = adapter(wire.upstream, name, base_url="https://far.example/v1")
        for _ in range(2):
            await collect(one, ChatRequest("m", ASK, thinking=Thinking(effort="none")))
        assert len(wire.requests) == 3 and not {"reasoning", "reasoning_effort"} & {*wire.sent}


def json_of(request: httpx.Request) -> Json:
    body: Json = json.loads(request.content)
    return body
