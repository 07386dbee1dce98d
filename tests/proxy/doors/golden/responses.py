"""OpenAI's Responses, read by `openai`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import openai

from adapters.base import Usage
from tests.proxy.doors.golden.features import Feature, Meaning
from tests.proxy.doors.golden.reader import NEVER, Gap

LOGPROBS = "message.output_text.logprobs"
REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}


class Responses:
    """`responses`."""

    door = "responses"
    title = "OpenAI Responses"
    gaps: Mapping[str, Gap] = {
        "sound": Gap("left out", {"sounds": []}),
        "several choices": Gap(NEVER),
    }
    raises = openai.OpenAIError

    def stream(self, line: httpx.BaseTransport, feature: Feature) -> Meaning:
        with _client(line).responses.stream(**_asked(feature)) as stream:
            for event in stream:
                last = event
        # The SDK's helper has no final response of one that was cut.
        assert last.type in ("response.completed", "response.incomplete")
        return _meaning(last.response)

    def whole(self, line: httpx.BaseTransport, feature: Feature) -> Meaning:
        return _meaning(_client(line).responses.create(**_asked(feature)))


def _client(line: httpx.BaseTransport) -> openai.OpenAI:
    http = httpx.Client(transport=line)
    return openai.OpenAI(base_url="http://x/v1", api_key="x", max_retries=0, http_client=http)


def _asked(feature: Feature) -> dict[str, Any]:
    asked: dict[str, Any] = {"model": "m", "input": "Hi"}
    if feature.meaning.thoughts:
        asked["reasoning"] = {"summary": "auto"}
    if feature.meaning.tokens:
        asked["include"] = [LOGPROBS]
    return asked


def _meaning(response: Any) -> Meaning:
    items: dict[str, list[Any]] = {}
    for item in response.output:
        items.setdefault(item.type, []).append(item)
    parts = [part for item in items.get("message", ()) for part in item.content]
    texts = [part for part in parts if part.type == "output_text"]
    calls = [(one.name, json.loads(one.arguments)) for one in items.get("function_call", ())]
    cut = response.incomplete_details and response.incomplete_details.reason
    counts = response.usage
    return Meaning(
        text=response.output_text,
        thoughts="".join(part.text for item in items.get("reasoning", ()) for part in item.summary),
        calls=calls,
        images=[one.result for one in items.get("image_generation_call", ())],
        citations=[one.url for part in texts for one in part.annotations],
        refusal="".join(part.refusal for part in parts if part.type == "refusal"),
        tokens=[one.token for part in texts for one in part.logprobs or ()],
        finish=REASONS[cut] if cut else "tool_calls" if calls else "stop",
        usage=Usage(
            counts.input_tokens,
            counts.output_tokens,
            counts.output_tokens_details.reasoning_tokens or None,
            counts.input_tokens_details.cached_tokens or None,
        ),
    )
