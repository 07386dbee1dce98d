"""The object `response`, its ids and its items, as clients demand them. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from adapters.base import Json, Usage


class Echo(Struct, frozen=True):
    """What an answer repeats of its request."""

    instructions: str | None = None
    tools: Sequence[Json] = ()
    tool_choice: Any = "auto"
    parallel_tool_calls: bool = True
    text: Mapping[str, Any] = {}
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_logprobs: int | None = None
    reasoning: Json | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    truncation: str = "disabled"
    previous_response_id: str | None = None
    conversation: Json | None = None
    store: bool = False
    metadata: Mapping[str, Any] = {}
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(24)}"


def response_object(
    echo: Echo,
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
    response: Json = {
        "id": response_id,
        "object": "response",
        "created_at": created_at,
        "completed_at": completed_at,
        "status": status,
        "background": False,
        "error": error,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": echo.instructions,
        "max_output_tokens": echo.max_output_tokens,
        "max_tool_calls": echo.max_tool_calls,
        "model": model,
        "output": list(output),
        "parallel_tool_calls": echo.parallel_tool_calls,
        "presence_penalty": echo.presence_penalty or 0.0,
        "frequency_penalty": echo.frequency_penalty or 0.0,
        "previous_response_id": echo.previous_response_id,
        "prompt_cache_key": echo.prompt_cache_key,
        "reasoning": echo.reasoning,
        "safety_identifier": echo.safety_identifier,
        "service_tier": echo.service_tier or "default",
        "store": echo.store,
        "temperature": 1.0 if echo.temperature is None else echo.temperature,
        "text": echo.text,
        "tool_choice": echo.tool_choice,
        "tools": list(echo.tools),
        "top_logprobs": echo.top_logprobs or 0,
        "top_p": 1.0 if echo.top_p is None else echo.top_p,
        "truncation": echo.truncation,
        "usage": usage_object(usage) if usage else None,
        "metadata": echo.metadata,
    }
    if echo.conversation is not None:
        response["conversation"] = echo.conversation
    return response


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
