"""How Gemini's answers look on the wire, for the tests of its adapter."""

from __future__ import annotations

import json
from typing import Any

import httpx

from adapters.base import ChatRequest, Json, NativeCall
from adapters.gemini.adapter import GeminiAdapter, GeminiSettings
from adapters.memory import LruMemory
from adapters.upstream import Upstream
from tests.adapters.kit import API_KEY, Answer, FakeUpstream, Reply

FINISH = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}


class GeminiKit:
    name = "gemini"
    model = "gemini-2.5-flash"
    stream_type = "text/event-stream"
    counts_cached = True
    counts_reasoning = True

    def adapter(self, upstream: Upstream) -> GeminiAdapter:
        return adapter(upstream)

    def whole(self, answer: Answer) -> Json:
        return chunk(_parts(answer), finish=FINISH[answer.finish], usage=_usage(answer))

    def stream(self, answer: Answer) -> list[Json]:
        *first, last = _parts(answer) or [{"text": ""}]
        return [
            *(chunk([part], usage=_usage(answer)) for part in first),
            chunk([last], finish=FINISH[answer.finish], usage=_usage(answer)),
        ]

    def frame(self, objects: list[Json]) -> bytes:
        return b"".join(frame(each) for each in objects)

    def refusal(self, status: int, message: str) -> Json:
        return {"error": {"code": status, "message": message}}


def adapter(upstream: Upstream, memory: LruMemory | None = None, **settings: Any) -> GeminiAdapter:
    configured = GeminiSettings(**{"api_key": API_KEY, **settings})
    return GeminiAdapter(configured, upstream, LruMemory() if memory is None else memory)


def native(
    memory: LruMemory | None = None, settings: Json | None = None, **fields: Any
) -> NativeCall:
    """What a request becomes; it is one word of a user's to 2.5 Flash unless `fields` differ."""
    values = {"model": GeminiKit.model, "messages": [{"role": "user", "content": "Hi"}], **fields}
    own = adapter(FakeUpstream(httpx.ConnectError("")).upstream, memory, **(settings or {}))
    return own.to_native(ChatRequest(**values))


def frame(value: Any) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\r\n\r\n".encode()


def chunk(parts: list[Json], finish: str | None = None, usage: Json | None = None) -> Json:
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": usage or {"promptTokenCount": 3, "totalTokenCount": 3},
        "modelVersion": GeminiKit.model,
        "responseId": "r-77",
    }


def called(name: str, args: Json | None = None, **more: Any) -> Json:
    call: Json = {"name": name} if args is None else {"name": name, "args": args}
    return {"functionCall": {**call, **more}}


def stream_of(*chunks: Json) -> Reply:
    return Reply((b"".join(map(frame, chunks)),), content_type=GeminiKit.stream_type)


def _parts(answer: Answer) -> list[Json]:
    return [
        *({"text": text, "thought": True} for text in answer.reasoning),
        *({"text": text} for text in answer.texts),
        *({"functionCall": {"name": name, "args": args}} for name, args in answer.calls),
    ]


def _usage(answer: Answer) -> Json:
    thoughts = answer.reasoning_tokens
    usage = {
        "promptTokenCount": answer.prompt,
        "candidatesTokenCount": answer.completion - (thoughts or 0),
        "totalTokenCount": answer.prompt + answer.completion,
    }
    if thoughts is not None:
        usage["thoughtsTokenCount"] = thoughts
    if answer.cached is not None:
        usage["cachedContentTokenCount"] = answer.cached
    return usage
