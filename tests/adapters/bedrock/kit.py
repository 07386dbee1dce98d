"""How Bedrock's answers look on the wire (`kit.Kit`), and what a request becomes."""

from __future__ import annotations

import json
from typing import Any

from adapters.base import ChatRequest, Json, NativeCall
from adapters.bedrock.adapter import BedrockAdapter
from adapters.bedrock.settings import BedrockSettings
from adapters.upstream import Upstream
from tests.adapters.kit import API_KEY, Answer, DictMemory, Reply
from tests.fakes.bedrock_wire import event

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
STREAM_TYPE = "application/vnd.amazon.eventstream"
ASK: list[Json] = [{"role": "user", "content": "Which way?"}]
FINISH = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
}


def settings(**given: Any) -> BedrockSettings:
    return BedrockSettings.model_validate({"api_key": API_KEY, "region": "us-east-1", **given})


def signing(**given: Any) -> BedrockSettings:
    """The same with a key pair, so that requests are signed."""
    pair = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret-example"}
    return settings(**{"api_key": None, **pair, **given})


def adapter(
    upstream: Upstream | None = None, memory: DictMemory | None = None, **given: Any
) -> BedrockAdapter:
    return BedrockAdapter(settings(**given), upstream, memory or DictMemory())  # type: ignore[arg-type]


def native(memory: DictMemory | None = None, **fields: Any) -> NativeCall:
    """What a request becomes."""
    request = ChatRequest(**{"model": CLAUDE, "messages": ASK, **fields})
    return adapter(None, memory).to_native(request)


class BedrockKit:
    name = "bedrock"
    model = CLAUDE
    stream_type = STREAM_TYPE
    counts_cached = True
    counts_reasoning = False

    def adapter(self, upstream: Upstream) -> BedrockAdapter:
        return adapter(upstream)

    def whole(self, answer: Answer) -> Json:
        thought = {"text": "".join(answer.reasoning), "signature": "c2lnbmVk"}
        blocks: list[Json] = []
        blocks += [{"reasoningContent": {"reasoningText": thought}}] if answer.reasoning else []
        blocks += [{"text": "".join(answer.texts)}] if answer.texts else []
        blocks += [
            {"toolUse": {"toolUseId": f"tooluse_{at}", "name": name, "input": arguments}}
            for at, (name, arguments) in enumerate(answer.calls)
        ]
        return {
            "metrics": {"latencyMs": 312},
            "output": {"message": {"role": "assistant", "content": blocks}},
            "stopReason": FINISH[answer.finish],
            "usage": _usage(answer),
        }

    def stream(self, answer: Answer) -> list[Json]:
        events: list[Json] = [{"messageStart": {"p": "abcd", "role": "assistant"}}]
        at = 0
        if answer.reasoning:
            thoughts = [{"text": text} for text in answer.reasoning] + [{"signature": "c2lnbmVk"}]
            events += [_delta(at, {"reasoningContent": one}) for one in thoughts]
            at = _stop(events, at)
        if answer.texts:
            events += [_delta(at, {"text": text}) for text in answer.texts]
            at = _stop(events, at)
        for number, (name, arguments) in enumerate(answer.calls):
            start = {"toolUse": {"toolUseId": f"tooluse_{number}", "name": name}}
            events.append({"contentBlockStart": {"contentBlockIndex": at, "start": start}})
            text = json.dumps(arguments, ensure_ascii=False) if arguments else ""
            events += [_delta(at, {"toolUse": {"input": one}}) for one in (text[:3], text[3:])]
            at = _stop(events, at)
        events.append({"messageStop": {"p": "abc", "stopReason": FINISH[answer.finish]}})
        counts = {"usage": _usage(answer), "metrics": {"latencyMs": 312}, "p": "abcdefgh"}
        return [*events, {"metadata": counts}]

    def frame(self, objects: list[Json]) -> bytes:
        return b"".join(map(event, objects))

    def refusal(self, status: int, message: str) -> Json:
        return {"message": message}


def stream_of(*events: Json, end: bytes = b"") -> Reply:
    return Reply((b"".join(map(event, events)) + end,), content_type=STREAM_TYPE)


def whole_of(*blocks: Json, reason: str = "end_turn", **usage: int) -> Json:
    """A plain answer."""
    counts = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3, **usage}
    output = {"message": {"role": "assistant", "content": list(blocks)}}
    metrics = {"latencyMs": 1}
    return {"output": output, "stopReason": reason, "usage": counts, "metrics": metrics}


def _delta(at: int, delta: Json) -> Json:
    return {"contentBlockDelta": {"contentBlockIndex": at, "delta": delta, "p": "abcdefghijk"}}


def _stop(events: list[Json], at: int) -> int:
    events.append({"contentBlockStop": {"contentBlockIndex": at, "p": "abcde"}})
    return at + 1


def _usage(answer: Answer) -> Json:
    read = answer.cached or 0
    counts = {"inputTokens": answer.prompt - read, "outputTokens": answer.completion}
    counts |= {"cacheReadInputTokens": read, "cacheWriteInputTokens": 0}
    return counts | {"totalTokens": answer.prompt + answer.completion}
