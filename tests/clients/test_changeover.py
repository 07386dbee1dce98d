"""A conversation begun with one provider goes on with another one."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import openai
import pytest

from tests.clients import scenarios

TOOL: Any = {
    "type": "function",
    "function": {"name": "weather", "parameters": scenarios.WEATHER},
}
PAIRS = list(product(scenarios.MODELS, scenarios.MODELS))


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("bare", [False, True], ids=["whole-messages", "ids-only"])
def test_a_tool_loop_goes_on_at_another_provider(
    base_url: str, first: str, second: str, bare: bool
) -> None:
    """Be the client one that sends back all it got, or one that keeps no more than it must."""
    ask: Any = {"tools": [TOOL], "reasoning_effort": "low"}
    messages: list[Any] = [{"role": "user", "content": scenarios.CITIES}]
    with openai.OpenAI(base_url=base_url, api_key="app-x", max_retries=0) as client:
        create = client.chat.completions.create
        asked = create(model=scenarios.MODELS[first]["thinking"], messages=messages, **ask)
        message = asked.choices[0].message
        assert message.tool_calls
        messages.append(_bare(message) if bare else message.model_dump())
        for call in message.tool_calls:
            assert call.type == "function"
            told = scenarios.weather(json.loads(call.function.arguments)["city"])
            messages.append({"role": "tool", "tool_call_id": call.id, "content": told})
        answer = create(model=scenarios.MODELS[second]["thinking"], messages=messages, **ask)
    assert answer.choices[0].message.content == scenarios.EXPECTED["tools"]


def _bare(message: Any) -> Any:
    keys = ("id", "type", "function")
    calls = [call.model_dump(include=set(keys)) for call in message.tool_calls]
    return {"role": "assistant", "content": None, "tool_calls": calls}


@pytest.mark.parametrize("provider", scenarios.MODELS)
def test_a_history_full_of_other_worlds_fields_is_taken(base_url: str, provider: str) -> None:
    messages: list[Any] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "one", "name": "ann"},
        {
            "role": "assistant",
            "content": "two",
            "refusal": None,
            "annotations": [],
            "audio": None,
            "function_call": None,
            "tool_calls": None,
            "reasoning_content": "hm",
            "provider_specific_fields": {"x": 1},
        },
        {"role": "assistant", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "three"}]},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": scenarios.PLAIN},
    ]
    extra = {
        "safety_identifier": "x",
        "prompt_cache_key": "y",
        "verbosity": "low",
        "metadata": {"a": "b"},
        "store": False,
        "service_tier": "default",
        "logit_bias": {"1": 1},
        "seed": 7,
        "user": "ann",
        "prediction": {"type": "content", "content": "x"},
        "frequency_penalty": 0.1,
        "top_k": 5,
    }
    with openai.OpenAI(base_url=base_url, api_key="app-x", max_retries=0) as client:
        answer = client.chat.completions.create(
            model=scenarios.MODELS[provider]["chat"], messages=messages, extra_body=extra
        )
    assert str(answer.choices[0].message.content).endswith(scenarios.PLAIN)
