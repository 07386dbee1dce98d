"""Values of Gemini's answers -> those of events. Pure."""

from __future__ import annotations

from adapters.events import Event, Json, Signature, Usage
from adapters.wire.bounds import count

CUT_SHORT = frozenset({"MAX_TOKENS", "CONTINUATION"})
FILTERED = frozenset({
    "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "ESCALATION", "MODEL_ARMOR",
})  # fmt: skip
MALFORMED = frozenset({
    "MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS",
})  # fmt: skip


def signed(part: Json, index: int) -> list[Event]:
    signature = part["thoughtSignature"]
    return [Signature(signature, index)] if isinstance(signature, str) and signature else []


def fenced(text: str, language: str) -> str:
    return f"\n```{language}\n{text.rstrip()}\n```\n"


def usage_of(usage: Json) -> Usage:
    """OpenAI's sense of Gemini's counts: thoughts are completion, what its tools read is prompt."""
    thoughts = count(usage.get("thoughtsTokenCount"))
    cached = count(usage.get("cachedContentTokenCount"))
    prompt, tools = usage.get("promptTokenCount"), usage.get("toolUsePromptTokenCount")
    return Usage(
        prompt=(count(prompt) or 0) + (count(tools) or 0),
        completion=(count(usage.get("candidatesTokenCount")) or 0) + (thoughts or 0),
        reasoning=thoughts,
        cached=cached,
    )
