"""Grounding and log probabilities of a Gemini answer -> OpenAI's annotations and logprobs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from adapters.events import Event, Json, Logprobs, url_citation
from adapters.wire.bounds import MAX_ANNOTATIONS, MAX_LOGPROBS, items


def citations(grounding: Json, text: str, index: int) -> list[Event]:
    """A `url_citation` for every source of every passage; for the whole text if none is named."""
    sources = [_source(chunk) for chunk in _dicts(grounding.get("groundingChunks"))]
    encoded = text.encode()
    spans = list(_spans(grounding, encoded))
    if not spans:
        spans = [(0, len(encoded), range(len(sources)))]
    places = _in_characters(encoded, {place for start, end, _ in spans for place in (start, end)})
    found = (
        url_citation(*source, index, start=places[start], end=places[end])
        for start, end, cited in spans
        for at in cited
        if at < len(sources) and (source := sources[at])
    )
    return [*islice(found, MAX_ANNOTATIONS)]


def _in_characters(encoded: bytes, places: set[int]) -> dict[int, int]:
    """Which character begins at or behind each of some places in bytes; read once, from the start.

    Cut in the middle of one, it does not count.
    """
    found: dict[int, int] = {}
    read = characters = 0
    for place in sorted(places):
        end = min(place, len(encoded))
        while end < len(encoded) and end > read and encoded[end] & 0xC0 == 0x80:
            end -= 1
        characters += len(encoded[read:end].decode(errors="ignore"))
        read = max(read, end)
        found[place] = characters
    return found


def _spans(grounding: Json, encoded: bytes) -> Iterator[tuple[int, int, list[int] | range]]:
    """Where a passage starts and ends, in bytes as Gemini counts, and the sources it rests on."""
    for support in _dicts(grounding.get("groundingSupports")):
        segment = support.get("segment")
        segment = segment if isinstance(segment, dict) else {}
        end = segment.get("endIndex")
        cited = support.get("groundingChunkIndices")
        if isinstance(cited, list):
            yield (
                _offset(segment.get("startIndex"), 0),
                _offset(end, len(encoded)),
                [at for at in items(cited) if type(at) is int and at >= 0],
            )


def _offset(value: Any, default: int) -> int:
    return value if type(value) is int and value >= 0 else default


def _source(chunk: Json) -> tuple[str, str] | None:
    """Address and title of a web page, or of a document where it has an address."""
    page = chunk.get("web") or chunk.get("retrievedContext")
    if not isinstance(page, dict) or not isinstance(url := page.get("uri"), str):
        return None
    title = page.get("title")
    return url, title if isinstance(title, str) else url


def _dicts(values: Any) -> list[Json]:
    return [value if isinstance(value, dict) else {} for value in items(values or None)]


def logprobs(result: Json, index: int) -> Logprobs | None:
    """`logprobs.content` of the tokens that were chosen, each with its rivals."""
    chosen = items(result.get("chosenCandidates"), MAX_LOGPROBS)
    rivals = items(result.get("topCandidates"), MAX_LOGPROBS)
    content = [
        {
            **_entry(token),
            "top_logprobs": [
                _entry(rival)
                for rival in (rivals[at].get("candidates") or [] if at < len(rivals) else [])
            ],
        }
        for at, token in enumerate(chosen)
    ]
    return Logprobs(content, index) if content else None


def _entry(token: Json) -> Json:
    text = str(token.get("token") or "")
    return {
        "token": text,
        "logprob": float(token.get("logProbability") or 0.0),
        "bytes": list(text.encode()),
    }
