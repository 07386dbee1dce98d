"""Thinking, in each dialect that clients ask for it in."""

from __future__ import annotations

from typing import get_args

import pytest
from openai.types.shared import ReasoningEffort

from adapters.base import Json, Thinking
from tests.proxy.doors.chat.read.kit import refusal, request


@pytest.mark.parametrize("effort", get_args(get_args(ReasoningEffort)[0]))
def test_every_effort_of_openai_is_taken(effort: str) -> None:
    assert request(reasoning_effort=effort).thinking == Thinking(effort=effort)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"reasoning": {"effort": "high"}}, Thinking(effort="high")),
        ({"reasoning": {"max_tokens": 2000}}, Thinking(budget_tokens=2000)),
        ({"reasoning": {"enabled": False}}, Thinking(effort="none")),
        ({"reasoning": {"exclude": True}}, Thinking(include=False)),
        ({"reasoning": {"exclude": False, "effort": None}}, Thinking(include=True)),
        ({"reasoning": {"effort": "low"}, "reasoning_effort": "high"}, Thinking(effort="high")),
        (
            {"extra_body": {"google": {"thinking_config": {"thinking_budget": 0}}}},
            Thinking(budget_tokens=0),
        ),
        (
            {"google": {"thinking_config": {"thinking_level": "HIGH", "include_thoughts": True}}},
            Thinking(effort="high", include=True),
        ),
        ({"thinking_config": {"thinking_budget": -1}}, Thinking(budget_tokens=-1)),
        ({"think": False}, Thinking(effort="none")),
        ({"think": True}, Thinking(include=True)),
        ({"think": "high"}, Thinking(effort="high")),
        ({"think": ["high"]}, Thinking()),
        ({"think": "high", "reasoning_effort": "low"}, Thinking(effort="low")),
        ({"thinking": {"type": "disabled"}}, Thinking(effort="none")),
        ({"thinking": {"type": "enabled", "budget_tokens": 900}}, Thinking(budget_tokens=900)),
        ({"thinking": {"type": "adaptive"}}, Thinking()),
        ({"thinking": {"type": "enabled"}, "reasoning_effort": "low"}, Thinking(effort="low")),
        ({"enable_thinking": False}, Thinking(effort="none")),
        ({"enable_thinking": True, "thinking_budget": 50}, Thinking(budget_tokens=50)),
        ({"chat_template_kwargs": {"enable_thinking": False}}, Thinking(effort="none")),
        ({"chat_template_kwargs": {"thinking": False}}, Thinking(effort="none")),
        ({"chat_template_kwargs": ["x"], "thinking": 5}, Thinking()),
        *(({"reasoning_effort": word}, Thinking()) for word in ("default", "auto", "adaptive")),
        *(
            ({"reasoning_effort": word}, Thinking(effort="none"))
            for word in ("off", "disable", "disabled", "None")
        ),
        ({"reasoning": {"effort": "auto"}}, Thinking()),
        ({"include_reasoning": False}, Thinking(include=False)),
        ({"reasoning_format": "hidden"}, Thinking(include=False)),
        ({"reasoning_format": "raw"}, Thinking(include=True)),
        ({"reasoning_format": "new"}, Thinking()),
        ({}, Thinking()),
    ],
    ids=str,
)
def test_thinking_is_understood_in_each_dialect(fields: Json, expected: Thinking) -> None:
    assert request(**fields).thinking == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"reasoning": "high"}, "reasoning"),
        ({"reasoning": {"effort": "extreme"}}, "reasoning.effort"),
        ({"reasoning": {"effort": 3}}, "reasoning.effort"),
        ({"reasoning": {"max_tokens": "many"}}, "reasoning.max_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": "x"}}, "thinking.budget_tokens"),
        ({"thinking_config": {"thinking_budget": -2}}, "thinking_config.thinking_budget"),
        ({"thinking_config": {"thinking_level": []}}, "thinking_config.thinking_level"),
    ],
    ids=str,
)
def test_wrong_thinking_is_named_in_the_dialect_it_came_in(fields: Json, param: str) -> None:
    error = refusal(**fields)

    assert (error.status, error.param) == (400, param)


def test_what_openai_does_not_define_is_an_extension() -> None:
    extras = {"groq": {"x": 1}, "top_k": 4, "num_ctx": 1, "google": {}, "anything": None}

    assert request(**extras).extensions == {
        "groq": {"x": 1},
        "top_k": 4,
        "num_ctx": 1,
        "google": {},
    }
