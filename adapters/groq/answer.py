"""What Groq's answers say beyond OpenAI's: timings, tiers of its own, what it found on the web."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.compatible.answer import AnswerReader, raise_error, usage_of
from adapters.compatible.parts import text_in
from adapters.events import Event, Json, Usage, url_citation
from adapters.wire.bounds import items

_TIERS: Mapping[str, str] = {
    "auto": "auto",
    "on_demand": "default",
    "flex": "flex",
    "performance": "priority",
}


class GroqReader(AnswerReader):
    """Reads one answer of Groq."""

    own = "x_groq"
    tiers = _TIERS

    def _raise_error(self, chunk: Json) -> None:
        if error := chunk.get("error") or (chunk.get("x_groq") or {}).get("error"):
            raise_error(error)

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
