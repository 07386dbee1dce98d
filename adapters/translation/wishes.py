"""What a request asks for beside its text: what nobody may leave out, and who need not say it."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Any

from adapters.base import SWITCHES, USER

BLOCKS = frozenset(
    {
        *("gemini", "google", "groq", "ollama", "embedded", "openai", "bedrock", "pointsman"),
        *("extra_body", "safety_settings", "thinking_config", "cached_content", "keep_alive"),
        *("think", "num_ctx", "truncate", "shift", USER),
    }
)
"""In `extensions`: what is written for one provider, or for us. All others need not say a word."""
FOR_OTHERS = BLOCKS | {
    *("reasoning", "include_reasoning", "reasoning_format"),
    *SWITCHES,
}
"""The same, with what is known to mean thinking."""
_WEIGHTY = frozenset({"audio", "modalities", "web_search_options", "logprobs", "moderation"})
_SHOWN_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


def shown_key(name: str) -> str:
    """A client's own key as a warning may show it."""
    return name if _SHOWN_KEY.fullmatch(name) else "extension"


def left_out(extensions: Mapping[str, Any], read: Container[str]) -> list[str]:
    """A word for each that is given and not read."""
    given = (name for name, value in extensions.items() if value is not None)
    return [f"dropped={shown_key(name)}" for name in given if name not in read]


def unmet(params: Mapping[str, Any], *able: str) -> tuple[str, str] | None:
    """A parameter without which the answer would be another, and what it asks for, if there is one.

    `able` are those that are seen to elsewhere.
    """
    if _WEIGHTY.isdisjoint(params):
        return None
    if param := beyond_text(params):
        return param, "a wish for anything but text"
    for name in ("web_search_options", "logprobs"):
        if name not in able and params.get(name) not in (None, False):
            return name, f"'{name}'"
    return ("moderation", "a policy that blocks") if blocks(params.get("moderation")) else None


def beyond_text(params: Mapping[str, Any]) -> str | None:
    """The parameter that asks for more than a text; None where none does."""
    if any(kind != "text" for kind in params.get("modalities") or ()):
        return "modalities"
    return "audio" if params.get("audio") else None


def blocks(moderation: Any) -> bool:
    """Whether a policy is to hold back what it finds: who moderates nothing must not answer."""
    match moderation:
        case {"policy": {"input": {"mode": "block"}} | {"output": {"mode": "block"}}}:
            return True
    return False
