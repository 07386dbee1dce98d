"""How much to think -> `thinkingConfig`, which differs by the generation of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.base import Thinking
from adapters.events import Json
from adapters.gemini.names import generation, version
from adapters.translation.thinking import effort_of

BUDGETS: Mapping[str, int] = {
    "none": 0,
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 24576,
    "max": 24576,
}
ALL_LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
LEVELS_OF_FAMILY: Sequence[tuple[str, tuple[int, int], tuple[str, ...]]] = (
    ("flash-lite", (3, 0), ALL_LEVELS),
    ("flash", (3, 7), ("LOW", "MEDIUM", "HIGH")),
    ("flash", (3, 0), ALL_LEVELS),
    ("pro", (3, 1), ("LOW", "MEDIUM", "HIGH")),
    ("pro", (3, 0), ("LOW", "HIGH")),
    ("", (3, 0), ("LOW", "MEDIUM", "HIGH")),
)
"""What a family takes from a version on, the least first; the first row that fits counts.

Source: ai.google.dev/gemini-api/docs/thinking.
"""
LEVELS: Mapping[str, str] = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}
BUDGETS_OF_FAMILY: Sequence[tuple[str, int, int, int]] = (
    ("flash-lite", 0, 512, 24576),
    ("pro", 128, 128, 32768),  # cannot be told not to think
    ("", 0, 1, 24576),
)
"""What a family of 2.5 takes: in place of 0, at least, at most; the first row that fits counts."""


def thinks(model: str) -> bool:
    """Whether the model can think; True also where its name shows no version."""
    if "gemma" in model or "embedding" in model:
        return False
    known = version(model)
    if known is None or known >= (3, 0):
        return True
    return known >= (2, 5) and "-image" not in model and "-tts" not in model


def thinking_config(model: str, thinking: Thinking, warnings: list[str]) -> Json:
    """Gemini's `thinkingConfig`, empty if nothing was asked; level and budget never stand together.

    Levels are of Gemini 3, budgets of 2.5; the numbers are those of Google's own OpenAI layer.
    """
    if thinking == Thinking():
        return {}
    if not thinks(model):
        if thinking.effort not in (None, "none") or thinking.budget_tokens:
            warnings.append("dropped=reasoning_effort")
        return {}
    if generation(model) >= (3, 0):
        config: Json = _level(model, thinking, warnings)
    else:
        config = _budget(model, thinking, warnings)
    if _wants_thoughts(thinking):
        config["includeThoughts"] = True
    return config


def _wants_thoughts(thinking: Thinking) -> bool:
    if thinking.include is not None:
        return thinking.include
    return thinking.effort not in (None, "none") or bool(thinking.budget_tokens)


def _level(model: str, thinking: Thinking, warnings: list[str]) -> Json:
    effort = thinking.effort
    if effort is None and thinking.budget_tokens is not None:
        effort = effort_of(thinking.budget_tokens)
        warnings.append("changed=reasoning.max_tokens")
    level = LEVELS.get(effort or "")
    if level is None:
        return {}
    taken = _levels_of(model)
    if level == "MEDIUM" and level not in taken:
        warnings.append("changed=reasoning_effort")
    if level not in taken:  # the next higher one
        level = next(one for one in taken if ALL_LEVELS.index(one) > ALL_LEVELS.index(level))
    if effort == "none":
        warnings.append("changed=reasoning_effort")
    return {"thinkingLevel": level}


def _levels_of(model: str) -> tuple[str, ...]:
    known = generation(model)
    return next(
        levels for name, since, levels in LEVELS_OF_FAMILY if name in model and known >= since
    )


def _budget(model: str, thinking: Thinking, warnings: list[str]) -> Json:
    budget = thinking.budget_tokens
    if budget is None:
        budget = BUDGETS.get(thinking.effort or "")
    if budget is None:
        return {}
    none, least, most = next(rest for name, *rest in BUDGETS_OF_FAMILY if name in model)
    fitting = none if budget == 0 else min(max(budget, least), most)
    if budget < 0:  # as the model likes
        fitting = -1
    if fitting != budget:
        is_effort = thinking.budget_tokens is None
        warnings.append("changed=reasoning_effort" if is_effort else "changed=reasoning.max_tokens")
    return {"thinkingBudget": fitting}
