"""How much a request is to think, in the words of all whose clients come here. Pure."""

from __future__ import annotations

from typing import Any

from adapters.base import SWITCHES, Json, Thinking
from proxy.doors.reading.checks import (
    checked,
    flag,
    json_object,
    member,
    out_of_range,
    string,
    whole,
)

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_UNSET = frozenset({"default", "auto", "adaptive"})
_OFF = frozenset({"off", "disable", "disabled"})


def thinking(data: Json) -> Thinking:
    """OpenAI's `reasoning_effort`, or the words for it of OpenRouter, Google, Ollama, Groq,
    Anthropic and DeepSeek, and of Qwen and vLLM.
    """
    if _WORDS_OF_THINKING.isdisjoint(data):
        return Thinking()
    other = checked(data, "reasoning", json_object) or {}
    path, google = _google_thinking(data)
    effort = checked(data, "reasoning_effort", _effort)
    effort = effort or member(other, "reasoning", "effort", _effort)
    effort = effort or member(google, path, "thinking_level", _effort)
    if effort is None and (other.get("enabled") is False or _is_off(data)):
        effort = "none"
    if effort is None and data.get("think") in ("low", "medium", "high", "max"):
        effort = data["think"]
    budget = member(other, "reasoning", "max_tokens", _budget)
    if budget is None:
        budget = member(google, path, "thinking_budget", _budget)
    if budget is None:
        budget = _plain_budget(data)
    exclude = member(other, "reasoning", "exclude", flag)
    include = member(google, path, "include_thoughts", flag)
    if include is None:
        include = _shows_thoughts(data)
    return Thinking(effort, budget, include if exclude is None else not exclude)


_WORDS_OF_THINKING = frozenset(
    {
        *("reasoning_effort", "reasoning", "think", "include_reasoning", "reasoning_format"),
        *("extra_body", "google", "thinking_config", *SWITCHES),
    }
)


def _is_off(data: Json) -> bool:
    match data:
        case {"think": False} | {"thinking": {"type": "disabled"}} | {"enable_thinking": False}:
            return True
        case {"chat_template_kwargs": {"enable_thinking": False} | {"thinking": False}}:
            return True
        case _:
            return False


def _plain_budget(data: Json) -> int | None:
    """Anthropic's and Qwen's; with whatever else is in its place nothing is asked for."""
    found: int | None = None
    match data:
        case {"thinking": {"type": "enabled", "budget_tokens": budget}}:
            found = _budget("thinking.budget_tokens", budget)
        case {"thinking_budget": int(budget)} if "enable_thinking" in data:
            found = _budget("thinking_budget", budget)
    return found


def _effort(name: str, value: Any) -> str | None:
    effort = string(name, value).lower()
    if effort in _UNSET:
        return None
    if effort in _OFF:
        return "none"
    if effort not in EFFORTS:
        raise out_of_range(name, "one of " + ", ".join(EFFORTS))
    return effort


def _shows_thoughts(data: Json) -> bool | None:
    match data:
        case {"include_reasoning": bool(include)}:
            return include
        case {"reasoning_format": "parsed" | "raw" | "hidden" as form}:
            return bool(form != "hidden")
        case _:
            return True if data.get("think") is True else None


_budget = whole(-1, 2**31 - 1)


def _google_thinking(data: Json) -> tuple[str, Json]:
    match data:
        case {"extra_body": {"google": {"thinking_config": dict(config)}}}:
            return "extra_body.google.thinking_config", config
        case {"google": {"thinking_config": dict(config)}}:
            return "google.thinking_config", config
        case {"thinking_config": dict(config)}:
            return "thinking_config", config
        case _:
            return "", {}
