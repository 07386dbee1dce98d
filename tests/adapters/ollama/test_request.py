# ruff: noqa: E501 - a table is read by its rows
"""What every parameter of OpenAI's becomes in the body of `POST /api/chat`."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import ChatRequest, ErrorKind, Json, ResponseFormat, Thinking
from adapters.ollama.adapter import OllamaSettings
from adapters.ollama.context import ModelFacts
from adapters.ollama.request import to_native
from tests.adapters.kit import TOOL
from tests.adapters.ollama.kit import USER, prepared, refused

OTHER: Json = {"type": "function", "function": {"name": "now"}}
EMPTY: Json = {"type": "object", "properties": {}}
SCHEMA: Json = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {}}}


def _param(**params: Any) -> Json:
    return {"params": params}


def _ext(**extensions: Any) -> Json:
    return {"extensions": extensions}


# A row: the request's fields, what they add to the plain body, the warnings.
ROWS: dict[str, tuple[Json, Json, tuple[str, ...]]] = {
    "nothing": ({}, {}, ()),
    "stream": ({"stream": True}, {"stream": True}, ()),
    "stream_options": (_param(**{"stream_options.include_obfuscation": True}), {}, ("dropped=stream_options.include_obfuscation",)),
    "max_tokens": ({"max_tokens": 50}, {"options": {"num_predict": 50}}, ()),
    "temperature": (_param(temperature=0), {"options": {"temperature": 0}}, ()),
    "top_p": (_param(top_p=0.5), {"options": {"top_p": 0.5}}, ()),
    "n": ({"n": 3}, {}, ()),
    "stop": ({"stop": ("a", "b")}, {"options": {"stop": ["a", "b"]}}, ()),
    "seed": (_param(seed=0), {"options": {"seed": 0}}, ()),
    "frequency_penalty": (_param(frequency_penalty=1.5), {"options": {"frequency_penalty": 1.5}}, ()),
    "presence_penalty": (_param(presence_penalty=-1), {"options": {"presence_penalty": -1}}, ()),
    "logit_bias": (_param(logit_bias={"50": 1}), {}, ("dropped=logit_bias",)),
    "no logit_bias": (_param(logit_bias={}), {}, ()),
    "logprobs": (_param(logprobs=True), {"logprobs": True}, ()),
    "no logprobs": (_param(logprobs=False), {}, ()),
    "top_logprobs": (_param(logprobs=True, top_logprobs=0), {"logprobs": True, "top_logprobs": 0}, ()),
    "json_object": ({"response_format": ResponseFormat()}, {"format": "json"}, ()),
    "json_schema": ({"response_format": ResponseFormat(schema=SCHEMA, strict=True)}, {"format": SCHEMA}, ()),
    "tools": ({"tools": [TOOL]}, {"tools": [TOOL]}, ()),
    "tool without parameters": ({"tools": [OTHER]}, {"tools": [{"type": "function", "function": {"name": "now", "parameters": EMPTY}}]}, ()),
    "tool_choice auto": ({"tools": [TOOL], "tool_choice": "auto"}, {"tools": [TOOL]}, ()),
    "tool_choice none": ({"tools": [TOOL], "tool_choice": "none"}, {}, ()),
    "tool_choice required": ({"tools": [TOOL], "tool_choice": "required"}, {"tools": [TOOL]}, ("dropped=tool_choice",)),
    "tool_choice named": ({"tools": [OTHER, TOOL], "tool_choice": "required", "forced_tool": "weather"}, {"tools": [TOOL]}, ("emulated=tool_choice",)),
    "parallel_tool_calls": ({"tools": [TOOL], "parallel_tool_calls": True}, {"tools": [TOOL]}, ()),
    "no parallel_tool_calls": ({"tools": [TOOL], "parallel_tool_calls": False}, {"tools": [TOOL]}, ("emulated=parallel_tool_calls",)),
    "verbosity": (_param(verbosity="low"), {}, ("dropped=verbosity",)),
    "modalities text": (_param(modalities=["text"]), {}, ()),
    "prediction": (_param(prediction={"type": "content"}), {}, ("dropped=prediction",)),
    "service_tier": (_param(service_tier="flex"), {}, ("dropped=service_tier",)),
    "service_tier auto": (_param(service_tier="auto"), {}, ()),
    "user": (_param(user="ann"), {}, ("dropped=user",)),
    "safety_identifier": (_param(safety_identifier="x"), {}, ("dropped=safety_identifier",)),
    "metadata": (_param(metadata={"a": "b"}), {}, ("dropped=metadata",)),
    "store": (_param(store=True), {}, ("dropped=store",)),
    "no store": (_param(store=False), {}, ()),
    "prompt_cache_key": (_param(prompt_cache_key="k"), {}, ("dropped=prompt_cache_key",)),
    "prompt_cache_options": (_param(prompt_cache_options={"mode": "x"}), {}, ("dropped=prompt_cache_options",)),
    "prompt_cache_retention": (_param(prompt_cache_retention="24h"), {}, ("dropped=prompt_cache_retention",)),
    "moderation": (_param(moderation={"model": "m"}), {}, ("dropped=moderation",)),
    "odd moderation": (_param(moderation="x"), {}, ("dropped=moderation",)),
    "effort none": ({"thinking": Thinking(effort="none")}, {"think": False}, ()),
    "effort minimal": ({"thinking": Thinking(effort="minimal")}, {"think": "low"}, ()),
    "effort low": ({"thinking": Thinking(effort="low")}, {"think": "low"}, ()),
    "effort medium": ({"thinking": Thinking(effort="medium")}, {"think": "medium"}, ()),
    "effort high": ({"thinking": Thinking(effort="high")}, {"think": "high"}, ()),
    "effort xhigh": ({"thinking": Thinking(effort="xhigh")}, {"think": "max"}, ()),
    "effort max": ({"thinking": Thinking(effort="max")}, {"think": "max"}, ()),
    "unknown effort": ({"thinking": Thinking(effort="heroic")}, {}, ("dropped=reasoning_effort",)),
    "budget 0": ({"thinking": Thinking(budget_tokens=0)}, {"think": False}, ("emulated=thinking_budget",)),
    "budget 500": ({"thinking": Thinking(budget_tokens=500)}, {"think": "low"}, ("emulated=thinking_budget",)),
    "budget 8000": ({"thinking": Thinking(budget_tokens=8000)}, {"think": "medium"}, ("emulated=thinking_budget",)),
    "budget -1": ({"thinking": Thinking(budget_tokens=-1)}, {"think": "high"}, ("emulated=thinking_budget",)),
    "include": ({"thinking": Thinking(include=True)}, {}, ()),
    "top_k": (_ext(top_k=5), {"options": {"top_k": 5}}, ()),
    "min_p": (_ext(min_p=0.1), {"options": {"min_p": 0.1}}, ()),
    "num_ctx": (_ext(num_ctx=9000), {"options": {"num_ctx": 9000}}, ()),
    "keep_alive": (_ext(keep_alive="10m"), {"keep_alive": "10m"}, ()),
    "keep_alive in seconds": (_ext(keep_alive="-1"), {"keep_alive": -1}, ()),
    "think": (_ext(think=True), {"think": True}, ()),
    "format": (_ext(format="json"), {"format": "json"}, ()),
    "options": ({"params": {"seed": 1}, "extensions": {"options": {"seed": 2, "mirostat": 1}}}, {"options": {"seed": 2, "mirostat": 1}}, ()),
    "own block": ({"params": {"seed": 1, "top_p": 1}, "extensions": {"ollama": {"options": {"seed": 3}, "think": False}}}, {"options": {"seed": 3, "top_p": 1}, "think": False}, ()),
    "own block keeps the model": (_ext(ollama={"model": "x", "stream": False}), {}, ()),
    "others' blocks": (_ext(groq={"a": 1}, gemini={"b": 2}, pointsman={"fallback": False}), {}, ()),
    "an object that is no block": (_ext(search_settings={"country": "peru"}), {}, ("dropped=search_settings",)),
    "unknown": (_ext(foo=1), {}, ("dropped=foo",)),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "added", "warnings"), ROWS.values(), ids=ROWS.keys())
def test_a_parameter_becomes(fields: Json, added: Json, warnings: tuple[str, ...]) -> None:
    call = prepared(**fields)
    assert call.body == {
        "model": "llama3.2:3b",
        "messages": [USER],
        "stream": True,
        **added,
    }
    assert call.warnings == warnings
    assert (call.method, call.path) == ("POST", "/api/chat")
    assert call.stream is call.body["stream"]


REFUSED: dict[str, tuple[Json, str]] = {
    "audio": (_param(audio={"voice": "x"}, modalities=["text", "audio"]), "modalities"),
    "modalities": (_param(modalities=["text", {}]), "modalities"),
    "web search": (_param(web_search_options={}), "web_search_options"),
    "moderation": (_param(moderation={"policy": {"output": {"mode": "block"}}}), "moderation"),
    "custom tool": ({"tools": [TOOL, {"type": "custom"}]}, "tools[1].type"),
}


@pytest.mark.parametrize(("fields", "param"), REFUSED.values(), ids=REFUSED.keys())
def test_what_ollama_cannot_do_is_refused_so_that_another_may(fields: Json, param: str) -> None:
    error = refused(**fields)
    assert (error.kind, error.param) == (ErrorKind.UNSUPPORTED, param)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        (_ext(options=[1]), "options"),
        (_ext(ollama="x"), "ollama"),
        (_ext(ollama={"options": 7}), "options"),
        ({"tools": [TOOL], "tool_choice": "required", "forced_tool": "x"}, "tool_choice"),
        ({"messages": [{"role": "assistant", "content": ""}]}, "messages"),
    ],
)
def test_what_makes_no_sense_is_refused_for_good(fields: Json, param: str) -> None:
    error = refused(**fields)
    assert (error.kind, error.param) == (ErrorKind.BAD_REQUEST, param)


def test_settings_stand_in_for_what_the_request_does_not_say() -> None:
    settings = {"temperature": 0.3, "max_tokens": 99, "keep_alive": "300", "num_ctx": 2048}
    body = prepared(settings).body
    assert body["options"] == {"temperature": 0.3, "num_predict": 99, "num_ctx": 2048}
    assert body["keep_alive"] == 300
    fields = {"params": {"temperature": 1}, "max_tokens": 5, **_ext(keep_alive=0, num_ctx=512)}
    body = prepared(settings, **fields).body
    assert body["options"] == {"temperature": 1, "num_predict": 5, "num_ctx": 512}
    assert body["keep_alive"] == 0


@pytest.mark.parametrize(("effort", "lost"), [("high", True), ("none", False)])
def test_a_model_that_does_not_think_is_not_asked_to(effort: str, lost: bool) -> None:
    request = ChatRequest(model="m", messages=[USER], thinking=Thinking(effort=effort))
    facts = ModelFacts(capabilities=frozenset({"completion"}))
    call = to_native(request, OllamaSettings(), facts)
    assert "think" not in call.body
    assert ("dropped=reasoning_effort" in call.warnings) is lost


def test_a_strict_tool_is_sent_whole_but_for_the_promise() -> None:
    parameters = {
        "type": "object",
        "properties": {"a": {"type": ["integer", "null"], "minimum": 0}, "b": True},
        "additionalProperties": False,
    }
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": parameters}}
    call = prepared(tools=[tool])
    assert call.body["tools"][0]["function"] == {
        "name": "f",
        "parameters": {**parameters, "properties": {**parameters["properties"], "b": {}}},  # type: ignore[dict-item]
    }
    assert call.warnings == ("dropped=tools.strict",)


def test_a_tools_schema_says_all_in_words_that_the_server_keeps() -> None:
    cat = {"type": "object", "properties": {"kind": {"const": "cat"}, "odd": True}}
    dog = {"type": "object", "properties": {"kind": {"const": "dog"}}}
    parameters = {
        "$ref": "#/$defs/Call",
        "$defs": {
            "Call": {"type": "object", "properties": {"pets": {"$ref": "#/$defs/Pets"}}},
            "Pets": {
                "type": "array",
                "items": {"oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]},
            },
            "Cat": cat,
            "Dog": dog,
        },
    }
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    assert prepared(tools=[tool]).body["tools"][0]["function"]["parameters"] == {
        "type": "object",
        "properties": {
            "pets": {
                "type": "array",
                "items": {
                    "anyOf": [
                        {"type": "object", "properties": {"kind": {"enum": ["cat"]}, "odd": {}}},
                        {"type": "object", "properties": {"kind": {"enum": ["dog"]}}},
                    ]
                },
            }
        },
    }


@pytest.mark.parametrize("wanted", [ResponseFormat(), ResponseFormat(schema=SCHEMA)])
def test_a_format_beside_tools_is_asked_for_in_words(wanted: ResponseFormat) -> None:
    call = prepared(response_format=wanted, tools=[TOOL])
    assert "format" not in call.body
    system, user = call.body["messages"]
    assert (system["role"], user) == ("system", USER)
    assert ("$defs" in system["content"]) == (wanted.schema is not None)
    assert call.warnings == ("emulated=response_format",)


def test_tools_that_must_not_be_called_leave_the_format() -> None:
    call = prepared(response_format=ResponseFormat(), tools=[TOOL], tool_choice="none")
    assert call.body["format"] == "json"
    assert call.warnings == ()
