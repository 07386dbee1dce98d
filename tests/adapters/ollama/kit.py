"""What the tests of Ollama's adapter share: its answers on the wire, an adapter over a fake."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ollama._types import ChatRequest as SdkRequest

from adapters.base import AdapterError, ChatRequest, Json, NativeCall
from adapters.ollama.adapter import OllamaAdapter, OllamaSettings
from adapters.upstream import Upstream
from tests.adapters.kit import API_KEY, Answer, DictMemory, FakeUpstream, Reply, json_reply

USER: Json = {"role": "user", "content": "Hi"}


class OllamaKit:
    name = "ollama"
    model = "llama3.2"
    stream_type = "application/x-ndjson"
    counts_cached = False
    counts_reasoning = False

    def adapter(self, upstream: Upstream) -> OllamaAdapter:
        return OllamaAdapter(OllamaSettings(api_key=API_KEY), upstream, DictMemory())

    def whole(self, answer: Answer) -> Json:
        message = ollama_message(content="".join(answer.texts))
        if answer.reasoning:
            message["thinking"] = "".join(answer.reasoning)
        if answer.calls:
            message["tool_calls"] = [ollama_call(name, value) for name, value in answer.calls]
        return ollama_line(message) | ollama_end(answer)

    def stream(self, answer: Answer) -> list[Json]:
        lines = [ollama_line(ollama_message(thinking=piece)) for piece in answer.reasoning]
        lines += [ollama_line(ollama_message(content=piece)) for piece in answer.texts]
        lines += [
            ollama_line(ollama_message(tool_calls=[ollama_call(*call)])) for call in answer.calls
        ]
        return [*lines, ollama_line(ollama_message()) | ollama_end(answer)]

    def frame(self, objects: list[Json]) -> bytes:
        return b"".join(json.dumps(o, ensure_ascii=False).encode() + b"\n" for o in objects)

    def refusal(self, status: int, message: str) -> Json:
        return {"error": message}


def ollama_message(**fields: Any) -> Json:
    return {"role": "assistant", "content": "", **fields}


def ollama_line(message: Json) -> Json:
    created = "2026-11-21T10:00:00.123456789Z"
    return {"model": "llama3.2", "created_at": created, "message": message, "done": False}


def ollama_call(name: str, arguments: Json) -> Json:
    return {"function": {"name": name, "arguments": arguments}}


def ollama_end(answer: Answer) -> Json:
    reason = "length" if answer.finish == "length" else "stop"
    counts = {"prompt_eval_count": answer.prompt, "eval_count": answer.completion}
    return {"done": True, "done_reason": reason, "total_duration": 5, **counts}


PIXEL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
OK = json_reply(OllamaKit().whole(Answer(texts=("Yes.",))))


def ollama_over(fake: FakeUpstream, **settings: Any) -> OllamaAdapter:
    return OllamaAdapter(OllamaSettings(**settings), fake.upstream, DictMemory())


def a_chat(content: Any = "Hi", **fields: Any) -> ChatRequest:
    messages = [{"role": "user", "content": content}]
    return ChatRequest(**{"model": "llama3.2", "messages": messages, **fields})


def prepared(settings: Json | None = None, **fields: Any) -> NativeCall:
    """What a request becomes; the SDK knows every key of it, and the request is left as it was."""
    request = ChatRequest(**{"model": "llama3.2:3b", "messages": [USER], **fields})
    before = copy.deepcopy(request)
    fake = FakeUpstream(json_reply({}))
    adapter = OllamaAdapter(OllamaSettings(**settings or {}), fake.upstream, DictMemory())
    call = adapter.to_native(request)
    assert request == before
    SdkRequest(**call.body)
    return call


def refused(**fields: Any) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        prepared(**fields)
    return caught.value


def paths(fake: FakeUpstream) -> list[str]:
    return [request.url.path for request in fake.requests]


def stream_of(*objects: Json) -> Reply:
    return Reply((OllamaKit().frame(list(objects)),), content_type="application/x-ndjson")
