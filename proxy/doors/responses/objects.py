"""The object `response`, its ids and its items, as clients demand them. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.base import Json, Usage

ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": None,
    "safety_identifier": None,
    "service_tier": "default",
    "store": False,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": (),
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "metadata": {},
}
"""What a response repeats of its request, with what stands there where that says nothing."""


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(24)}"


def response_object(
    echo: Mapping[str, Any],
    *,
    response_id: str,
    model: str,
    created_at: int,
    status: str,
    output: Sequence[Json] = (),
    usage: Usage | None = None,
    error: Json | None = None,
    reason: str | None = None,
    completed_at: int | None = None,
) -> Json:
    """All the keys that a response has, null where there is nothing."""
    return {
        "id": response_id,
        "object": "response",
        "created_at": created_at,
        "completed_at": completed_at,
        "status": status,
        "background": False,
        "error": error,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": model,
        "output": list(output),
        "usage": usage_object(usage) if usage else None,
        **ECHOED,
        **echo,
    }


def usage_object(usage: Usage) -> Json:
    """Counts of tokens in the words of Responses."""
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached or 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": usage.prompt + usage.completion,
    }


def citation(annotation: Json) -> Json | None:
    """A citation of chat's as Responses have it: flat."""
    match annotation:
        case {"type": "url_citation", "url_citation": dict(cited)}:
            return {
                "type": "url_citation",
                "url": cited.get("url", ""),
                "title": cited.get("title") or "",
                "start_index": cited.get("start_index") or 0,
                "end_index": cited.get("end_index") or 0,
            }
        case _:
            return None
