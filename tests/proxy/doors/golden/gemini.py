"""Gemini's generateContent, read by `google-genai`."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import httpx
from google import genai
from google.genai import errors, types

from adapters.base import Usage
from tests.proxy.doors.golden.features import Feature, Meaning
from tests.proxy.doors.golden.reader import Gap

FINISHES = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}


class _Switch(httpx.BaseTransport):
    """Leads to one line after the other: a client of this SDK takes long to make."""

    def __init__(self) -> None:
        self.line: httpx.BaseTransport | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert self.line is not None
        return self.line.handle_request(request)


class Gemini:
    """`models.generate_content`. Its end tells nothing of calls: they tell themselves."""

    door = "gemini"
    title = "Gemini"
    gaps: Mapping[str, Gap] = {
        "a refusal": Gap(
            "as text, with finishReason SAFETY", {"text": "I will not.", "refusal": ""}
        )
    }
    raises = errors.APIError

    def __init__(self) -> None:
        self._switch = _Switch()

    def stream(self, line: httpx.BaseTransport, feature: Feature) -> Meaning:
        self._switch.line = line
        return _meaning(self._models.generate_content_stream(**_asked(feature)))

    def whole(self, line: httpx.BaseTransport, feature: Feature) -> Meaning:
        self._switch.line = line
        return _meaning([self._models.generate_content(**_asked(feature))])

    @cached_property
    def _models(self) -> Any:
        http = httpx.Client(transport=self._switch)
        options = types.HttpOptions(base_url="http://x", httpx_client=http)
        return genai.Client(api_key="x", http_options=options).models


def _asked(feature: Feature) -> dict[str, Any]:
    meaning = feature.meaning
    thinking = types.ThinkingConfig(include_thoughts=True) if meaning.thoughts else None
    search = types.Tool(google_search=types.GoogleSearch())
    config = types.GenerateContentConfig(
        thinking_config=thinking,
        response_logprobs=True if meaning.tokens else None,
        candidate_count=2 if meaning.others else None,
        tools=[search] if meaning.citations else None,
    )
    return {"model": "m", "contents": "Hi", "config": config}


def _meaning(chunks: Iterable[Any]) -> Meaning:
    """What the chunks say together, as the SDK has read them; the last one ends the answer."""
    parts: list[Any] = []
    others: dict[int, str] = {}
    for chunk in chunks:
        for candidate in chunk.candidates:
            found = (candidate.content and candidate.content.parts) or []
            if candidate.index:
                texts = "".join(part.text for part in found)
                others[candidate.index] = others.get(candidate.index, "") + texts
            else:
                parts += found
                last = candidate
        counts, end = chunk.usage_metadata, last
    calls = [part.function_call for part in parts if part.function_call]
    finish = FINISHES[end.finish_reason.value]
    return Meaning(
        text="".join(part.text for part in parts if part.text and not part.thought),
        thoughts="".join(part.text for part in parts if part.thought),
        calls=[(call.name, call.args) for call in calls],
        images=_media(parts, "image/"),
        sounds=_media(parts, "audio/"),
        citations=_sources(end),
        tokens=_tokens(end),
        others=[others[index] for index in sorted(others)],
        finish="tool_calls" if calls and finish == "stop" else finish,
        usage=Usage(
            counts.prompt_token_count,
            counts.candidates_token_count + (counts.thoughts_token_count or 0),
            counts.thoughts_token_count,
            counts.cached_content_token_count,
        ),
    )


def _media(parts: Iterable[Any], kind: str) -> list[str]:
    blobs = [part.inline_data for part in parts if part.inline_data]
    return [base64.b64encode(one.data).decode() for one in blobs if one.mime_type.startswith(kind)]


def _sources(candidate: Any) -> list[str]:
    found = candidate.grounding_metadata
    return [chunk.web.uri for chunk in found.grounding_chunks] if found else []


def _tokens(candidate: Any) -> list[str]:
    found = candidate.logprobs_result
    return [one.token for one in found.chosen_candidates] if found else []
