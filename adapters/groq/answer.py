"""What Groq's answers say beyond OpenAI's: timings, tiers of its own, what it found on the web."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from adapters.compatible.answer import AnswerReader, raise_error, usage_of
from adapters.compatible.parts import text_in
from adapters.events import Event, Json, Start, Usage, url_citation
from adapters.wire.bounds import items, word

_TIERS: Mapping[str, str] = {
    "auto": "auto",
    "on_demand": "default",
    "flex": "flex",
    "performance": "priority",
}
"""Groq's tiers in OpenAI's words; some clients refuse an answer that holds any other."""


class GroqReader(AnswerReader):
    """Reads one answer of Groq."""

    own = "x_groq"

    def _raise_error(self, chunk: Json) -> None:
        if error := chunk.get("error") or (chunk.get("x_groq") or {}).get("error"):
            raise_error(error)

    def _start(self, chunk: Json) -> Start:
        tier = chunk.get("service_tier")
        return replace(
            super()._start(chunk),
            service_tier=_TIERS.get(tier) if isinstance(tier, str) else None,
            request_id=word((chunk.get("x_groq") or {}).get("id")),
        )

    def _usage(self, chunk: Json) -> Usage | None:
        """Told up to three times in a stream, at the top level and in `x_groq`."""
        usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage")
        if not usage:
            return None
        timings = {
            key: value
            for key, value in usage.items()
            if key.endswith("_time") and type(value) in (int, float)
        }
        return usage_of(usage, extra=timings or None)

    def _take_more(self, delta: Json, index: int, events: list[Event]) -> None:
        """What Compound found on the web, and the citations that Groq itself makes."""
        super()._take_more(delta, index, events)
        for tool in items(delta.get("executed_tools")):
            results = items((tool.get("search_results") or {}).get("results"))
            pages = [(each.get("url"), each.get("title")) for each in results]
            events += [url_citation(text_in(url), title, index) for url, title in pages if url]
