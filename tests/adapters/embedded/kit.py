"""How the answers of llama.cpp's server look on the wire (`kit.Kit`)."""

from __future__ import annotations

import json

from pydantic import SecretStr

from adapters.base import Json
from adapters.embedded.adapter import DEFAULT_MODEL, EmbeddedAdapter, EmbeddedSettings
from adapters.upstream import Upstream
from tests.adapters.kit import API_KEY, Answer, DictMemory

HEAD: Json = {
    "id": "chatcmpl-k3",
    "created": 1_760_000_000,
    "model": DEFAULT_MODEL,
    "system_fingerprint": "b1-local",
}


class EmbeddedKit:
    """An adapter over a llama.cpp server that runs elsewhere, of which nothing is known."""

    name = "embedded"
    model = DEFAULT_MODEL
    stream_type = "text/event-stream"
    counts_cached = True
    counts_reasoning = False

    def adapter(self, upstream: Upstream) -> EmbeddedAdapter:
        settings = EmbeddedSettings(base_url="http://llama:8080", api_key=SecretStr(API_KEY))
        return EmbeddedAdapter(settings, upstream, DictMemory())

    def whole(self, answer: Answer) -> Json:
        message: Json = {"role": "assistant", "content": "".join(answer.texts)}
        if answer.reasoning:
            message["reasoning_content"] = "".join(answer.reasoning)
        if answer.calls:
            message["tool_calls"] = _calls(answer)
        choice = {"index": 0, "message": message, "finish_reason": answer.finish}
        return {**HEAD, "object": "chat.completion", "choices": [choice], "usage": _usage(answer)}

    def stream(self, answer: Answer) -> list[Json]:
        deltas: list[Json] = [{"role": "assistant", "content": None}]
        deltas += [{"reasoning_content": text} for text in answer.reasoning]
        deltas += [{"content": text} for text in answer.texts]
        for at, call in enumerate(_calls(answer)):
            function = call["function"]
            half = len(function["arguments"]) // 2
            named = {**call, "function": {"name": function["name"], "arguments": ""}}
            pieces = [function["arguments"][:half], function["arguments"][half:]]
            deltas += [{"tool_calls": [{"index": at, **named}]}]
            deltas += [
                {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}
                for piece in pieces
            ]
        chunks = [chunk(delta) for delta in deltas]
        end = {**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": _usage(answer)}
        return [*chunks, chunk({}, answer.finish), end]

    def frame(self, objects: list[Json]) -> bytes:
        lines = [f"data: {json.dumps(each, ensure_ascii=False)}\n\n" for each in objects]
        return "".join([*lines, "data: [DONE]\n\n"]).encode()

    def refusal(self, status: int, message: str) -> Json:
        return {"error": {"code": status, "message": message, "type": "invalid_request_error"}}


def chunk(delta: Json, finish: str | None = None) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**HEAD, "object": "chat.completion.chunk", "choices": [choice]}


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
    return {
        "prompt_tokens": answer.prompt,
        "completion_tokens": answer.completion,
        "total_tokens": answer.prompt + answer.completion,
        "prompt_tokens_details": {"cached_tokens": answer.cached or 0},
    }
