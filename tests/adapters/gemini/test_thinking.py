"""How much to think, as each generation of models wants to be told."""

from __future__ import annotations

import pytest

from adapters.base import Json, Thinking
from tests.adapters.gemini.kit import native

BUDGET = "thinkingBudget"
LEVEL = "thinkingLevel"
THOUGHTS = {"includeThoughts": True}
OTHER = ("changed=reasoning.max_tokens",)
EFFORTS: list[tuple[str, Thinking, Json, tuple[str, ...]]] = [
    ("gemini-2.5-flash", Thinking(), {}, ()),
    ("gemini-2.5-flash", Thinking(effort="none"), {BUDGET: 0}, ()),
    ("gemini-2.5-flash", Thinking(effort="minimal"), {BUDGET: 1024, **THOUGHTS}, ()),
    ("gemini-2.5-flash", Thinking(effort="low"), {BUDGET: 1024, **THOUGHTS}, ()),
    ("gemini-2.5-flash", Thinking(effort="medium"), {BUDGET: 8192, **THOUGHTS}, ()),
    ("gemini-2.5-flash", Thinking(effort="high"), {BUDGET: 24576, **THOUGHTS}, ()),
    ("gemini-2.5-flash", Thinking(effort="xhigh"), {BUDGET: 24576, **THOUGHTS}, ()),
    ("gemini-2.5-flash", Thinking(effort="max"), {BUDGET: 24576, **THOUGHTS}, ()),
    ("gemini-2.5-flash", Thinking(budget_tokens=300), {BUDGET: 300, **THOUGHTS}, ()),
    ("gemini-2.5-flash", Thinking(effort="low", include=False), {BUDGET: 1024}, ()),
    ("gemini-2.5-flash", Thinking(include=True), THOUGHTS, ()),
    ("gemini-2.5-pro", Thinking(effort="none"), {BUDGET: 128}, ("changed=reasoning_effort",)),
    ("gemini-2.5-pro", Thinking(effort="low"), {BUDGET: 1024, **THOUGHTS}, ()),
    ("gemini-2.5-flash", Thinking(budget_tokens=-1), {BUDGET: -1, **THOUGHTS}, ()),
    ("gemini-2.5-flash", Thinking(budget_tokens=32768), {BUDGET: 24576, **THOUGHTS}, OTHER),
    ("gemini-2.5-pro", Thinking(budget_tokens=32768), {BUDGET: 32768, **THOUGHTS}, ()),
    ("gemini-2.5-pro", Thinking(budget_tokens=0), {BUDGET: 128}, OTHER),
    ("gemini-2.5-flash-lite", Thinking(effort="none"), {BUDGET: 0}, ()),
    ("gemini-2.5-flash-lite", Thinking(budget_tokens=100), {BUDGET: 512, **THOUGHTS}, OTHER),
    ("gemini-flash-latest", Thinking(effort="low"), {LEVEL: "LOW", **THOUGHTS}, ()),
    (
        "gemini-3-flash-preview",
        Thinking(effort="none"),
        {LEVEL: "MINIMAL"},
        ("changed=reasoning_effort",),
    ),
    ("gemini-3-flash-preview", Thinking(effort="minimal"), {LEVEL: "MINIMAL", **THOUGHTS}, ()),
    ("gemini-3.1-pro-preview", Thinking(effort="minimal"), {LEVEL: "LOW", **THOUGHTS}, ()),
    (
        "gemini-3.1-pro-preview",
        Thinking(effort="none"),
        {LEVEL: "LOW"},
        ("changed=reasoning_effort",),
    ),
    ("gemini-3.1-pro-preview", Thinking(effort="medium"), {LEVEL: "MEDIUM", **THOUGHTS}, ()),
    (
        "gemini-3-pro-preview",
        Thinking(effort="medium"),
        {LEVEL: "HIGH", **THOUGHTS},
        ("changed=reasoning_effort",),
    ),
    ("gemini-3.6-flash", Thinking(effort="high"), {LEVEL: "HIGH", **THOUGHTS}, ()),
    ("gemini-3.6-flash", Thinking(effort="xhigh"), {LEVEL: "HIGH", **THOUGHTS}, ()),
    (
        "gemini-3.6-flash",
        Thinking(budget_tokens=5000),
        {LEVEL: "MEDIUM", **THOUGHTS},
        ("changed=reasoning.max_tokens",),
    ),
    ("gemini-2.0-flash", Thinking(effort="low"), {}, ("dropped=reasoning_effort",)),
    ("gemini-2.0-flash", Thinking(effort="none"), {}, ()),
    ("gemini-1.5-pro", Thinking(effort="high"), {}, ("dropped=reasoning_effort",)),
    ("gemini-2.5-flash-image", Thinking(effort="low"), {}, ("dropped=reasoning_effort",)),
]


LEAST = {
    "gemini-3-flash-preview": "MINIMAL",
    "gemini-3.6-flash": "MINIMAL",
    "gemini-3.1-flash-lite": "MINIMAL",
    "gemini-3.8-flash-lite": "MINIMAL",
    "gemini-3.7-flash": "LOW",
    "gemini-3.8-flash-preview": "LOW",
    "gemini-4-flash": "LOW",
    "gemini-flash-latest": "LOW",
    "gemini-3-pro-preview": "LOW",
    "gemini-3.1-pro-preview": "LOW",
    "gemini-pro-latest": "LOW",
}


@pytest.mark.parametrize("effort", ["none", "minimal"])
def test_the_least_thinking_is_the_least_that_the_family_takes(effort: str) -> None:
    for model, level in LEAST.items():
        config = native(model=model, thinking=Thinking(effort=effort)).body["generationConfig"]
        assert (model, config["thinkingConfig"][LEVEL]) == (model, level)


@pytest.mark.parametrize(("model", "thinking", "wanted", "warnings"), EFFORTS)
def test_effort_is_told_as_each_generation_wants_it(
    model: str, thinking: Thinking, wanted: Json, warnings: tuple[str, ...]
) -> None:
    call = native(model=model, thinking=thinking)
    assert call.body.get("generationConfig", {}).get("thinkingConfig", {}) == wanted
    assert call.warnings == warnings
