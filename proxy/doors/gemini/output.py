"""What an answer of Gemini's is made of: parts, sources, probabilities, counts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from adapters.base import Json, Usage

FINISHES: Mapping[str, str] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}
FILTERS = frozenset({
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
})  # fmt: skip
BLOCKS = frozenset({
    "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR",
    "JAILBREAK",
})  # fmt: skip


def content(parts: Sequence[Json]) -> Json:
    return {"parts": parts, "role": "model"}


def bare_word(text: str) -> str:
    """The value of an enumeration, out of the JSON that it came in."""
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text.strip()
    if isinstance(value, dict) and len(value) == 1:
        [value] = value.values()
    return value if isinstance(value, str) else text.strip()


def grounding(citations: Sequence[Json], text: str) -> Json:
    """`groundingMetadata`: each source once, and the passages that rest on it.

    Gemini counts in bytes, citations do in characters.
    """
    pages: dict[str, int] = {}
    chunks: list[Json] = []
    passages: dict[tuple[int, int], list[int]] = {}
    for cited in citations:
        url = str(cited.get("url") or "")
        if url not in pages:
            pages[url] = len(chunks)
            chunks.append({"web": {"uri": url, "title": str(cited.get("title") or url)}})
        match cited:
            case {"start_index": int(start), "end_index": int(end)} if 0 <= start < end:
                passages.setdefault((start, min(end, len(text))), []).append(pages[url])
    return {
        "groundingChunks": chunks,
        "groundingSupports": [_support(text, *at, pages) for at, pages in passages.items()],
    }


def _support(text: str, start: int, end: int, pages: list[int]) -> Json:
    passage = text[start:end]
    first = len(text[:start].encode())
    segment = {"startIndex": first, "endIndex": first + len(passage.encode()), "text": passage}
    return {"segment": segment, "groundingChunkIndices": pages}


def logprobs_result(entries: Sequence[Json]) -> Json:
    """`logprobsResult` of the tokens that were chosen, each with its rivals."""
    return {
        "chosenCandidates": [_token(entry) for entry in entries],
        "topCandidates": [
            {"candidates": [_token(rival) for rival in entry.get("top_logprobs") or ()]}
            for entry in entries
        ],
    }


def _token(entry: Json) -> Json:
    return {"token": entry.get("token", ""), "logProbability": entry.get("logprob", 0.0)}


def usage_metadata(usage: Usage) -> Json:
    """Gemini's counts: thoughts stand beside the answer's tokens."""
    thoughts = usage.reasoning or 0
    counts: Json = {
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": max(usage.completion - thoughts, 0),
        "totalTokenCount": usage.prompt + usage.completion,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.prompt}],
    }
    if usage.reasoning is not None:
        counts["thoughtsTokenCount"] = thoughts
    if usage.cached is not None:
        counts["cachedContentTokenCount"] = usage.cached
    return counts
