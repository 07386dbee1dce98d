"""OpenAI's completions, read by `openai`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import openai

from adapters.base import Usage
from tests.proxy.doors.golden.features import Feature, Meaning
from tests.proxy.doors.golden.reader import NEVER, Gap

NO_CALLS = Gap(NEVER)


class Completions:
    """`completions`."""

    door = "completions"
    title = "OpenAI completions"
    gaps: Mapping[str, Gap] = {
        "thoughts": Gap("left out", {"thoughts": ""}),
        "a call, whole": NO_CALLS,
        "a call in pieces": NO_CALLS,
        "a call without arguments": NO_CALLS,
        "parallel calls": NO_CALLS,
        "calls whose pieces mingle": NO_CALLS,
        "thoughts, text and a call": NO_CALLS,
        "an image": Gap("left out", {"images": []}),
        "sound": Gap("left out", {"sounds": []}),
        "a citation": Gap("left out", {"citations": []}),
        "a refusal": Gap("as text", {"text": "I will not.", "refusal": ""}),
    }
    raises = openai.OpenAIError

    def stream(self, line: httpx.BaseTransport, feature: Feature) -> Meaning:
        choices: dict[int, list[Any]] = {0: []}
        usage: Any = None
        for chunk in _completions(line).create(
            **_asked(feature), stream=True, stream_options={"include_usage": True}
        ):
            usage = chunk.usage or usage
            for one in chunk.choices:
                choices.setdefault(one.index, []).append(one)
        return _meaning(list(choices.values()), usage)

    def whole(self, line: httpx.BaseTransport, feature: Feature) -> Meaning:
        completion = _completions(line).create(**_asked(feature))
        return _meaning([[one] for one in completion.choices], completion.usage)


def _completions(line: httpx.BaseTransport) -> Any:
    http = httpx.Client(transport=line)
    client = openai.OpenAI(base_url="http://x/v1", api_key="x", max_retries=0, http_client=http)
    return client.completions


def _asked(feature: Feature) -> dict[str, Any]:
    asked: dict[str, Any] = {"model": "m", "prompt": "Hi"}
    if feature.meaning.tokens:
        asked["logprobs"] = 1
    if feature.meaning.others:
        asked["n"] = 2
    return asked


def _meaning(choices: list[list[Any]], counts: Any) -> Meaning:
    """Of each choice what came of it, in one piece or in several."""
    first, *others = ["".join(part.text for part in parts) for parts in choices]
    details, prompt = counts.completion_tokens_details, counts.prompt_tokens_details
    return Meaning(
        text=first,
        tokens=[one for part in choices[0] if part.logprobs for one in part.logprobs.tokens],
        others=others,
        finish=next(part.finish_reason for part in choices[0] if part.finish_reason),
        usage=Usage(
            counts.prompt_tokens,
            counts.completion_tokens,
            details.reasoning_tokens if details else None,
            prompt.cached_tokens if prompt else None,
        ),
    )
