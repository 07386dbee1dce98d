"""How Groq's answers look on the wire (`kit.Kit`), and what a request becomes."""

from __future__ import annotations

import json
from typing import Any

from pydantic import SecretStr

from adapters.base import ChatRequest, Json, NativeCall
from adapters.groq.adapter import GroqAdapter, GroqSettings
from adapters.groq.request import to_native
from adapters.upstream import Upstream
from tests.adapters.kit import API_KEY, Answer, DictMemory

SETTINGS = GroqSettings()
LLAMA = "llama-3.3-70b-versatile"
OSS = "openai/gpt-oss-120b"
QWEN = "qwen/qwen3-32b"
ASK: list[Json] = [{"role": "user", "content": "Which way?"}]
HEAD: Json = {
    "id": "chatcmpl-11",
    "created": 1_760_000_000,
    "model": "openai/gpt-oss-120b",
    "system_fingerprint": "fp_1",
}


class GroqKit:
    name = "groq"
    model = "openai/gpt-oss-120b"
    stream_type = "text/event-stream"
    counts_cached = True
    counts_reasoning = True

    def adapter(self, upstream: Upstream) -> GroqAdapter:
        return GroqAdapter(GroqSettings(api_key=SecretStr(API_KEY)), upstream, DictMemory())

    def whole(self, answer: Answer) -> Json:
        message: Json = {"role": "assistant"}
        if answer.texts:
            message["content"] = "".join(answer.texts)
        if answer.reasoning:
            message["reasoning"] = "".join(answer.reasoning)
        if answer.calls:
            message["tool_calls"] = _calls(answer)
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": answer.finish,
        }
        return {
            **HEAD,
            "object": "chat.completion",
            "choices": [choice],
            "usage": _usage(answer),
            "usage_breakdown": None,
            "x_groq": {"id": "req_11", "seed": 7},
            "service_tier": "on_demand",
        }

    def stream(self, answer: Answer) -> list[Json]:
        deltas: list[Json] = [
            {"reasoning": text, "channel": "analysis"} for text in answer.reasoning
        ]
        deltas += [{"content": text} for text in answer.texts]
        calls = enumerate(_calls(answer))
        deltas += [{"tool_calls": [{"index": at, **call}]} for at, call in calls]
        usage = _usage(answer)
        first = _chunk({"role": "assistant", "content": ""}) | {"x_groq": {"id": "req_11"}}
        last = _chunk({}, answer.finish) | {"x_groq": {"id": "req_11", "usage": usage}}
        tail = {**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": usage}
        return [first, *map(_chunk, deltas), last, tail]

    def frame(self, objects: list[Json]) -> bytes:
        lines = [f"data: {json.dumps(each, ensure_ascii=False)}\n\n" for each in objects]
        return "".join([*lines, "data: [DONE]\n\n"]).encode()

    def refusal(self, status: int, message: str) -> Json:
        return {"error": {"message": message, "type": "invalid_request_error"}}


def native(**fields: Any) -> NativeCall:
    values = {"model": LLAMA, "messages": ASK} | fields
    return to_native(ChatRequest(**values), SETTINGS)


def added(**fields: Any) -> tuple[Json, tuple[str, ...]]:
    """What a request adds to the plainest body, and the warnings."""
    call = native(**fields)
    body = {**call.body}
    assert body.pop("model") == fields.get("model", LLAMA)
    if body["messages"] == ASK:
        del body["messages"]
    return body, call.warnings


def _chunk(delta: Json, finish: str | None = None) -> Json:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**HEAD, "object": "chat.completion.chunk", "choices": [choice]}


def _calls(answer: Answer) -> list[Json]:
    return [
        {
            "id": f"fc_{at}",
            "type": "function",
            "function": {
                "name": name,
                "arguments": json.dumps(arguments, ensure_ascii=False) if arguments else "null",
            },
        }
        for at, (name, arguments) in enumerate(answer.calls)
    ]


def _usage(answer: Answer) -> Json:
    usage: Json = {
        "queue_time": 0.01,
        "prompt_tokens": answer.prompt,
        "prompt_time": 0.02,
        "completion_tokens": answer.completion,
        "completion_time": 0.03,
        "total_tokens": answer.prompt + answer.completion,
        "total_time": 0.05,
    }
    if answer.cached is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": answer.cached}
    if answer.reasoning_tokens is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": answer.reasoning_tokens}
    return usage
