"""What thinking becomes at Groq, by the model's family."""

from __future__ import annotations

import pytest

from adapters.base import Json, Thinking
from tests.adapters.groq.kit import LLAMA, OSS, QWEN, added

QWEN_LEVELS = "qwen/qwen3.8-27b"
EFFORTS = [
    (OSS, "none", "low"),
    (OSS, "minimal", "low"),
    (OSS, "low", "low"),
    (OSS, "medium", "medium"),
    (OSS, "high", "high"),
    (OSS, "xhigh", "high"),
    (OSS, "max", "high"),
    (QWEN, "none", "none"),
    (QWEN, "minimal", "default"),
    (QWEN, "high", "default"),
    (QWEN, "max", "default"),
    (QWEN_LEVELS, "none", "none"),
    (QWEN_LEVELS, "minimal", "low"),
    (QWEN_LEVELS, "medium", "medium"),
    (QWEN_LEVELS, "xhigh", "high"),
]


@pytest.mark.parametrize(("model", "effort", "word"), EFFORTS)
def test_effort_is_what_the_family_takes(model: str, effort: str, word: str) -> None:
    body, words = added(model=model, thinking=Thinking(effort=effort))
    assert body["reasoning_effort"] == word
    assert words == (() if word == effort else ("changed=reasoning_effort",))


CHANGED_EFFORT = ("changed=reasoning_effort",)


@pytest.mark.parametrize(
    ("model", "thinking", "body", "words"),
    [
        (LLAMA, Thinking("high"), {}, ("dropped=reasoning_effort",)),
        (LLAMA, Thinking("none"), {}, ()),
        (LLAMA, Thinking(include=True), {}, ()),
        (OSS, Thinking(), {}, ()),
        (OSS, Thinking(include=False), {"include_reasoning": False}, ()),
        (OSS, Thinking(include=True), {"include_reasoning": True}, ()),
        (OSS, Thinking(budget_tokens=9000), {"reasoning_effort": "high"}, CHANGED_EFFORT),
        (OSS, Thinking(budget_tokens=1000), {"reasoning_effort": "low"}, CHANGED_EFFORT),
        (OSS, Thinking(budget_tokens=-1), {}, ()),
        (QWEN, Thinking(), {"reasoning_format": "parsed"}, ()),
        ("deepseek-r1-distill-llama-70b", Thinking(), {"reasoning_format": "parsed"}, ()),
        ("qwen-2.5-coder-32b", Thinking(include=True), {}, ()),
        (QWEN, Thinking("none"), {"reasoning_effort": "none"}, ()),
        (QWEN, Thinking(include=True), {"reasoning_format": "parsed"}, ()),
        (QWEN, Thinking(include=False), {"reasoning_format": "hidden"}, ()),
        (
            QWEN_LEVELS,
            Thinking("low"),
            {"reasoning_effort": "low", "reasoning_format": "parsed"},
            (),
        ),
        (
            "deepseek-r1-distill-llama-70b",
            Thinking("low"),
            {"reasoning_format": "parsed"},
            ("dropped=reasoning_effort",),
        ),
    ],
)  # fmt: skip
def test_thinking_becomes(
    model: str, thinking: Thinking, body: Json, words: tuple[str, ...]
) -> None:
    assert added(model=model, thinking=thinking) == (body, words)


def test_tags_in_the_text_are_for_who_asks_for_them() -> None:
    body, _ = added(model=QWEN, extensions={"reasoning_format": "raw"})
    assert body == {"reasoning_format": "raw"}


def test_two_ways_to_ask_for_thoughts_are_never_sent_together() -> None:
    body, _ = added(
        model=OSS,
        thinking=Thinking(include=True),
        extensions={"reasoning_format": "parsed"},
    )
    assert body == {"reasoning_format": "parsed"}
