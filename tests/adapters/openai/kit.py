"""How answers of servers that speak as OpenAI does look on the wire (`kit.Kit`)."""

from __future__ import annotations

import json
from typing import Any

from adapters.base import ChatRequest, Json, NativeCall, Warn
from adapters.openai.adapter import OpenAIAdapter
from adapters.openai.settings import OpenAISettings
from adapters.upstream import Upstream
from tests.adapters.kit import (
    API_KEY,
    Answer,
    DictMemory,
    FakeUpstream,
    Reply,
    collect,
    json_reply,
)

ASK: list[Json] = [{"role": "user", "content": "Which way?"}]
HEAD: Json = {"id": "chatcmpl-11", "created": 1_760_000_000, "model": "toy-1"}
CALL: Json = {"id": "call_1", "type": "function", "function": {"name": "t", "arguments": "{}"}}
TOOLS: tuple[Json, ...] = ({"type": "function", "function": {"name": "t", "parameters": {}}},)
TURNS: list[Json] = [
    *ASK,
    {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "left"},
]


def settings(name: str = "openrouter", **given: Any) -> OpenAISettings:
    return OpenAISettings.model_validate({"name": name, "api_key": API_KEY, **given})


def adapter(
    upstream: Upstream | None = None, name: str = "openrouter", **given: Any
) -> OpenAIAdapter:
    return OpenAIAdapter(settings(name, **given), upstream, DictMemory())  # type: ignore[arg-type]


def native(name: str, **fields: Any) -> NativeCall:
    """What a request becomes at the provider of a preset."""
    return adapter(None, name).to_native(ChatRequest(**{"model": "m", "messages": ASK} | fields))


def added(name: str, **fields: Any) -> tuple[Json, tuple[str, ...]]:
    """What a request adds to the plainest body, and the warnings."""
    call = native(name, **fields)
    body = {**call.body}
    assert body.pop("model") == "m"
    if body["messages"] == ASK:
        del body["messages"]
    return body, call.warnings


def far(wire: FakeUpstream) -> OpenAIAdapter:
    """A server of which nothing is known."""
    return adapter(wire.upstream, "far", base_url="https://far.example/v1")


def good() -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    return json_reply({**HEAD, "choices": [choice]})


async def words_of(one: OpenAIAdapter, request: ChatRequest) -> set[str]:
    """The warnings of its answer."""
    return {event.word for event in await collect(one, request) if type(event) is Warn}


class OpenAIKit:
    name = "openai"
    model = "toy-1"
    stream_type = "text/event-stream"
    counts_cached = True
    counts_reasoning = True

    def adapter(self, upstream: Upstream) -> OpenAIAdapter:
        return adapter(upstream)

    def whole(self, answer: Answer) -> Json:
        message: Json = {"role": "assistant", "content": "".join(answer.texts) or None}
        if answer.reasoning:
            message["reasoning_content"] = "".join(answer.reasoning)
        if answer.calls:
            message["tool_calls"] = _calls(answer)
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}
        usage = _usage(answer)
        return {**HEAD, "object": "chat.completion", "choices": [choice], "usage": usage}

    def stream(self, answer: Answer) -> list[Json]:
        deltas: list[Json] = [{"reasoning_content": text} for text in answer.reasoning]
        deltas += [{"content": text} for text in answer.texts]
        calls = enumerate(_calls(answer))
        deltas += [{"tool_calls": [{"index": at, **call}]} for at, call in calls]
        first = _chunk({"role": "assistant", "content": "", "refusal": None})
        tail = {**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": _usage(answer)}
        return [first, *map(_chunk, deltas), _chunk({}, answer.finish), tail]

    def frame(self, objects: list[Json]) -> bytes:
        lines = [f"data: {json.dumps(each, ensure_ascii=False)}\n\n" for each in objects]
        return "".join([": PROCESSING\n\n", *lines, "data: [DONE]\n\n"]).encode()

    def refusal(self, status: int, message: str) -> Json:
        return {"error": {"message": message, "code": status}}


def _chunk(delta: Json, finish: str | None = None) -> Json:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**HEAD, "object": "chat.completion.chunk", "choices": [choice], "usage": None}


def _calls(answer: Answer) -> list[Json]:
    return [
        {
            "id": f"call_{at}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)},
        }
        for at, (name, arguments) in enumerate(answer.calls)
    ]


def _usage(answer: Answer) -> Json:
    usage: Json = {
        "prompt_tokens": answer.prompt,
        "completion_tokens": answer.completion,
        "total_tokens": answer.prompt + answer.completion,
    }
    if answer.cached is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": answer.cached}
    if answer.reasoning_tokens is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": answer.reasoning_tokens}
    return usage
