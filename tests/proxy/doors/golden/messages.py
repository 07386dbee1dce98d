"""Anthropic's Messages, read by `anthropic`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anthropic
import httpx
import httpx2

from adapters.base import Usage
from tests.proxy.doors.golden.features import Feature, Meaning
from tests.proxy.doors.golden.reader import NEVER, Gap

STOPS = {
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


class Messages:
    """`messages`."""

    door = "messages"
    title = "Anthropic Messages"
    gaps: Mapping[str, Gap] = {
        "an image": Gap("left out", {"images": []}),
        "sound": Gap("left out", {"sounds": []}),
        "probabilities of tokens": Gap(NEVER),
        "several choices": Gap(NEVER),
    }
    raises = anthropic.AnthropicError

    def stream(self, line: httpx.BaseTransport, feature: Feature) -> Meaning:
        with _client(line).messages.stream(**_asked(feature)) as stream:
            return _meaning(stream.get_final_message())

    def whole(self, line: httpx.BaseTransport, feature: Feature) -> Meaning:
        return _meaning(_client(line).messages.create(**_asked(feature)))


class _Over(httpx2.BaseTransport):
    """The line for the SDK, which has a client of its own kind."""

    def __init__(self, line: httpx.BaseTransport) -> None:
        self._line = line

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        sent = httpx.Request(
            request.method,
            str(request.url),
            headers=request.headers.raw,
            content=request.read(),
        )
        answer = self._line.handle_request(sent)
        return httpx2.Response(
            answer.status_code, headers=answer.headers.raw, content=answer.content
        )


def _client(line: httpx.BaseTransport) -> anthropic.Anthropic:
    http = httpx2.Client(transport=_Over(line))
    return anthropic.Anthropic(base_url="http://x", api_key="x", max_retries=0, http_client=http)


def _asked(feature: Feature) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "model": "m",
        "max_tokens": 9000,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    if feature.meaning.thoughts:
        asked["thinking"] = {"type": "enabled", "budget_tokens": 2048}
    if feature.meaning.citations:
        asked["tools"] = [SEARCH]
    return asked


def _meaning(message: Any) -> Meaning:
    blocks: dict[str, list[Any]] = {}
    for block in message.content:
        blocks.setdefault(block.type, []).append(block)
    assert all(block.signature for block in blocks.get("thinking", ()))
    texts = blocks.get("text", [])
    text = "".join(block.text for block in texts)
    counts, details = message.usage, message.usage.output_tokens_details
    cached = counts.cache_read_input_tokens
    # A refusal's words are a text; that they are one is told by its explanation.
    refusal = (message.stop_details and message.stop_details.explanation) or ""
    return Meaning(
        text="" if refusal else text,
        thoughts="".join(block.thinking for block in blocks.get("thinking", ())),
        calls=[(block.name, block.input) for block in blocks.get("tool_use", ())],
        citations=[one.url for block in texts for one in block.citations or ()],
        refusal=refusal,
        finish=STOPS[message.stop_reason],
        usage=Usage(
            counts.input_tokens + cached,
            counts.output_tokens,
            details.thinking_tokens if details else None,
            cached or None,
        ),
    )
