"""OpenAI's chat completions, read by `openai`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import openai

from adapters.base import Usage
from tests.proxy.doors.golden.features import Feature, Meaning
from tests.proxy.doors.golden.reader import Gap


class Chat:
    """`chat.completions`."""

    door = "chat"
    title = "OpenAI chat"
    gaps: Mapping[str, Gap] = {}
    raises = openai.OpenAIError

    def stream(self, line: httpx.BaseTransport, feature: Feature) -> Meaning:
        asked = _asked(feature) | {"stream_options": {"include_usage": True}}
        with _client(line).chat.completions.stream(**asked) as stream:
            for _ in stream:
                pass
            # The final one is withheld where a filter or the length ended it.
            return _meaning(stream.current_completion_snapshot)

    def whole(self, line: httpx.BaseTransport, feature: Feature) -> Meaning:
        return _meaning(_client(line).chat.completions.create(**_asked(feature)))


def _client(line: httpx.BaseTransport) -> openai.OpenAI:
    http = httpx.Client(transport=line)
    return openai.OpenAI(base_url="http://x/v1", api_key="x", max_retries=0, http_client=http)


def _asked(feature: Feature) -> dict[str, Any]:
    asked: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    if feature.meaning.tokens:
        asked["logprobs"] = True
    if feature.meaning.others:
        asked["n"] = 2
    return asked


def _meaning(completion: Any) -> Meaning:
    first, *others = completion.choices
    said = first.message
    images = getattr(said, "images", None) or ()
    counts = completion.usage
    details, prompt = counts.completion_tokens_details, counts.prompt_tokens_details
    return Meaning(
        text=said.content or "",
        thoughts=getattr(said, "reasoning_content", None) or "",
        calls=[
            (call.function.name, json.loads(call.function.arguments))
            for call in said.tool_calls or ()
        ],
        images=[one["image_url"]["url"].partition(",")[2] for one in images],
        sounds=[_sound(said.audio)] if said.audio else [],
        citations=[_url(one) for one in said.annotations or ()],
        refusal=said.refusal or "",
        tokens=[one.token for one in (first.logprobs and first.logprobs.content) or ()],
        others=[other.message.content for other in others],
        finish=first.finish_reason,
        usage=Usage(
            counts.prompt_tokens,
            counts.completion_tokens,
            details.reasoning_tokens if details else None,
            prompt.cached_tokens if prompt else None,
        ),
    )


def _sound(audio: Any) -> str:
    return str(audio["data"] if isinstance(audio, dict) else audio.data)


def _url(annotation: Any) -> str:
    found = annotation if isinstance(annotation, dict) else annotation.model_dump()
    return str(found["url_citation"]["url"])
