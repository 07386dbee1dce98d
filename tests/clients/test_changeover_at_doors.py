"""A conversation begun with one provider goes on with another, through clients that drop ids."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import anthropic
import ollama
import pytest
from google import genai
from google.genai import types

from tests.clients import scenarios as s
from tests.clients.conftest import Fakes

Loop = Callable[[str, str, str, str], str]
PLACEHOLDER = "skip_"


def by_anthropic(url: str, words: str, first: str, second: str) -> str:
    """It sends back all it got, thoughts and their signatures too."""
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    tool: Any = {"name": "weather", "input_schema": s.WEATHER}
    ask: Any = {"max_tokens": 4000, "tools": [tool], "thinking": thinking}
    talk: list[Any] = [{"role": "user", "content": words}]
    with anthropic.Anthropic(base_url=url, api_key="app-x", max_retries=0) as client:
        asked = client.messages.create(model=first, messages=talk, **ask)
        calls = [block for block in asked.content if block.type == "tool_use"]
        told: Any = [
            {"type": "tool_result", "tool_use_id": one.id, "content": s.weather(**one.input)}  # type: ignore[arg-type] # an object
            for one in calls
        ]
        talk += [{"role": "assistant", "content": asked.content}, {"role": "user", "content": told}]
        answer = client.messages.create(model=second, messages=talk, **ask)
    return "".join(block.text for block in answer.content if block.type == "text")


def by_ollama(url: str, words: str, first: str, second: str) -> str:
    """It drops the ids of calls, and names results by their function."""
    function: Any = {"name": "weather", "description": "Tells", "parameters": s.WEATHER}
    tools: Any = [{"type": "function", "function": function}]
    talk: list[Any] = [{"role": "user", "content": words}]
    with ollama.Client(url, trust_env=False) as client:
        asked = client.chat(first, talk, tools=tools, think=True)
        talk.append(asked.message)
        for call in asked.message.tool_calls or ():
            told = s.weather(**call.function.arguments)
            talk.append({"role": "tool", "tool_name": call.function.name, "content": told})
        return client.chat(second, talk, tools=tools, think=True).message.content or ""


def by_gemini(url: str, words: str, first: str, second: str) -> str:
    """It sends results without ids."""
    declared: Any = {"name": "weather", "parameters_json_schema": s.WEATHER}
    config: Any = {
        "tools": [{"function_declarations": [declared]}],
        "thinking_config": {"include_thoughts": True},
    }
    options = types.HttpOptions(base_url=url, client_args={"trust_env": False})
    talk: list[Any] = [types.UserContent(words)]
    with genai.Client(api_key="app-x", http_options=options) as client:
        ask = client.models.generate_content
        asked = ask(model=first, contents=talk, config=config)
        told: Any = [
            types.Part.from_function_response(
                name=one.name, response={"output": s.weather(**one.args)}
            )
            for one in asked.function_calls or ()
        ]
        talk += [asked.candidates[0].content, types.UserContent(told)]  # type: ignore[index] # it has one
        return ask(model=second, contents=talk, config=config).text or ""


@pytest.mark.parametrize("loop", [by_anthropic, by_ollama, by_gemini])
def test_a_tool_loop_goes_on_at_another_provider(base_url: str, fakes: Fakes, loop: Loop) -> None:
    url = base_url.removesuffix("/v1")
    for first, second in product(s.MODELS, s.MODELS):
        models = s.MODELS[first]["thinking"], s.MODELS[second]["thinking"]
        words = f"{s.CITIES} By {loop.__name__}, {first}, {second}."  # as nobody has asked before

        assert loop(url, words, *models) == s.EXPECTED["tools"], (first, second)
        if second == "gemini":
            [turn] = [one for one in fakes.gemini.requests[-1].json["contents"] if _calls(one)]
            signed = _calls(turn)[0]["thoughtSignature"]
            assert signed.startswith(PLACEHOLDER) is (first != "gemini"), first


def _calls(content: Any) -> list[Any]:
    return [part for part in content["parts"] if "functionCall" in part]
