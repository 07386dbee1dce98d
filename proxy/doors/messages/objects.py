"""The object `message`, its ids and its counts, as Anthropic's clients demand them. Pure."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import string
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from adapters.base import Json, Usage

SIGNATURE = base64.b64encode(b"pointsman").decode("ascii")
"""Under a thought: clients throw away what has none, and nobody here reads it again."""
STOPS: Mapping[str, str] = MappingProxyType(
    {
        "stop": "end_turn",
        "length": "max_tokens",
        "tool_calls": "tool_use",
        "content_filter": "refusal",
    }
)
_LETTERS = ((string.ascii_letters + string.digits) * 5)[:256].encode()
"""One for each byte: a choice of its own for each letter asks the system each time."""
_SHOWABLE = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_HIDDEN = "toolu_x"
_LONGEST_HIDDEN = 57


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_bytes(24).translate(_LETTERS).decode('ascii')}"


def shown_id(call_id: str | None) -> str:
    """A call's id in the letters that Anthropic allows; `own_id` undoes it after any restart."""
    if not call_id or call_id.startswith(_HIDDEN):
        return new_id("toolu")
    if _SHOWABLE.fullmatch(call_id):
        return call_id
    hidden = base64.urlsafe_b64encode(call_id.encode()).decode("ascii").rstrip("=")
    return _HIDDEN + hidden if len(hidden) <= _LONGEST_HIDDEN else new_id("toolu")


def own_id(shown: str) -> str:
    """The provider's own id of a call, as far as `shown` holds it."""
    if not shown.startswith(_HIDDEN):
        return shown
    hidden = shown.removeprefix(_HIDDEN)
    try:
        own = base64.urlsafe_b64decode(hidden + "=" * (-len(hidden) % 4)).decode()
    except (binascii.Error, ValueError):
        return shown
    return own if shown_id(own) == shown else shown


def stop_of(reason: str | None, *, has_calls: bool) -> str:
    """`stop_reason`. Which of the stop sequences has matched nobody says."""
    if reason in (None, "stop") and has_calls:
        return "tool_use"
    return STOPS.get(reason or "stop", "end_turn")


def stop_members(stop: str, refusal: str) -> Json:
    """The members that state the end, in the object as in a stream."""
    members: Json = {"stop_reason": stop, "stop_sequence": None}
    if stop == "refusal":
        explanation = refusal or None
        members["stop_details"] = {
            "type": "refusal",
            "category": None,
            "explanation": explanation,
        }
    return members


def usage_object(usage: Usage, searches: int = 0) -> Json:
    """Counts of tokens: what came of the cache is not in `input_tokens`, unlike OpenAI's."""
    cached = min(usage.cached or 0, usage.prompt)
    counts: Json = {
        "input_tokens": usage.prompt - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.completion,
    }
    if usage.reasoning:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if searches:
        counts["server_tool_use"] = {"web_search_requests": searches, "web_fetch_requests": 0}
    return counts


def message_object(
    message_id: str, model: str, content: Sequence[Json], stop: Mapping[str, Any], usage: Json
) -> Json:
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        **stop,
        "usage": usage,
    }
